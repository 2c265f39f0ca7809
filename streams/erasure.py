"""Erasing a visitor: everything that is kept of it, in every store, gone in one transaction.

Stream entries are gone once they are committed; a broker with a retention of its own forgets in its time. What
still comes late is refused by the time of the erasure, which is all that stays.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from alerts.model import Alert, decode_alert
from core.accounts import account_of
from core.events import Event
from core.identity import edges
from core.profiles import Profile
from storage import keys
from storage.keys import episode, unfit
from storage.profiles import unpack

Command = tuple[str | bytes | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Remains:
    """What is to be erased beside the profile: its ledger, the chapters that ended, alerts, dead letters."""

    ledger: str = ""
    closed: Sequence[Profile] = ()
    alerts: Sequence[Alert] = ()
    letters: Sequence[str] = ()


async def remains(redis: Redis, profile: Profile | None, event: Event) -> Remains:
    """Read what an `erase` event takes with it. `props.chapter` names one chapter; without it, all go.

    Alerts and dead letters are not told apart by chapter: they go in any case.
    """
    site, visitor = event.site, event.visitor
    only = _only(event)
    live = profile.chapter if profile else 0
    chapters = range(live) if only is None else [only] if only != live else []
    records: list[Any] = [await redis.get(keys.profile(site, f"{visitor}~{number}")) for number in chapters]
    closed = [unpack(record)[1] for record in records if record]
    alerts = await _alerts(redis, site, visitor)
    found: AsyncIterator[Any] = redis.hscan_iter(keys.DEAD_LETTERS, f"{site}:{visitor}:*")
    letters = [name.decode() async for name, _ in found]
    return Remains(
        ledger="" if only not in (None, live) else profile.name if profile else visitor,
        closed=closed,
        alerts=alerts,
        letters=letters,
    )


async def _alerts(redis: Redis, site: str, visitor: str) -> list[Alert]:
    ids: Any = await redis.smembers(keys.alerts_of(site, visitor))
    records: list[Any] = [await redis.hget(keys.alert(name.decode()), "record") for name in sorted(ids)]
    return [decode_alert(record) for record in records if record]


def _only(event: Event) -> int | None:
    chapter = event.props.get("chapter")
    return chapter if isinstance(chapter, int) else None


def erase_commands(event: Event, found: Remains) -> list[Command]:
    """The commands that erase `found`. The profile itself, its edges and its timer follow from the outcome."""
    site, visitor = event.site, event.visitor
    commands: list[Command] = []
    for one in found.closed:
        commands += _chapter(one)
    if found.ledger:
        commands.append(("DEL", keys.ledger(site, found.ledger)))
    commands.append(("DEL", keys.alerts_of(site, visitor)))
    for alert in found.alerts:
        commands += [
            ("DEL", keys.alert(alert.id), episode(alert.episode or alert.id)),
            ("ZREM", keys.alerts(site), alert.id),
        ]
    commands.append(("DEL", unfit(site, visitor)))
    commands += [("HDEL", keys.DEAD_LETTERS, name) for name in found.letters]
    return commands


def _chapter(profile: Profile) -> list[Command]:
    site, name = profile.site, profile.closed_name
    commands: list[Command] = [("DEL", keys.profile(site, name), keys.ledger(site, profile.name))]
    commands += [("HDEL", keys.person(site, identifier), name) for identifier in edges(profile).all]
    if company := account_of(profile):
        commands.append(("HDEL", keys.account(site, company.digest), name))
    return commands
