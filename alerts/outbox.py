"""The outbox: alerts in Redis from the moment they fire until they are settled, and 90 days after.

An alert's hash and its entry in the stream are written in the same transaction as the profile that fired it,
so there is no profile without its alert and no alert without its profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from redis.asyncio import Redis

from alerts.links import VisitorUrl
from alerts.model import Alert, encode_alert
from alerts.records import Stored, parse, view
from alerts.sinks.base import Posted, Sent
from core.errors import LeaseLost, NotFound
from storage import keys

Command: TypeAlias = tuple[str | bytes | int, ...]
LIFE_S = 90 * 86_400
KEPT_PER_SITE = 10_000

# Only the holder of the lease may start an attempt. An attempt found open had no known end.
_ATTEMPT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
if redis.call('HGET', KEYS[2], 'open') == '1' then redis.call('HINCRBY', KEYS[2], 'unanswered', 1) end
redis.call('HSET', KEYS[2], 'open', '1', 'attempted_at', ARGV[2])
return redis.call('HINCRBY', KEYS[2], 'attempts', 1)
"""
# An alert may be erased with its visitor while it is being sent: it must not come back as a fragment.
_RECORD = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], unpack(ARGV, 2)) end
if ARGV[1] ~= '' then redis.call('XDEL', KEYS[2], ARGV[1]) end
return 1
"""


def enqueue_commands(alert: Alert) -> list[Command]:
    """The Redis commands that put `alert` in the outbox. Whoever writes the profile runs them with it.

    Running them twice is harmless: a settled alert stays settled.
    """
    key, site = keys.alert(alert.id), keys.alerts(alert.site)
    return [
        ("HSET", key, "state", "pending", "record", encode_alert(alert), "at", alert.at),
        ("EXPIRE", key, LIFE_S),
        ("ZADD", site, alert.at, alert.id),
        ("ZREMRANGEBYRANK", site, 0, -KEPT_PER_SITE - 1),
        ("XADD", keys.OUTBOX, "*", "alert", alert.id),
    ]


class Outbox:
    """Reads the outbox and records what became of each alert. All methods raise redis.RedisError."""

    def __init__(self, redis: Redis, *, visitor_url: VisitorUrl | None = None) -> None:
        self._redis, self._visitor_url = redis, visitor_url

    # -- for people

    async def recent(self, site: str, limit: int = 50, *, messages: bool = False) -> list[dict[str, Any]]:
        """A site's alerts, newest first, as the admin API shows them; `messages` adds each Slack message."""
        if limit < 1:
            return []
        ids: list[Any] = await self._redis.zrevrange(keys.alerts(site), 0, limit - 1)
        stored = await self.load([_text(name) for name in ids])
        return [self._view(one, messages) for one in stored if one is not None]

    async def get(self, alert_id: str, *, messages: bool = False) -> dict[str, Any] | None:
        """One alert as the admin API shows it, None where it is unknown or its 90 days are over."""
        stored = (await self.load([alert_id]))[0]
        return self._view(stored, messages) if stored else None

    async def requeue(self, alert_id: str) -> None:
        """Send a settled alert again, marked where a copy of it may have arrived. Raises NotFound."""
        stored = (await self.load([alert_id]))[0]
        if stored is None:
            raise NotFound(f"there is no alert {alert_id!r}")
        doubt = stored.duplicate or stored.outcome == "sent"
        anew = ["state", "pending", "outcome", "", "settled_at", "", "open", "0", "unanswered", "0"]
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.alert(alert_id), items=[*anew, "doubt", str(int(doubt)), "error", ""])
            pipe.xadd(keys.OUTBOX, {"alert": alert_id})
            await pipe.execute()

    # -- for the dispatcher

    async def entries(self, after: str, count: int) -> list[tuple[str, str]]:
        """Up to `count` entries that wait to be sent: (entry id, alert id), oldest first."""
        found: Any = await self._redis.xrange(keys.OUTBOX, min=f"({after}", count=count)
        return [(_text(entry), _alert_id(fields)) for entry, fields in found]

    async def wait(self, after: str, block_ms: int) -> None:
        """Return as soon as there is an entry after `after`, at the latest after `block_ms`."""
        await self._redis.xread({keys.OUTBOX: after}, count=1, block=block_ms)

    async def load(self, alert_ids: Sequence[str]) -> list[Stored | None]:
        """The alerts by id, None for each that is gone."""
        if not alert_ids:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for alert_id in alert_ids:
                pipe.hgetall(keys.alert(alert_id))
            return [parse(fields) for fields in await pipe.execute()]

    async def mark_attempt(self, alert_ids: Sequence[str], *, now: int, token: str) -> list[int]:
        """Record that a send of these alerts starts. Returns each one's number of attempts, 0 if it is gone.

        Raises LeaseLost where `token` is not the lease's: then nothing may be sent.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            for alert_id in alert_ids:
                pipe.eval(_ATTEMPT, 2, keys.DISPATCH_LEASE, keys.alert(alert_id), token, str(now))
            attempts = [int(answer) for answer in await pipe.execute()]
        if min(attempts) < 0:
            raise LeaseLost
        return attempts

    async def mark_sent(self, alert_id: str, sent: Sent, *, now: int, entry: str = "") -> None:
        """Settle as sent, and take the entry off the stream."""
        await self._settle(alert_id, "sent", now, entry, "channel", sent.channel, "ts", sent.ts, "error", "")

    async def mark_failed(self, alert_id: str, reason: str, *, now: int, entry: str = "") -> None:
        """Settle as failed: it is not tried again unless a person asks."""
        await self._settle(alert_id, "failed", now, entry, "error", reason[:300])

    async def mark_unsent(self, alert_id: str, reason: str, *, posted: Posted) -> None:
        """Record that an attempt failed and another will follow."""
        known = {"no": ("open", "0"), "hardly": ("open", "0", "doubt", "1"), "unknown": ()}[posted]
        await self._record(alert_id, "", "error", reason[:300], *known)

    async def drop(self, entry: str, settled: Stored | None, alert_id: str) -> None:
        """Take an entry off the stream whose alert is settled already (a replay) or gone."""
        if settled is None:
            await self._redis.xdel(keys.OUTBOX, entry)
        else:
            await self._record(alert_id, entry, "state", settled.outcome)

    async def _settle(self, alert_id: str, outcome: str, now: int, entry: str, *fields: str) -> None:
        settled = ("state", outcome, "outcome", outcome, "settled_at", str(now), "open", "0")
        await self._record(alert_id, entry, *settled, *fields)

    async def _record(self, alert_id: str, entry: str, *fields: str) -> None:
        await self._redis.eval(_RECORD, 2, keys.alert(alert_id), keys.OUTBOX, entry, *fields)

    def _view(self, stored: Stored, messages: bool) -> dict[str, Any]:
        return view(stored, visitor_url=self._visitor_url if messages else None)


def _alert_id(fields: dict[Any, Any]) -> str:
    return next((_text(value) for name, value in fields.items() if _text(name) == "alert"), "")


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
