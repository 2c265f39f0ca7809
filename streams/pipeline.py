"""What one event does to one visitor. Pure: the worker commits what `step` returns, the web process shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from alerts.episodes import continued
from alerts.model import Alert, Place
from alerts.rules import fire
from core.accounts import account_of
from core.attributes import attributes as attributes_of
from core.attributes import stage_of
from core.events import DAY_MS, OWN_TYPES, Event
from core.exposures import Measured
from core.fold import apply, begins_chapter
from core.identity import is_known
from core.profiles import Entry, Profile
from core.recents import NO_RECENTS
from leads import scoring
from leads.accounts import facts_of, picture
from leads.people import combine
from leads.stages import advanced
from personalization.exposure import Exposure, expose, reach
from personalization.goals import Standing, reached_by
from sites.site import Site
from streams.outcome import ALONE, Around, Closed, Outcome, Seen
from streams.withheld import measure

NOBODY_TOLD: tuple[tuple[Alert, ...], dict[str, int]] = ((), {})


def step(profile: Profile | None, event: Event, now: int, site: Site, around: Around = ALONE) -> Outcome:
    """Fold `event` into `profile` (None: a new visitor) by the rules of `site`. `now` is epoch milliseconds.

    Rules see the world as of the event, not as of `now`: folding the same events again gives the same profile,
    whenever that is. An event id seen in the last 24 hours changes nothing, nor does one from before an erasure.
    """
    return look(profile, event, now, site, around)[0]


def look(
    profile: Profile | None,
    event: Event,
    now: int,
    site: Site,
    around: Around = ALONE,
    *,
    telling: bool = True,
) -> tuple[Outcome, Seen | None]:
    """As `step`, with what it has seen on the way; None where it did not have to look. Without `telling` alert
    rules are left out: the profile is another one only in what they remember.
    """
    unmoved = _unmoved(profile, event, site)
    return (unmoved, None) if unmoved else _moved(profile, event, now, site, around, telling=telling)


def _unmoved(profile: Profile | None, event: Event, site: Site) -> Outcome | None:
    """What comes of an event that no rule looks at."""
    if profile is not None and event.id in profile.seen:
        return Outcome(profile=profile, reason="duplicate")
    if profile is not None and event.at <= profile.erased_at:
        return Outcome(profile=profile, reason="erased")
    if profile is not None and event.imported and event.at < profile.last_at - DAY_MS:
        return Outcome(profile=profile, reason="duplicate")  # whether it is one cannot be told any more
    if event.type == "erase":
        return _erased(profile, event)
    return _exposed(profile, event, site) if event.type == "exposure" else None


def _moved(
    profile: Profile | None, event: Event, now: int, site: Site, around: Around, *, telling: bool
) -> tuple[Outcome, Seen]:
    anew = begins_chapter(profile, event)
    before = None if anew or (profile and profile.is_tombstone) else profile
    moment = min(now, max(event.at, before.last_at if before else 0))
    silent = scoring.silences(before, event, site.scoring) if before is not None else []
    folded = apply(profile, event, topic_of=site.topic_of, timezone=site.timezone)
    facts = _attributes(folded, moment, site, around, only=site.asks)
    scored, entries = _score(folded, event, facts, site, silent)
    staged = _stage(scored, event, moment, site, around)
    placed = _place(staged, facts, moment, site)
    shared, facts = share(placed, moment, site, around, facts)
    told, alerted = (
        _alerts(before, shared, event, facts, moment, site, around)
        if telling and site.alerts
        else NOBODY_TOLD
    )
    closed = (_closed(profile),) if anew and profile is not None else ()
    after = replace(
        placed,
        alerted={**placed.alerted, **alerted} if alerted else placed.alerted,
        episode=continued(shared.episode, told),
        entries=placed.entries + len(entries),
        measured=measure(_reached(placed, before, event, facts, site), told, site),
    )
    outcome = Outcome(profile=after, entries=tuple(entries), alerts=told, closed=closed)
    return outcome, Seen(at=moment, facts=facts)


def _closed(profile: Profile) -> Closed:
    """The chapter, without what only the visitor's next event would need."""
    return Closed(profile=replace(profile, seen={}, **NO_RECENTS))


def share(
    profile: Profile,
    now: int,
    site: Site,
    around: Around,
    facts: dict[str, Any] | None = None,
    *,
    traits: bool = True,
    only: frozenset[str] | None = None,
) -> tuple[Profile, dict[str, Any]]:
    """The profile that the person's visitors share, as of `now`, and its attributes: all, or `only` those that are
    read. `facts` are the profile's own where they are at hand; alone they are what is shared.

    Without `traits` the visitor keeps its own. Anybody can type somebody's address into a form: what a page shows
    must not tell them that person's name.
    """
    if not around.peers:
        return (profile, facts) if facts is not None else place(profile, now, site, around, only)
    shared = combine(profile, around.peers, site.scoring)
    own = shared if traits else replace(shared, traits=profile.traits)
    return place(own, now, site, around, site.asks if facts is not None else only)


def place(
    profile: Profile, now: int, site: Site, around: Around = ALONE, only: frozenset[str] | None = None
) -> tuple[Profile, dict[str, Any]]:
    """The profile with its score, intent and audiences as of `now`, and the attributes they follow from: all of
    them, or `only` those that are read.
    """
    facts = _attributes(profile, now, site, around, only)
    return _place(profile, facts, now, site), facts


def _attributes(
    profile: Profile, now: int, site: Site, around: Around, only: frozenset[str] | None
) -> dict[str, Any]:
    account = _account(profile, now, site, around)
    return attributes_of(profile, now=now, timezone=site.timezone, account=account, only=only)


