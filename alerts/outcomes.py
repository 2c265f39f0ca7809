"""What became of alerts, recorded beside each: attempts, where it was posted, why it waits or was not sent."""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis

from alerts import scripts
from alerts.records import Stored
from alerts.sinks.base import Posted, Sent
from core.errors import LeaseLost
from storage import keys
from storage.keys import LATER


class Outcomes:
    """Records. All methods raise redis.RedisError; one of an alert that is gone changes nothing."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def attempt(self, alert_ids: Sequence[str], *, now: int, token: str) -> list[int]:
        """Record that a send of these alerts starts. Returns each one's number of attempts, 0 if it is gone.

        Raises LeaseLost where `token` is not the lease's: then nothing may be sent.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            for alert_id in alert_ids:
                pipe.eval(scripts.ATTEMPT, 2, keys.DISPATCH_LEASE, keys.alert(alert_id), token, str(now))
            attempts = [int(answer) for answer in await pipe.execute()]
        if min(attempts) < 0:
            raise LeaseLost
        return attempts

    async def told(
        self,
        alert_id: str,
        outcome: str,
        sent: Sent,
        *,
        now: int,
        entry: str = "",
        remind_at: int | None = None,
    ) -> None:
        """Settle as `sent` or `updated`, and take the entry off the stream. `remind_at`: look again then."""
        place = ("channel", sent.channel, "ts", sent.ts, "error", "", "reason", "")
        if remind_at is not None:
            await self._redis.zadd(LATER, {f"remind:{alert_id}": remind_at})
        await self._settle(alert_id, outcome, now, entry, *place)

    async def failed(self, alert_id: str, reason: str, *, now: int, entry: str = "") -> None:
        """Settle as failed: it is not tried again unless a person asks."""
        await self._settle(alert_id, "failed", now, entry, "error", reason[:300])

    async def suppressed(self, alert_id: str, why: str, *, now: int, entry: str) -> None:
        """Settle as suppressed: people decided not to be told."""
        await self._settle(alert_id, "suppressed", now, entry, "reason", why[:300])

    async def held(self, alert_id: str, why: str, *, until: int, entry: str) -> None:
        """Take the entry off the stream until `until` (epoch ms)."""
        held = ("state", "held", "reason", why[:300], "held_until", str(until))
        await self._redis.eval(
            scripts.HOLD,
            3,
            keys.alert(alert_id),
            keys.OUTBOX,
            LATER,
            entry,
            f"tell:{alert_id}",
            str(until),
            *held,
        )

    async def waiting(self, alert_ids: Sequence[str], why: str, *, until: int) -> None:
        """Record why these alerts are not sent yet. They stay in the stream."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for alert_id in alert_ids:
                held = ("state", "held", "reason", why, "held_until", str(until))
                pipe.eval(scripts.RECORD, 2, keys.alert(alert_id), keys.OUTBOX, "", *held)
            await pipe.execute()

    async def unsent(self, alert_id: str, reason: str, *, posted: Posted) -> None:
        """Record that an attempt failed and another will follow."""
        known = {"no": ("open", "0"), "hardly": ("open", "0", "doubt", "1"), "unknown": ()}[posted]
        await self._record(alert_id, "", "error", reason[:300], *known)

    async def drop(self, entry: str, settled: Stored | None, alert_id: str) -> None:
        """Take an entry off the stream whose alert is settled already (a replay) or gone."""
        if settled is None or not settled.outcome:
            await self._redis.xdel(keys.OUTBOX, entry)
        else:
            await self._record(alert_id, entry, "state", settled.outcome)

    async def _settle(self, alert_id: str, outcome: str, now: int, entry: str, *fields: str) -> None:
        settled = ("state", outcome, "outcome", outcome, "settled_at", str(now), "open", "0")
        await self._record(alert_id, entry, *settled, *fields)

    async def _record(self, alert_id: str, entry: str, *fields: str) -> None:
        await self._redis.eval(scripts.RECORD, 2, keys.alert(alert_id), keys.OUTBOX, entry, *fields)
