"""Sending one message and recording what became of it, so that no crash in between loses or floods."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis.exceptions import RedisError

from alerts.digest import digest_message
from alerts.links import VisitorUrl
from alerts.messages import slack_message
from alerts.outbox import Outbox
from alerts.pacing import Pacing
from alerts.records import Stored
from alerts.sinks.base import Refused, RetryLater, Sent, Sink

log = structlog.get_logger(__name__)
NO_ANSWER = "no answer twice; the message may have arrived"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """One entry of the outbox stream. `at` is when the alert fired, `queued_at` when it was put there."""

    entry: str
    alert_id: str
    at: int
    queued_at: int


class Delivery:
    """Delivers entries of one channel: one as itself, several as a digest.

    `token` gives the lease's token, `count` is told `sent`, `failed` or `retried` once per alert, `clock` is
    epoch milliseconds.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        sink: Sink,
        visitor_url: VisitorUrl,
        pacing: Pacing,
        clock: Callable[[], int],
        token: Callable[[], str],
        count: Callable[[str], None],
    ) -> None:
        self._outbox, self._sink, self._visitor_url = outbox, sink, visitor_url
        self._pacing, self._clock, self._token, self._count = pacing, clock, token, count

    async def deliver(self, batch: Sequence[Pending]) -> bool:
        """Settle every alert of `batch`. Returns whether a message was posted.

        Raises RetryLater when the batch has to be tried again, LeaseLost when another process sends now,
        RedisError when Redis is away before anything was posted.
        """
        live = await self._still_unsettled(batch)
        if not live:
            return False
        if any(stored.unanswered for _, stored in live):
            # The one marked copy allowed must not be spent on a server that is still down.
            await self._sink.probe()
        attempts = await self._outbox.mark_attempt(
            [stored.alert.id for _, stored in live], now=self._clock(), token=self._token()
        )
        live = [one for one, attempt in zip(live, attempts, strict=True) if attempt]
        if not live:
            return False
        return await self._post(live, max(attempts))

    async def _still_unsettled(self, batch: Sequence[Pending]) -> list[tuple[Pending, Stored]]:
        live = []
        for pending, stored in zip(
            batch, await self._outbox.load([one.alert_id for one in batch]), strict=True
        ):
            if stored is None or stored.outcome:
                await self._outbox.drop(pending.entry, stored, pending.alert_id)
            elif stored.exhausted:
                await self._fail(pending, NO_ANSWER)
            else:
                live.append((pending, stored))
        return live

    async def _post(self, live: list[tuple[Pending, Stored]], attempt: int) -> bool:
        try:
            message = self._message([stored for _, stored in live])
            sent = await self._sink.send(live[0][1].alert, message, attempt=attempt)
        except RetryLater as later:
            await self._again(live, later)
        except Refused as refused:
            await self._fail_all(live, refused.reason)
        except Exception as error:  # one alert that cannot be shown or sent must not stop the others
            await self._fail_all(live, f"{type(error).__name__}: {error}")
        else:
            for pending, _ in live:
                await self._done(pending, sent)
        return True

    def _message(self, stored: list[Stored]) -> dict[str, Any]:
        duplicate = any(one.duplicate for one in stored)
        alerts = [one.alert for one in stored]
        if len(alerts) == 1:
            return slack_message(alerts[0], visitor_url=self._visitor_url, duplicate=duplicate)
        return digest_message(
            alerts,
            total=len(alerts),
            visitor_url=self._visitor_url,
            stale_ms=self._pacing.stale_ms,
            duplicate=duplicate,
        )

    async def _again(self, live: list[tuple[Pending, Stored]], later: RetryLater) -> None:
        for pending, _ in live:
            await self._retry(pending, later)
        raise later

    async def _retry(self, pending: Pending, later: RetryLater) -> None:
        if self._clock() - pending.queued_at > self._pacing.give_up_ms:
            await self._fail(pending, f"gave up: {later.reason}")
            return
        await self._insist(
            lambda: self._outbox.mark_unsent(pending.alert_id, later.reason, posted=later.posted)
        )
        self._count("retried")

    async def _done(self, pending: Pending, sent: Sent) -> None:
        now = self._clock()
        await self._insist(
            lambda: self._outbox.mark_sent(pending.alert_id, sent, now=now, entry=pending.entry)
        )
        self._count("sent")

    async def _fail(self, pending: Pending, reason: str) -> None:
        now = self._clock()
        await self._insist(
            lambda: self._outbox.mark_failed(pending.alert_id, reason, now=now, entry=pending.entry)
        )
        self._count("failed")
        log.warning("alert failed", alert=pending.alert_id, reason=reason)

    async def _fail_all(self, live: list[tuple[Pending, Stored]], reason: str) -> None:
        for pending, _ in live:
            await self._fail(pending, reason)

    async def _insist(self, record: Callable[[], Awaitable[None]]) -> None:
        """Record until it is recorded: what is known here would be a doubt in anybody else's hands."""
        failures = 0
        while True:
            try:
                return await record()
            except (RedisError, OSError):
                failures += 1
                await asyncio.sleep(self._pacing.delay_s(failures, 0.0))
