"""What one event does to one visitor. Pure: the worker commits what `step` returns, the web process shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from msgspec.structs import replace

from alerts.model import Alert
from alerts.rules import fire
from core.attributes import attributes as attributes_of
from core.events import Event
from core.fold import apply
from core.profiles import Entry, Profile
from leads import scoring
from sites.site import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The profile after the event, the ledger entries and alerts it caused, and why nothing changed if so.

    `entries` are appended to the ledger; where a late event made the recent past new, they replace what stands
    from index `ledger_from` on.
    """

    profile: Profile
    entries: tuple[Entry, ...] = ()
    ledger_from: int | None = None
    alerts: tuple[Alert, ...] = ()
    reason: Literal["applied", "duplicate"] = "applied"


def step(profile: Profile | None, event: Event, now: int, site: Site) -> Outcome:
    """Fold `event` into `profile` (None: a new visitor) by the rules of `site`. `now` is epoch milliseconds.

    Rules see the world as of the event, not as of `now`: folding the same events again gives the same profile,
    whenever that is. An event id seen in the last 24 hours changes nothing.
    """
    if profile is not None and event.id in profile.seen:
        return Outcome(profile=profile, reason="duplicate")
    moment = min(now, max(event.at, profile.last_at if profile else 0))
    silent = scoring.silences(profile, event, site.scoring) if profile is not None else []
    folded = apply(profile, event, topic_of=site.topic_of, timezone=site.timezone)
    facts = attributes_of(folded, now=moment, timezone=site.timezone)
    scored, entries = _score(folded, event, facts, site, silent)
    placed = _place(scored, facts, moment, site)
    alerts, alerted = fire(
        site.alerts,
        before=profile,
        after=placed,
        event=event,
        attributes=facts,
        site=site.id,
        site_name=site.name,
        locale=site.locale,
        timezone=site.timezone.key,
        half_life_ms=site.scoring.half_life_ms,
        scored_at=moment,
        rule_labels=site.scoring.labels,
        topic_labels=site.topic_labels,
    )
    after = replace(placed, alerted=alerted, entries=placed.entries + len(entries))
    return Outcome(profile=after, entries=tuple(entries), alerts=tuple(alerts))


def _score(
    profile: Profile, event: Event, facts: dict[str, Any], site: Site, silent: list[Entry]
) -> tuple[Profile, list[Entry]]:
    rules, timezone = site.scoring, site.timezone
    fired = scoring.reactions(profile, event, rules, facts, timezone)
    held = scoring.holds(profile, event, rules, facts)
    entries = [*silent, *fired, *held]
    return (scoring.add(profile, entries, rules, timezone) if entries else profile), entries


def place(profile: Profile, now: int, site: Site) -> tuple[Profile, dict[str, Any]]:
    """The profile with its score, intent and audiences as of `now`, and the attributes they follow from."""
    facts = attributes_of(profile, now=now, timezone=site.timezone)
    return _place(profile, facts, now, site), facts


def _place(profile: Profile, facts: dict[str, Any], now: int, site: Site) -> Profile:
    """As `place`, over attributes at hand, which are brought up to date: the score is all that can differ."""
    score = scoring.score_at(profile, now, site.scoring)
    intent = scoring.band(score, site.scoring)
    facts["score"], facts["intent"] = score, intent
    audiences = tuple(name for name, matches in site.audiences.items() if matches(facts))
    facts["audiences"] = list(audiences)
    return replace(profile, score=score, intent=intent, audiences=audiences)
