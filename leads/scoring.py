"""Points, and the ledger that explains them: the score is at any moment the sum of what its entries are worth.

Without a half-life an entry is worth its points for ever. With one, an entry of age `a` is worth
`points * 2 ** (-a / half_life)`; as all entries fade alike, one running total per rule is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any

from msgspec.structs import replace

from core.events import Event
from core.fading import faded
from core.profiles import Entry, Profile, Tally
from core.sessions import local_day
from leads.model import Scoring, ScoringRule

NO_TALLY = Tally()


def score_at(profile: Profile, now: int, scoring: Scoring) -> float:
    """The score at `now` (epoch ms): the exact sum of the ledger's entries, each faded to `now`."""
    half, tallies = scoring.half_life_ms, profile.points.values()
    if half is None:
        return round(sum([tally.points for tally in tallies], 0.0), 6)
    return round(sum([faded(tally.points, now - tally.as_of, half) for tally in tallies], 0.0), 6)


def band(score: float, scoring: Scoring) -> str:
    """The intent: `low`, `warm` or `high`."""
    if score >= scoring.high:
        return "high"
    return "warm" if score >= scoring.warm else "low"


def silences(profile: Profile, event: Event, scoring: Scoring) -> list[Entry]:
    """Entries for idle rules whose silence had run out before `event`. At most one per rule and silence."""
    entries = []
    for rule in scoring.idle:
        since = _silent_since(profile, rule)
        tally = profile.points.get(rule.id, NO_TALLY)
        if event.at - since >= rule.idle_ms and tally.idle_from != since:
            entries.append(_entry(rule, rule.points, f"silence:{since}", since + rule.idle_ms))
    return entries


def next_silence(profile: Profile, scoring: Scoring) -> int | None:
    """When (epoch ms) the next idle rule comes due if nothing happens until then; None where none will."""
    due = []
    for rule in scoring.idle:
        since = _silent_since(profile, rule)
        if profile.points.get(rule.id, NO_TALLY).idle_from != since:
            due.append(since + rule.idle_ms)
    return min(due, default=None)


def _silent_since(profile: Profile, rule: ScoringRule) -> int:
    stat = profile.events.get(rule.idle_event or "")
    return stat.last_at if stat else profile.first_at


def reactions(
    profile: Profile, event: Event, scoring: Scoring, attributes: Mapping[str, Any], timezone: tzinfo
) -> list[Entry]:
    """Entries for the `on` rules that `event` fires."""
    rules = scoring.by_event.get(event.name)
    if rules is None:
        return []
    fired = [
        _entry(rule, _within(rule, profile, event.at, scoring), event.id, event.at)
        for rule in rules.candidates(attributes)
        if (rule.once is None or _may_fire(rule, profile, event, timezone))
        and (rule.when is None or rule.when(attributes))
    ]
    return [entry for entry in fired if entry.points]


def holds(profile: Profile, event: Event, scoring: Scoring, attributes: Mapping[str, Any]) -> list[Entry]:
    """Entries for attribute rules that have become true (their points) or false (the same points back)."""
    entries, points = [], profile.points
    for rule in _may_hold(profile, scoring, attributes):
        tally = points.get(rule.id)
        held = tally is not None and tally.holds
        now_true = rule.when is not None and rule.when(attributes)
        if now_true is held:
            continue
        if now_true or tally is None:
            entries.append(_entry(rule, rule.points, event.id, event.at))
        else:
            back = -faded(tally.points, event.at - tally.as_of, scoring.half_life_ms)
            entries.append(_entry(rule, back, event.id, event.at))
    return entries


def _may_hold(profile: Profile, scoring: Scoring, attributes: Mapping[str, Any]) -> Iterable[ScoringRule]:
    """The rules that may hold now, and those that have held until now."""
    found = scoring.holding.candidates(attributes)
    if len(found) == len(scoring.holding):
        return found
    known = {rule.id for rule in found}
    held = sorted(name for name, tally in profile.points.items() if tally.holds and name not in known)
    return [*found, *(scoring.by_id[name] for name in held if name in scoring.by_id)]


def _may_fire(rule: ScoringRule, profile: Profile, event: Event, timezone: tzinfo) -> bool:
    if rule.once == "session":
        return profile.session is None or rule.id not in profile.session.fired
    tally = profile.points.get(rule.id)
    if tally is None:
        return True
    return rule.once == "day" and tally.day != local_day(event.at, timezone)


def _within(rule: ScoringRule, profile: Profile, at: int, scoring: Scoring) -> float:
    """The rule's points, less what would take it over its maximum."""
    if rule.most is None:
        return rule.points
    tally = profile.points.get(rule.id)
    if tally is None:
        return min(rule.points, rule.most)
    left = rule.most - faded(tally.points, at - tally.as_of, scoring.half_life_ms)
    return max(0.0, min(rule.points, left))


def _entry(rule: ScoringRule, points: float, event: str, at: int) -> Entry:
    return Entry(event=event, rule=rule.id, rule_version=rule.version, points=points, at=at)


def add(profile: Profile, entries: Iterable[Entry], scoring: Scoring, timezone: tzinfo) -> Profile:
    """The profile with `entries` in its tallies. The caller keeps the entries: they are the ledger."""
    points, fired = dict(profile.points), set[str]()
    for entry in entries:
        rule = scoring.by_id[entry.rule]
        points[entry.rule] = _tally(points.get(entry.rule, NO_TALLY), entry, rule, scoring, timezone)
        if rule.once == "session":
            fired.add(entry.rule)
    session = profile.session
    if session is not None and fired:
        session = replace(session, fired=tuple(sorted(fired.union(session.fired))))
    return replace(profile, points=points, session=session)


def _tally(old: Tally, entry: Entry, rule: ScoringRule, scoring: Scoring, timezone: tzinfo) -> Tally:
    as_of = max(old.as_of, entry.at)
    half = scoring.half_life_ms
    worth = old.points + entry.points
    if half is not None:
        worth = faded(old.points, as_of - old.as_of, half) + faded(entry.points, as_of - entry.at, half)
    holding = rule.on is None and rule.idle_event is None
    return Tally(
        points=round(worth, 6) if half else worth,
        as_of=as_of,
        count=old.count + 1,
        last_at=max(old.last_at, entry.at),
        day=local_day(entry.at, timezone) if rule.once == "day" else "",
        holds=not old.holds if holding else False,
        idle_from=entry.at - rule.idle_ms if rule.idle_event else 0,
    )
