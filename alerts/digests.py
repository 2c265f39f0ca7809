"""Digests of one sink: many alerts told in one message, whose lines know who has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import structlog

from alerts.digest import ROOM, ROOM_LATER, Cause, Digest, digest_message, lines
from alerts.links import VisitorUrl
from alerts.model import Alert
from alerts.outbox import Outbox
from alerts.records import Stored
from alerts.settling import Settling, attempted, refusals_failed
from alerts.sinks.base import LivingSink, Refused, Sent, Sink, has_buttons
from alerts.standing import Gathered, Standing
from alerts.triage import QUIET
from alerts.turns import Case, Pending, Told, entries

log = structlog.get_logger(__name__)


class Digests:
    """Tells digests and draws them anew. `stale_ms` is the age that makes an alert late."""

    def __init__(
        self, *, outbox: Outbox, sink: Sink, settling: Settling, visitor_url: VisitorUrl, stale_ms: int
    ) -> None:
        self._outbox, self._sink, self._settling = outbox, sink, settling
        self._visitor_url, self._stale_ms = visitor_url, stale_ms

    async def tell(self, batch: Sequence[Pending], cause: Cause) -> Told:
        """Tell as many of `batch` as one message can. Raises as `Delivery.tell` does."""
        whole = frozenset(one.entry for one in batch)
        cases = await self._settling.to_tell(batch)
        if not cases:
            return Told(settled=whole)
        if all(case.stored.reason == QUIET for case in cases):
            cause = "quiet"
        told = self._digest_of(cases, cause).told
        chosen = [case for case in cases if case.alert.id in told]
        live, attempt = await attempted(self._settling, self._sink, chosen)
        settled = whole - entries(cases) | entries(chosen)
        if not live:
            return Told(settled=settled)
        digest = self._digest_of(live, cause)
        sent = await refusals_failed(
            self._settling, live, lambda: self._sink.send(live[0].alert, digest.message, attempt=attempt)
        )
        if sent is not None:
            await self._settling.told(live, sent, "sent", living=False)
            await self._gathered(live, digest, sent, cause)
        return Told(settled=settled, what="digest")

    async def redraw(self, sink: LivingSink, alert: Alert, digest: Gathered) -> str:
        """Draw a digest anew: somebody clicked in it. Returns `update`. Raises RetryLater and RedisError."""
        known = [one for one in await self._outbox.load(digest.alerts) if one is not None]
        standings = await self._outbox.standings([one.alert for one in known])
        drawn = self._drawn(known, standings, cast("Cause", digest.cause), room=ROOM_LATER, more=digest.more)
        try:
            place = Sent(channel=digest.channel, ts=digest.ts)
            await sink.update(place, alert, drawn.message, attempt=1)
        except Refused as refused:  # or gone: then there is nothing to draw
            log.warning("digest not redrawn", alert=alert.id, reason=refused.reason)
        return "update"

    async def _gathered(self, live: Sequence[Case], digest: Digest, sent: Sent, cause: Cause) -> None:
        if has_buttons(self._sink):
            named = [case.alert for case in live if case.alert.id in digest.named]
            ids, more = tuple(one.id for one in named), len(digest.counted)
            kept = Gathered(alerts=ids, more=more, cause=cause, channel=sent.channel, ts=sent.ts)
            await self._settling.gathered(lines(named), kept)

    def _drawn(
        self,
        told: Sequence[Stored],
        standings: Sequence[Standing],
        cause: Cause,
        *,
        room: int = ROOM,
        more: int = 0,
    ) -> Digest:
        known = {one.alert.id: standing for one, standing in zip(told, standings, strict=True)}
        return digest_message(
            [one.alert for one in told],
            visitor_url=self._visitor_url,
            cause=cause,
            stale_ms=self._stale_ms,
            duplicate=any(one.duplicate for one in told),
            standings=known if has_buttons(self._sink) else None,
            room=room,
            more=more,
        )

    def _digest_of(self, cases: Sequence[Case], cause: Cause) -> Digest:
        return self._drawn([case.stored for case in cases], [case.standing for case in cases], cause)
