"""What is written in the same transaction as a profile: ledger entries, recent events, alerts, and what others
look up by: who belongs to a lead and to a company, and when an idle rule comes due.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alerts.outbox import enqueue_commands
from core.accounts import account_of
from core.events import Event
from core.identity import Edges, edges, is_known
from core.ledger import batches, elements
from core.profiles import Entry, Profile
from core.recents import is_whole
from leads.accounts import encode_facts, facts_of
from leads.scoring import next_silence
from personalization.counters import deltas
from sites.site import Site
from storage import keys
from storage.people import ACCOUNT_LIFE_S, PERSON_LIFE_S, encode_edges
from storage.profiles import LIFE_S, pack_closed, pack_entries, pack_events, pack_profile
from streams.outcome import Closed
from streams.recent import Folded

Command = tuple[str | bytes | int, ...]

#: The recent events reach back two days before they are thinned, and a late one may be a day late.
RECENT_LIFE_S = 75 * 3_600
_HOUR_MS = 3_600_000


def effects(
    event: Event, before: Profile | None, folded: Folded, *, site: Site, lead: str = ""
) -> list[Command]:
    """The commands for one event. `before` is the profile it met; `lead` the person the visitor belongs to."""
    after = folded.outcome.profile
    commands = [] if event.type == "erase" else _undone(before, folded) + _ledgers(before, folded)
    commands += _recent(event, before, folded)
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


def _ledgers(before: Profile | None, folded: Folded) -> list[Command]:
    """What each chapter's ledger gets. The first of them goes on from the profile before, the others are new."""
    outcome = folded.outcome
    start = folded.recent.base if folded.keep == "rewrite" and folded.recent else before
    chapters = [(one.profile, one.entries, one.ledger_from) for one in outcome.closed]
    chapters.append((outcome.profile, outcome.entries, outcome.ledger_from))
    commands: list[Command] = []
    for profile, entries, ledger_from in chapters:
        waiting = start.latest if start is not None and start.name == profile.name else ()
        commands += _cut(profile, ledger_from) + _batches(profile, waiting, entries)
    return commands


def _cut(profile: Profile, ledger_from: int | None) -> list[Command]:
    if ledger_from is None:
        return []
    ledger, kept = keys.ledger(profile.site, profile.name), elements(ledger_from, profile.loose)
    return [("LTRIM", ledger, 0, kept - 1) if kept else ("DEL", ledger)]


def _batches(profile: Profile, waiting: Sequence[Entry], entries: Sequence[Entry]) -> list[Command]:
    """The batches that `entries` fill after those that were `waiting`. The rest is the profile's `latest`."""
    if not entries:
        return []
    ledger, every = keys.ledger(profile.site, profile.name), (*waiting, *entries)
    full, _ = batches(profile.entries - profile.loose - len(every), every)
    commands: list[Command] = [("RPUSH", ledger, *map(pack_entries, full))] if full else []
    return [*commands, ("EXPIRE", ledger, LIFE_S)] if len(profile.latest) < profile.entries else commands


def _recent(event: Event, before: Profile | None, folded: Folded) -> list[Command]:
    """What becomes of the recent events that stand beside the profile, and of the profile before them."""
    recent, base = keys.recent(event.site, event.visitor), keys.base(event.site, event.visitor)
    anew = folded.keep in ("restart", "rewrite", "forget") and before is not None and not is_whole(before)
    commands: list[Command] = [("DEL", recent, base)] if anew else []
    if folded.batches:
        commands.append(("RPUSH", recent, *map(pack_events, folded.batches)))
        commands.append(("EXPIRE", recent, RECENT_LIFE_S))
    if folded.recent is not None and folded.recent.base is not None:
        commands.append(("SET", base, pack_profile(folded.recent.base), "EX", RECENT_LIFE_S))
    return commands


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
