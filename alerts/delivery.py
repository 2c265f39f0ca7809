"""Sending one message: a new one, an update of one that people have, or a digest of many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from msgspec.structs import replace

from alerts.digest import Cause
from alerts.digests import Digests
from alerts.links import VisitorUrl
from alerts.messages import follow_up, slack_message
from alerts.model import Alert
from alerts.outbox import Outbox
from alerts.pacing import Pacing
from alerts.records import Stored
from alerts.settling import Settling, attempted, refusals_failed
from alerts.sinks.base import Gone, LivingSink, Message, Refused, Sent, Sink, UpdatingSink, has_buttons
from alerts.standing import Post, Standing
from alerts.turns import Case, Pending, Told

log = structlog.get_logger(__name__)


class Delivery:
    """Delivers alerts to one sink. `clock` is epoch milliseconds."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        sink: Sink,
        settling: Settling,
        visitor_url: VisitorUrl,
        pacing: Pacing,
        clock: Callable[[], int],
    ) -> None:
        self._outbox, self._sink, self._settling = outbox, sink, settling
        self._visitor_url, self._clock = visitor_url, clock
        self._digests = Digests(
            outbox=outbox, sink=sink, settling=settling, visitor_url=visitor_url, stale_ms=pacing.stale_ms
        )

    async def tell(self, batch: Sequence[Pending]) -> Told:
        """Tell what is new of one episode: in its message where it has one, else in a new one.

        Raises RetryLater when the batch has to be tried again, LeaseLost when another process sends now,
        RedisError when Redis is away before anything was posted.
        """
        whole = frozenset(one.entry for one in batch)
        cases = await self._settling.to_tell(batch)
        known = await self._known(cases[-1].post) if cases else []
        live, attempt = await attempted(self._settling, self._sink, cases)
        if not live:
            return Told(settled=whole)
        post = live[-1].post
        if post is None or not isinstance(self._sink, UpdatingSink):
            return Told(settled=whole, **await self._post(live, attempt))
        try:
            return Told(settled=whole, **await self._update(self._sink, live, known, post, attempt))
        except Gone:
            fresh = [await self._settling.forget_post(case) for case in live]
            return Told(settled=whole, **await self._post(fresh, attempt))

    async def digest(self, batch: Sequence[Pending], cause: Cause) -> Told:
        """Tell as many of `batch` as one message can name. Raises as `tell` does."""
        return await self._digests.tell(batch, cause)

    async def redraw(self, pending: Pending) -> Told:
        """Draw an episode's message anew: somebody clicked. Raises RetryLater and RedisError."""
        stored = (await self._outbox.load([pending.alert_id]))[0]
        what = ""
        if stored is not None and isinstance(self._sink, LivingSink):
            standing = (await self._outbox.standings([stored.alert]))[0]
            post = standing.posts.get(stored.alert.channel)
            if (digest := standing.digests.get(stored.alert.id)) is not None:
                what = await self._digests.redraw(self._sink, stored.alert, digest)
            elif post is not None:
                what = await self._redraw(self._sink, stored.alert, post, standing)
        await self._outbox.outcomes.drop(pending.entry, None, pending.alert_id)
        return Told(settled=frozenset({pending.entry}), what=what)

    async def _known(self, post: Post | None) -> list[Alert]:
        """The alerts that a message holds already."""
        found = await self._outbox.load(post.alerts) if post is not None else []
        return [one.alert for one in found if one is not None]

    async def _post(self, live: list[Case], attempt: int) -> dict[str, str]:
        """A message of its own. Where people have one that cannot be updated, a short one."""
        head = live[-1]
        message = (
            self._short(live) if head.post else self._whole([case.stored for case in live], head.standing)
        )
        sent = await refusals_failed(
            self._settling, live, lambda: self._sink.send(head.alert, message, attempt=attempt)
        )
        if sent is None:
            return {"what": "post"}
        await self._settling.told(live, sent, "sent")
        return {"what": "post", "posted": head.pending.episode}

    async def _update(
        self, sink: UpdatingSink, live: list[Case], known: list[Alert], post: Post, attempt: int
    ) -> dict[str, str]:
        head, place = live[-1], Sent(channel=post.channel, ts=post.ts)
        whole = self._whole([case.stored for case in live], head.standing, known)

        async def send() -> Sent:
            sent = await sink.update(place, head.alert, whole, attempt=attempt)
            if isinstance(sink, LivingSink):
                # Slack counts each call to a channel: the thread waits for its turn.
                await asyncio.sleep(sink.pace_s)
                await self._reply(sink, place, live, attempt)
            return sent

        sent = await refusals_failed(self._settling, live, send)
        if sent is not None:
            await self._settling.told(live, place, "updated")
        return {"what": "update", "posted": head.pending.episode}

    async def _reply(self, sink: LivingSink, place: Sent, live: Sequence[Case], attempt: int) -> None:
        head = live[-1].alert
        try:
            await sink.reply(place, head, self._short(live), attempt=attempt)
        except Refused as refused:  # the message itself says it already
            log.warning("no reply in the thread", alert=head.id, reason=refused.reason)

    async def _redraw(self, sink: LivingSink, alert: Alert, post: Post, standing: Standing) -> str:
        known = [one for one in await self._outbox.load(post.alerts) if one is not None]
        if not known:
            return ""
        message = self._whole(known[-1:], standing, [one.alert for one in known[:-1]])
        try:
            place = Sent(channel=post.channel, ts=post.ts)
            await sink.update(place, known[-1].alert, message, attempt=1)
        except Gone:
            await self._outbox.posts.keep(alert, None)
        except Refused as refused:
            log.warning("message not redrawn", alert=alert.id, reason=refused.reason)
        return "update"

    def _whole(
        self, news: Sequence[Stored], standing: Standing, known: Sequence[Alert] = ()
    ) -> dict[str, Any]:
        """An episode's whole message: what is new, and the alerts in it already."""
        *others, newest = [one.alert for one in news]
        asleep = standing.snoozed_until > self._clock()
        return slack_message(
            newest,
            visitor_url=self._visitor_url,
            duplicate=any(one.duplicate for one in news) and not known,
            before=[*known, *others],
            standing=standing if asleep else replace(standing, snoozed_until=0),
            buttons=has_buttons(self._sink),
        )

    def _short(self, live: Sequence[Case]) -> Message:
        """What is new, in short: in a thread, or where nothing can be updated."""
        return follow_up(
            [case.alert for case in live],
            standing=live[-1].standing,
            duplicate=any(case.stored.duplicate for case in live),
            visitor_url=None if isinstance(self._sink, LivingSink) else self._visitor_url,
        )