def _score(
    profile: Profile, event: Event, facts: dict[str, Any], site: Site, silent: list[Entry]
) -> tuple[Profile, list[Entry]]:
    rules, timezone = site.scoring, site.timezone
    own = event.type in OWN_TYPES
    fired = [] if own else scoring.reactions(profile, event, rules, facts, timezone)
    held = scoring.holds(profile, event, rules, facts)
    entries = [*silent, *fired, *held]
    return (scoring.add(profile, entries, rules, timezone) if entries else profile), entries


def _stage(profile: Profile, event: Event, moment: int, site: Site, around: Around) -> Profile:
    if "mql" in profile.stages or not (profile.stages or is_known(profile)):
        return profile  # nothing can change: most visitors are nobody we know
    score = scoring.score_at(combine(profile, around.peers, site.scoring), moment, site.scoring)
    return replace(profile, stages=advanced(profile, score=score, threshold=site.scoring.mql, at=event.at))


def _place(profile: Profile, facts: dict[str, Any], now: int, site: Site) -> Profile:
    """As `place`, over attributes at hand, brought up to date: only score and stage can differ."""
    score = scoring.score_at(profile, now, site.scoring)
    intent = scoring.band(score, site.scoring)
    facts["score"], facts["intent"], facts["stage"] = score, intent, stage_of(profile)
    index = site.audience_index
    asked = site.audiences.items() if index is None else index.candidates(facts)
    audiences = tuple([name for name, matches in asked if matches(facts)])
    facts["audiences"] = list(audiences)
    return replace(profile, score=score, intent=intent, audiences=audiences)


def _account(profile: Profile, now: int, site: Site, around: Around) -> dict[str, Any] | None:
    """The company's picture, with this visitor in it: made only where the site's conditions ask for it."""
    if not site.asks_account:
        return None
    everyone = {**around.colleagues, profile.id: facts_of(profile, around.lead)}
    return picture(everyone, now=now, scoring=site.scoring)


def _reached(
    profile: Profile, before: Profile | None, event: Event, facts: dict[str, Any], site: Site
) -> Measured:
    """What the visitor is measured by, with the goals reached now."""
    same = before is not None and (before.intent, before.stages) == (profile.intent, profile.stages)
    goals = [goal for goal in site.goals if goal.on == event.name or (goal.on is None and not same)]
    if not goals:
        return profile.measured
    was = Standing(intent=before.intent, stages=before.stages) if before else Standing()
    now = Standing(intent=profile.intent, stages=profile.stages)
    measured = profile.measured
    hit = reached_by(event, goals, before=was, after=now, attributes=facts)
    for goal in goals if hit else ():
        if goal.id in hit:
            measured = reach(measured, goal, event.at)
    return measured


def _exposed(profile: Profile | None, event: Event, site: Site) -> Outcome:
    """An experience met: measured, and nothing else."""
    folded = apply(profile, event, topic_of=site.topic_of, timezone=site.timezone)
    said = event.props
    met = Exposure(
        experience=str(said.get("experience", "")),
        audience=str(said.get("audience", "")),
        variant=str(said.get("variant", "")),
        allocation=str(said.get("allocation", "")),
        revision=int(said.get("revision", 0)),
        visitor=event.visitor,
        at=event.at,
    )
    return Outcome(profile=replace(folded, measured=expose(folded.measured, met, site.goals)))


def _alerts(
    before: Profile | None,
    after: Profile,
    event: Event,
    facts: dict[str, Any],
    moment: int,
    site: Site,
    around: Around,
) -> tuple[tuple[Alert, ...], dict[str, int]]:
    """The alerts, and when which rule has spoken because of this event. What is imported tells nobody."""
    name = event.name
    rules = [rule for rule in site.alerts if rule.on is None or rule.on == name]
    if event.imported or not rules:
        return (), {}
    alerts, alerted = fire(
        rules,
        before=share(before, moment, site, around)[0] if before and around.peers else before,
        after=after,
        event=event,
        attributes=facts,
        earlier=lambda: _earlier(before, after, moment, site, around),
        place=Place(
            site=site.id, name=site.name, locale=site.locale, timezone=site.timezone.key,
            half_life_ms=site.scoring.half_life_ms,
            rule_labels=site.scoring.labels, topic_labels=site.topic_labels,
        ),
        scored_at=moment,
    )  # fmt: skip
    return tuple(alerts), {rule: at for rule, at in alerted.items() if after.alerted.get(rule) != at}


def _earlier(
    before: Profile | None, after: Profile, moment: int, site: Site, around: Around
) -> Mapping[str, Any]:
    """The attributes without the event, as of now. The company whose people count is the one after it: whoever
    joins three others is not the third.
    """
    facts, company, same = dict[str, Any](), account_of(after), False
    if before is not None:
        shared = share(before, moment, site, around)[0]
        same = account_of(shared) == company
        facts = place(shared, moment, site, around if same else replace(around, colleagues={}))[1]
    if site.asks_account and company is not None and not same:
        others = picture(around.colleagues, now=moment, scoring=site.scoring)
        facts["account"] = {**facts.get("account", {}), **others}
    return facts


def _erased(profile: Profile | None, event: Event) -> Outcome:
    """Nothing but the time of the erasure is kept. `props.chapter` may name a chapter that ended: then that goes
    alone.
    """
    if profile is not None and event.props.get("chapter", profile.chapter) != profile.chapter:
        return Outcome(profile=replace(profile, erased_at=event.at, **NO_RECENTS))
    gone = Profile(
        id=event.visitor, site=event.site, first_at=event.at, last_at=event.at, erased_at=event.at,
        chapter=profile.chapter if profile else 0,
    )  # fmt: skip
    return Outcome(profile=gone)
