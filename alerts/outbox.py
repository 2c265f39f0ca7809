"""The outbox: alerts in Redis from the moment they fire until they are settled, and 90 days after.

An alert's hash and its entry in the stream are written in the same transaction as the profile that fired it,
so there is no profile without its alert and no alert without its profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from redis.asyncio import Redis

from alerts import scripts
from alerts.links import VisitorUrl
from alerts.messages import messages_of
from alerts.model import Alert, encode_alert
from alerts.outcomes import Outcomes
from alerts.posts import Posts
from alerts.records import Stored, parse, view
from alerts.standing import Standing, parse_standing
from core.errors import NotFound
from storage import keys
from storage.keys import LATER, episode, unfit

Command: TypeAlias = tuple[str | bytes | int, ...]
LIFE_S = 90 * 86_400
KEPT_PER_SITE = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry of the outbox stream, and what it asks for: `tell` an alert, `redraw` its message (somebody
    clicked), `remind` people of it (where nobody has claimed it). `due` is when (epoch ms) one that waited was to
    come back.
    """

    entry: str
    alert_id: str
    kind: str = "tell"
    due: int = 0


def enqueue_commands(alert: Alert) -> list[Command]:
    """The Redis commands that put `alert` in the outbox. Whoever writes the profile runs them with it.

    Running them twice is harmless: a settled alert stays settled. One that is withheld is recorded, and that
    is all.
    """
    key, site, own = keys.alert(alert.id), keys.alerts(alert.site), keys.alerts_of(alert.site, alert.visitor)
    state: tuple[str | int, ...] = ("state", "pending")
    if alert.withheld:
        state = ("state", "suppressed", "outcome", "suppressed", "reason", alert.withheld)
    commands: list[Command] = [
        ("HSET", key, *state, "record", encode_alert(alert), "at", alert.at),
        ("EXPIRE", key, LIFE_S),
        ("ZADD", site, alert.at, alert.id),
        ("ZREMRANGEBYRANK", site, 0, -KEPT_PER_SITE - 1),
        ("SADD", own, alert.id),
        ("EXPIRE", own, LIFE_S),
    ]
    if alert.withheld:
        return commands
    about = ("site", alert.site, "visitor", alert.visitor, "timezone", alert.timezone)
    return [
        *commands,
        ("HSET", episode(alert.episode or alert.id), *about),
        ("EXPIRE", episode(alert.episode or alert.id), LIFE_S),
        ("XADD", keys.OUTBOX, "*", "alert", alert.id),
    ]


