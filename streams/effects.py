"""What is written in the same transaction as a profile: ledger entries, recent events, alerts, and what others
look up by: who belongs to a lead and to a company, and when an idle rule comes due.
"""

from __future__ import annotations

from collections.abc import Iterable

from alerts.outbox import enqueue_commands
from core.accounts import account_of
from core.events import Event, encode_event
from core.identity import Edges, edges, is_known
from core.profiles import Entry, Profile, encode_profile
from leads.accounts import encode_facts, facts_of
from leads.scoring import next_silence
from personalization.counters import deltas
from sites.site import Site
from storage import keys
from storage.people import ACCOUNT_LIFE_S, PERSON_LIFE_S, encode_edges
from storage.profiles import LIFE_S, encode_entry, pack_closed
from streams.pipeline import Closed
from streams.recent import Folded

Command = tuple[str | bytes | int, ...]

#: The recent events reach back two days before they are thinned, and a late one may be a day late.
RECENT_LIFE_S = 75 * 3_600
_HOUR_MS = 3_600_000


def effects(
    event: Event, value: bytes, before: Profile | None, folded: Folded, *, site: Site, lead: str = ""
) -> list[Command]:
    """The commands for one event. `value` is the event as it came, encoded; `before` the profile it met; `lead`
    the person the visitor belongs to.
    """
    after = folded.outcome.profile
    commands = [] if event.type == "erase" else _undone(before, folded) + _ledgers(folded)
    commands += _recent(event, value, folded)
    commands += _closed(folded.outcome.closed)
    commands += _people(before, folded)
    commands += _company(before, after, folded.outcome.closed, lead)
    commands += _timer(before, after, site)
    commands += _measured(before, after)
    for alert in folded.outcome.alerts:
        commands.extend(enqueue_commands(alert))
    return commands


def announce(profile: Profile, peers: Iterable[Profile]) -> list[Command]:
    """Tells the open pages of the visitor, and of the person's other visitors, to look again."""
    names = dict.fromkeys((profile.id, *(one.id for one in peers)))
    return [("PUBLISH", keys.live(profile.site, name), "") for name in names]


def _undone(before: Profile | None, folded: Folded) -> list[Command]:
    """Chapters that a late event has shown to be none: what came later told more of who it was."""
    outcome = folded.outcome
    if not folded.told or before is None:
        return []
    site, kept = before.site, [one.profile for one in outcome.closed]
    closed = {one.profile.closed_name for one in folded.told} - {one.closed_name for one in kept}
    ledgers = {before.name, *(one.profile.name for one in folded.told)}
    ledgers -= {outcome.profile.name, *(one.name for one in kept)}
    commands: list[Command] = [("DEL", keys.profile(site, name)) for name in sorted(closed)]
    return commands + [("DEL", keys.ledger(site, name)) for name in sorted(ledgers)]


def _ledgers(folded: Folded) -> list[Command]:
    outcome = folded.outcome
    ended = [
        command for one in outcome.closed for command in _ledger(one.profile, one.entries, one.ledger_from)
    ]
    return ended + _ledger(outcome.profile, outcome.entries, outcome.ledger_from)


def _ledger(profile: Profile, entries: Iterable[Entry], ledger_from: int | None) -> list[Command]:
    ledger = keys.ledger(profile.site, profile.name)
    commands: list[Command] = []
    if ledger_from is not None:
        commands.append(("DEL", ledger) if ledger_from == 0 else ("LTRIM", ledger, 0, ledger_from - 1))
    if lines := [encode_entry(entry) for entry in entries]:
        commands.append(("RPUSH", ledger, *lines))
        commands.append(("EXPIRE", ledger, LIFE_S))
    return commands


