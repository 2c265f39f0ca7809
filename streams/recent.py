"""Late events: the recent past is folded again with the late one in its place: order of arrival is nothing.

Beside a profile its recent events are kept, and the profile before them (`base`). An event may be 24 hours late;
the recent events always reach back at least that far. Pure: what to keep is decided here, written elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from alerts.episodes import rejoined
from alerts.model import Alert
from core.events import DAY_MS, Event
from core.ledger import batches, in_batches
from core.order import is_late, order
from core.profiles import Entry, Profile
from core.recents import as_kept, put_away
from personalization.told import remembered
from sites.site import Site
from streams.outcome import ALONE, Around, Closed, Outcome
from streams.pipeline import step

#: Recent events are thinned out when they reach back further than this, to the last 24 hours.
THIN_AFTER_MS = 2 * DAY_MS
#: More recent events than this are not kept: folding them again would take too long. Nobody reads so fast.
MAX_RECENT = 1_000

Keep = Literal["append", "restart", "rewrite", "full", "forget"]


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """The recent events of a visitor, in any order, and the profile before them (None: there was none)."""

    base: Profile | None
    events: tuple[Event, ...]


class Folded(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome, and what to do with the recent events: append this one; begin anew with `base` before it;
    write `recent` in place of all; nothing, because there are too many; or forget them with the visitor.

    `batches` are those that do not stay with the profile, to be put behind what stands beside it.
    `told` are the chapters that had ended within the recent events before this one came.
    """

    outcome: Outcome
    keep: Keep
    recent: Recent | None = None
    batches: tuple[Sequence[msgspec.Raw], ...] = ()
    told: tuple[Closed, ...] = ()


def needs_past(profile: Profile | None, event: Event) -> bool:
    """Whether folding `event` takes the recent events: it is late, or they reach back too far."""
    if profile is None or event.id in profile.seen or event.at <= profile.erased_at or event.type == "erase":
        return False
    if _begins(profile, event) or profile.recent >= MAX_RECENT:
        return False
    return is_late(profile, event) or event.at - profile.recent_from > THIN_AFTER_MS


def advance(
    profile: Profile | None, event: Event, now: int, site: Site, recent: Recent | None, around: Around = ALONE
) -> Folded:
    """What `event` does to a visitor. `recent` is wanted where `needs_past` says so; where it was lost the
    event is folded last.
    """
    if profile is not None and recent is not None and _whole(profile, recent):
        return refold(profile, recent, event, now, site, around)
    return fold(profile, event, now, site, around, anew=recent is not None)


def fold(
    profile: Profile | None,
    event: Event,
    now: int,
    site: Site,
    around: Around = ALONE,
    *,
    anew: bool = False,
) -> Folded:
    """Fold an event that comes after all others (or too late, or among too many, to be put in its place).
    `anew`: begin the recent events with it.
    """
    outcome = _stepped(profile, event, now, site, around)
    if outcome.reason != "applied":
        return Folded(outcome=outcome, keep="full")
    if event.type == "erase":
        return Folded(outcome=outcome, keep="forget")
    if profile is None or anew or _begins(profile, event):
        base = None if profile is None or profile.is_tombstone else replace(profile, recent_events=())
        started = replace(
            outcome.profile,
            recent_from=event.at, recent=1, recent_base=base is not None, recent_events=(as_kept(event),),
        )  # fmt: skip
        recent = Recent(base=base, events=(event,))
        return Folded(outcome=replace(outcome, profile=started), keep="restart", recent=recent)
    if profile.recent >= MAX_RECENT:
        return Folded(outcome=outcome, keep="full")
    full, rest = put_away((*profile.recent_events, as_kept(event)))
    counted = replace(outcome.profile, recent=profile.recent + 1, recent_events=rest)
    return Folded(outcome=replace(outcome, profile=counted), keep="append", batches=tuple(full))