class Outbox:
    """Reads and fills the outbox. What became of alerts is recorded in `outcomes`, the messages people have in
    `posts`. All methods raise redis.RedisError.
    """

    def __init__(self, redis: Redis, *, visitor_url: VisitorUrl | None = None) -> None:
        self._redis, self._visitor_url = redis, visitor_url
        self.outcomes, self.posts = Outcomes(redis), Posts(redis)

    # -- for people

    async def recent(self, site: str, limit: int = 50, *, messages: bool = False) -> list[dict[str, Any]]:
        """A site's alerts, newest first, as the admin API shows them; `messages` adds each Slack message as
        it looks now.
        """
        if limit < 1:
            return []
        ids: list[Any] = await self._redis.zrevrange(keys.alerts(site), 0, limit - 1)
        stored = await self.load([_text(name) for name in ids])
        return await self._views([one for one in stored if one is not None], messages)

    async def get(self, alert_id: str, *, messages: bool = False) -> dict[str, Any] | None:
        """One alert as the admin API shows it, None where it is unknown or its 90 days are over."""
        stored = (await self.load([alert_id]))[0]
        return (await self._views([stored], messages))[0] if stored else None

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

    async def enqueue(self, alerts: Iterable[Alert], *, instead_of: str = "") -> None:
        """Put alerts in the outbox that no event has fired, `instead_of` an entry."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for alert in alerts:
                for command in enqueue_commands(alert):
                    pipe.execute_command(*command)
            if instead_of:
                pipe.xdel(keys.OUTBOX, instead_of)
            await pipe.execute()

    async def erase(self, site: str, visitor: str) -> None:
        """Forget all that was told of a visitor."""
        own = keys.alerts_of(site, visitor)
        members: Any = await self._redis.smembers(own)
        ids = [_text(name) for name in members]
        episodes = {one.alert.episode or one.alert.id for one in await self.load(ids) if one is not None}
        gone = [own, unfit(site, visitor), *map(keys.alert, ids), *map(episode, episodes)]
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(*gone)
            if ids:
                pipe.zrem(keys.alerts(site), *ids)
            await pipe.execute()

    # -- for the dispatcher

    async def entries(self, after: str, count: int) -> list[Entry]:
        """Up to `count` entries that wait, oldest first."""
        found: Any = await self._redis.xrange(keys.OUTBOX, min=f"({after}", count=count)
        read = []
        for entry, fields in found:
            said = {_text(name): _text(value) for name, value in fields.items()}
            read.append(_entry(_text(entry), said))
        return read

    async def wait(self, after: str, block_ms: int) -> None:
        """Return as soon as there is an entry after `after`, at the latest after `block_ms`."""
        await self._redis.xread({keys.OUTBOX: after}, count=1, block=block_ms)

    async def wake(self, now: int) -> int:
        """Put what is due at `now` (epoch ms) back into the outbox. Returns how much that was."""
        return int(await self._redis.eval(scripts.WAKE, 2, LATER, keys.OUTBOX, str(now)))

    async def pause(self, alert: Alert, entry: Entry) -> None:
        """Take a reminder off the stream for as long as somebody has the episode."""
        after = alert.escalate.after_ms if alert.escalate is not None else 0
        places = (episode(alert.episode or alert.id), keys.OUTBOX, LATER)
        await self._redis.eval(scripts.PAUSE, 3, *places, alert.id, entry.entry, str(entry.due), str(after))

    async def load(self, alert_ids: Sequence[str]) -> list[Stored | None]:
        """The alerts by id, None for each that is gone."""
        if not alert_ids:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for alert_id in alert_ids:
                pipe.hgetall(keys.alert(alert_id))
            return [parse(fields) for fields in await pipe.execute()]

    async def standings(self, alerts: Sequence[Alert]) -> list[Standing]:
        """Where the episodes of `alerts` stand, in their order."""
        if not alerts:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for alert in alerts:
                pipe.hgetall(episode(alert.episode or alert.id))
                pipe.get(unfit(alert.site, alert.visitor))
            found = await pipe.execute()
        return [parse_standing(*pair) for pair in zip(found[::2], found[1::2], strict=True)]

    async def _views(self, stored: Sequence[Stored], messages: bool) -> list[dict[str, Any]]:
        views = [view(one) for one in stored]
        url = self._visitor_url
        if messages and url is not None:
            standings = await self.standings([one.alert for one in stored])
            known = {one.alert.id: one.alert for one in stored}
            for shown, one, standing in zip(views, stored, standings, strict=True):
                before = _before(one.alert, standing, known)
                shown |= messages_of(one.alert, before=before, standing=standing, visitor_url=url)
        return views


def _entry(name: str, said: Mapping[str, str]) -> Entry:
    return Entry(
        entry=name,
        alert_id=said.get("alert", ""),
        kind=said.get("kind", "tell"),
        due=int(float(said.get("due", "0"))),
    )


def _before(alert: Alert, standing: Standing, known: Mapping[str, Alert]) -> list[Alert]:
    """The alerts that came before `alert` in its message, of those `known`."""
    post = standing.posts.get(alert.channel)
    ids = post.alerts if post is not None and alert.id in post.alerts else ()
    return [known[name] for name in ids[: ids.index(alert.id)] if name in known] if ids else []


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