def _recent(event: Event, value: bytes, folded: Folded) -> list[Command]:
    recent, base = keys.recent(event.site, event.visitor), keys.base(event.site, event.visitor)
    if folded.keep == "full":
        return []
    if folded.keep == "append":
        return [("RPUSH", recent, value)]
    if folded.keep == "forget":
        return [("DEL", recent, base)]
    assert folded.recent is not None  # "restart" and "rewrite" bring it
    values = [value] if folded.keep == "restart" else [encode_event(one) for one in folded.recent.events]
    before = folded.recent.base
    return [
        ("DEL", recent, base),
        ("RPUSH", recent, *values),
        ("EXPIRE", recent, RECENT_LIFE_S),
        *([("SET", base, encode_profile(before), "EX", RECENT_LIFE_S)] if before else []),
    ]


def _closed(closed: Iterable[Closed]) -> list[Command]:
    return [
        (
            "SET",
            keys.profile(one.profile.site, one.profile.closed_name),
            pack_closed(one.profile),
            "EX",
            LIFE_S,
        )
        for one in closed
    ]


def _people(before: Profile | None, folded: Folded) -> list[Command]:
    """The edges that changed; those of a visitor whose session begins are written anew, so that they live on."""
    outcome = folded.outcome
    if not (folded.told or outcome.closed or is_known(outcome.profile) or (before and is_known(before))):
        return []
    site, was, now = (
        outcome.profile.site,
        _edges(before, folded.told),
        _edges(outcome.profile, outcome.closed),
    )
    if was == now and not _began(before, outcome.profile):
        return []
    commands: list[Command] = []
    for name in was.keys() | now.keys():
        kept = now.get(name, Edges())
        gone = set(was.get(name, Edges()).all) - set(kept.all)
        commands += [("HDEL", keys.person(site, identifier), name) for identifier in sorted(gone)]
        for identifier in kept.all:
            key = keys.person(site, identifier)
            commands.append(("HSET", key, name, encode_edges(kept)))
            commands.append(("EXPIRE", key, PERSON_LIFE_S))
    return commands


def _edges(profile: Profile | None, closed: Iterable[Closed]) -> dict[str, Edges]:
    found = {one.profile.closed_name: edges(one.profile) for one in closed}
    if profile is not None:
        found[profile.id] = edges(profile)
    return found


def _began(before: Profile | None, after: Profile) -> bool:
    return before is None or before.session_count != after.session_count


def _company(before: Profile | None, after: Profile, closed: Iterable[Closed], lead: str) -> list[Command]:
    commands = [command for one in closed for command in _told(one.profile, one.profile.closed_name, lead="")]
    was, now = (account_of(one) if one else None for one in (before, after))
    if was and (now is None or now.digest != was.digest):
        commands.append(("HDEL", keys.account(after.site, was.digest), after.id))
    if now and (was is None or _news(before, after, lead)):
        commands += _told(after, after.id, lead)
    return commands


def _news(before: Profile | None, after: Profile, lead: str) -> bool:
    """Whether the company's picture changes: not for every event that only moves the clock."""
    if before is None or account_of(before) != account_of(after) or after.last_at - before.last_at > _HOUR_MS:
        return True
    was, now = facts_of(before, lead), facts_of(after, lead)
    return was.score != now.score or was.topics.keys() != now.topics.keys() or _began(before, after)


def _told(profile: Profile, name: str, lead: str) -> list[Command]:
    company = account_of(profile)
    if company is None:
        return []
    key = keys.account(profile.site, company.digest)
    return [("HSET", key, name, encode_facts(facts_of(profile, lead))), ("EXPIRE", key, ACCOUNT_LIFE_S)]


def _measured(before: Profile | None, after: Profile) -> list[Command]:
    key = keys.measured(after.site)
    changes = deltas(before.measured if before else None, after.measured)
    return [("HINCRBY", key, change.cell.field, change.by) for change in changes]


def _timer(before: Profile | None, after: Profile, site: Site) -> list[Command]:
    if not site.scoring.idle:
        return []
    was = next_silence(before, site.scoring) if before and not before.is_tombstone else None
    now = None if after.is_tombstone else next_silence(after, site.scoring)
    member = f"{after.site}:{after.id}"
    if now is None:
        return [("ZREM", keys.TIMERS, member)] if was is not None else []
    # Written again where it had come due: a late event has put it off, or the silence was told.
    return [("ZADD", keys.TIMERS, now, member)] if now != was else []
