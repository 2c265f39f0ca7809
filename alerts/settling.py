"""What becomes of alerts, recorded: before a message is sent who is told by it, after it what came of that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

import structlog
from msgspec import structs
from redis.exceptions import RedisError

from alerts.model import Alert
from alerts.outbox import Outbox
from alerts.pacing import Pacing
from alerts.sinks.base import Gone, Posted, Refused, RetryLater, Sent, Sink
from alerts.standing import MAX_POSTED, Gathered, Post
from alerts.triage import judge
from alerts.turns import Case, Pending

log = structlog.get_logger(__name__)


class Settling:
    """Records. `token` gives the lease's token, `count` is told `sent`, `updated`, `held`, `suppressed`,
    `failed` or `retried` once per alert, `clock` is epoch milliseconds.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        pacing: Pacing,
        clock: Callable[[], int],
        token: Callable[[], str],
        count: Callable[[str], None],
    ) -> None:
        self._outbox, self._pacing, self._clock = outbox, pacing, clock
        self._outcomes, self._posts = outbox.outcomes, outbox.posts
        self._token, self._count = token, count

    async def to_tell(self, batch: Sequence[Pending]) -> list[Case]:
        """The entries that are to be told now; what becomes of the others is recorded."""
        stored = await self._outbox.load([one.alert_id for one in batch])
        standings = iter(await self._outbox.standings([one.alert for one in stored if one is not None]))
        cases = []
        for pending, one in zip(batch, stored, strict=True):
            if one is None:
                await self._outcomes.drop(pending.entry, None, pending.alert_id)
                continue
            case = Case(pending=pending, stored=one, standing=next(standings))
            if await self._is_told(case):
                cases.append(case)
        return cases

    async def _is_told(self, case: Case) -> bool:
        now, pending = self._clock(), case.pending
        verdict = judge(case.stored, case.standing, now)
        if verdict.fate == "drop":
            await self._outcomes.drop(pending.entry, case.stored, pending.alert_id)
        elif verdict.fate == "fail":
            await self.failed(case, verdict.why)
        elif verdict.fate == "suppress":
            await self._outcomes.suppressed(pending.alert_id, verdict.why, now=now, entry=pending.entry)
            self._count("suppressed")
        elif verdict.fate == "hold":
            await self._outcomes.held(pending.alert_id, verdict.why, until=verdict.until, entry=pending.entry)
            self._count("held")
        return verdict.fate == "tell"

    async def attempt(self, cases: Sequence[Case]) -> tuple[list[Case], int]:
        """Record that a send of `cases` starts. Returns those that are still there, and the number of the try.

        Raises LeaseLost when another process sends now.
        """
        if not cases:
            return [], 0
        ids = [case.alert.id for case in cases]
        attempts = await self._outcomes.attempt(ids, now=self._clock(), token=self._token())
        live = [case for case, number in zip(cases, attempts, strict=True) if number]
        return live, max(attempts)

    async def unsent(self, cases: Iterable[Case], reason: str, posted: Posted) -> None:
        """Record that `cases` are tried again, or have failed after a day."""
        for case in cases:
            if self._clock() - case.pending.queued_at > self._pacing.give_up_ms:
                await self.failed(case, f"gave up: {reason}")
                continue
            await self.insist(partial(self._outcomes.unsent, case.alert.id, reason, posted=posted))
            self._count("retried")

    async def failed(self, case: Case, reason: str) -> None:
        """Record that `case` will not be sent."""
        now, pending = self._clock(), case.pending
        await self.insist(
            lambda: self._outcomes.failed(pending.alert_id, reason, now=now, entry=pending.entry)
        )
        self._count("failed")
        log.warning("alert failed", alert=pending.alert_id, reason=reason)

    async def told(self, cases: Sequence[Case], sent: Sent, outcome: str, *, living: bool = True) -> None:
        """Record that `cases` are told: `sent` in a message of their own, or `updated` in an earlier one.
        `living`: it is their episode's message, which later ones join.
        """
        if living:
            await self._keep(cases, sent)
        for case in cases:
            await self._told(case, sent, outcome, living=living)

    async def gathered(self, lines: Iterable[Alert], digest: Gathered) -> None:
        """Record that each of `lines` has a line in `digest`, for clicks to find it."""
        await self.insist(lambda: self._posts.keep_digest(lines, digest))

    async def _keep(self, cases: Sequence[Case], sent: Sent) -> None:
        head = cases[-1]
        known = head.post.alerts if head.post is not None else ()
        ids = (*known, *(case.alert.id for case in cases))
        ids = ids if len(ids) <= MAX_POSTED else (ids[0], *ids[-MAX_POSTED + 1 :])
        post = Post(channel=sent.channel, ts=sent.ts, alerts=ids)
        await self.insist(lambda: self._posts.keep(head.alert, post))

    async def _told(self, case: Case, sent: Sent, outcome: str, *, living: bool) -> None:
        now, wait, pending = self._clock(), case.alert.escalate, case.pending
        remind_at = None
        if wait is not None and living and outcome == "sent":
            remind_at = now + wait.after_ms
        await self.insist(
            lambda: self._outcomes.told(
                pending.alert_id, outcome, sent, now=now, entry=pending.entry, remind_at=remind_at
            )
        )
        self._count(outcome)

    async def forget_post(self, case: Case) -> Case:
        """The episode's message is not there any more: the case without it."""
        await self.insist(lambda: self._posts.keep(case.alert, None))
        posts = {name: post for name, post in case.standing.posts.items() if name != case.alert.channel}
        return replace(case, standing=structs.replace(case.standing, posts=posts))

    async def insist(self, record: Callable[[], Awaitable[None]]) -> None:
        """Record until it is recorded: what is known here would be a doubt in anybody else's hands."""
        failures = 0
        while True:
            try:
                return await record()
            except (RedisError, OSError):
                failures += 1
                await asyncio.sleep(self._pacing.delay_s(failures, 0.0))


async def attempted(settling: Settling, sink: Sink, cases: Sequence[Case]) -> tuple[list[Case], int]:
    """As `Settling.attempt`; first asks for a sign of life where a copy may have arrived. Raises RetryLater."""
    if any(case.stored.unanswered for case in cases):
        # The one marked copy allowed must not be spent on a server that is still down.
        await sink.probe()
    return await settling.attempt(cases)


async def refusals_failed(
    settling: Settling, cases: Sequence[Case], send: Callable[[], Awaitable[Sent]]
) -> Sent | None:
    """Do `send`; None where it has failed for good, which is recorded. Raises RetryLater, recorded as well, and
    Gone.
    """
    try:
        return await send()
    except Gone:
        raise
    except RetryLater as later:
        await settling.unsent(cases, later.reason, later.posted)
        raise
    except Refused as refused:
        reason = refused.reason
    except Exception as error:  # one alert that cannot be shown or sent must not stop the others
        reason = f"{type(error).__name__}: {error}"
    for case in cases:
        await settling.failed(case, reason)
    return None