def refold(
    profile: Profile, recent: Recent, event: Event, now: int, site: Site, around: Around = ALONE
) -> Folded:
    """Fold the recent events again, `event` among them. Alerts are those that the profile has not told."""
    past = sorted(recent.events, key=order)
    base, kept = _thinned(recent.base, past, event.received_at - DAY_MS, now, site, around)
    told = _run(base, kept, now, site, around)
    events = tuple(sorted((*kept, event), key=order))
    again = _run(base, events, now, site, around)
    untold = list(_untold(again.alerts, told.alerts, profile, site))
    episode, alerts = rejoined(profile.episode, again.profile.episode, untold)
    full, rest = put_away([as_kept(one) for one in events])
    anew = replace(
        again.profile,
        episode=episode, seen=_union(profile, again.profile), erased_at=profile.erased_at,
        measured=remembered(profile.measured, again.profile.measured),
        recent_from=events[0].at, recent=len(events), recent_base=base is not None, recent_events=rest,
    )  # fmt: skip
    return Folded(
        outcome=replace(again, profile=anew, alerts=tuple(alerts)),
        keep="rewrite",
        recent=Recent(base=base, events=events),
        batches=tuple(full),
        told=told.closed,
    )


def _stepped(profile: Profile | None, event: Event, now: int, site: Site, around: Around) -> Outcome:
    """What `step` makes of the event, the ledger's latest entries kept with the profile."""
    outcome = step(profile, event, now, site, around)
    if not outcome.entries:
        return outcome
    after, count = outcome.profile, len(outcome.entries)
    start = in_batches(after) - count
    _, latest = batches(start, (*after.latest, *outcome.entries))
    return replace(outcome, profile=replace(after, latest=tuple(latest)))


def _run(base: Profile | None, events: Sequence[Event], now: int, site: Site, around: Around) -> Outcome:
    """All of `events` folded after `base`, as one outcome: the entries of each chapter are with the chapter."""
    profile, entries, alerts, closed = base, list[Entry](), list[Alert](), list[Closed]()
    ledger_from = base.entries if base else 0
    for event in events:
        outcome = _stepped(profile, event, now, site, around)
        for chapter in outcome.closed:
            closed.append(Closed(profile=chapter.profile, entries=tuple(entries), ledger_from=ledger_from))
            entries, ledger_from = [], 0
        profile = outcome.profile
        entries += outcome.entries
        alerts += outcome.alerts
    assert profile is not None
    return Outcome(
        profile=profile,
        entries=tuple(entries),
        ledger_from=ledger_from,
        alerts=tuple(alerts),
        closed=tuple(closed),
    )


def _thinned(
    base: Profile | None, past: Sequence[Event], horizon: int, now: int, site: Site, around: Around
) -> tuple[Profile | None, list[Event]]:
    """The base moved up to `horizon` where the recent events reach back further than needed."""
    if not past or horizon - past[0].at < THIN_AFTER_MS - DAY_MS:
        return base, list(past)
    old = [event for event in past if event.at < horizon]
    moved = _run(base, old, now, site, around).profile
    return replace(moved, recent=0, recent_from=0), [event for event in past if event.at >= horizon]


def _untold(alerts: Iterable[Alert], told: Sequence[Alert], profile: Profile, site: Site) -> Iterable[Alert]:
    """The alerts that are new. One whose rule has spoken within its cooldown, before or after, is not."""
    cooldowns = {rule.id: rule.cooldown_ms for rule in site.alerts}
    known = {alert.id for alert in told}
    for alert in alerts:
        spoken = [one.at for one in told if one.rule == alert.rule and one.withheld != "cooldown"]
        last = profile.alerted.get(alert.rule)
        if last is not None:
            spoken.append(last)
        near = any(abs(alert.at - at) < max(1, cooldowns.get(alert.rule, 0)) for at in spoken)
        if alert.id not in known and not near:
            yield alert


def _union(profile: Profile, again: Profile) -> dict[str, int]:
    merged = {**profile.seen, **again.seen}
    return dict(sorted(merged.items(), key=lambda item: (item[1], item[0])))


def _begins(profile: Profile, event: Event) -> bool:
    """Whether the recent events begin anew: there are none, or none can be preceded by a late one any more."""
    return profile.recent == 0 or event.at - profile.last_at > DAY_MS


def _whole(profile: Profile, recent: Recent) -> bool:
    """Whether nothing of the recent past was lost."""
    return len(recent.events) == profile.recent and (recent.base is not None) == profile.recent_base
