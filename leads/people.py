"""Leads: the visitors of one person, and the profile they share.

A visitor's profile is folded from its own events only; what ties it to others are edges (`core.identity.Edges`)
kept beside it. The shared profile is computed from the visitors whenever it is looked at. So merging changes
nobody's history, and taking an edge away gives back exactly what was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from core.fading import faded
from core.fold import MAX_PAGES, MAX_SESSIONS
from core.identity import Edges
from core.interests import HALF_LIFE_MS
from core.profiles import Entry, EventStat, Profile, Tally, TopicStat
from leads.model import Scoring

#: identifier -> visitor -> that visitor's edges, for every visitor known by the identifier.
Known = Mapping[str, Mapping[str, Edges]]


def lead_of(own: Edges, known: Known) -> str:
    """The lead a visitor with these edges belongs to, "" for none. The same whatever order the edges came in.

    An operator's link decides, then the user id. An address belongs to the user id it was seen with, where that
    is one; an address that several user ids share ties nobody together but those who show nothing else.
    """
    name = own.linked or own.user or next(iter(own.mails), "")
    if not name.startswith("m"):
        return name
    users = {one.user for one in known.get(name, {}).values() if one.user and name in one.mails}
    return users.pop() if len(users) == 1 else name


def members(lead: str, known: Known) -> list[str]:
    """The visitors of a lead, sorted, among those in `known`."""
    found = {
        name
        for group in known.values()
        for name, own in group.items()
        if lead and lead_of(own, known) == lead
    }
    return sorted(found)


def resolve(own: Edges, known: Known) -> tuple[str, list[str], list[str]]:
    """The lead of a visitor with these edges, its visitors as far as they are in `known`, and what to read next.

    For `storage.people.PeopleReader`.
    """
    lead = lead_of(own, known)
    missing = wanted(lead, known) if lead else []
    return lead, members(lead, known), missing


def wanted(lead: str, known: Known) -> list[str]:
    """What to read before `members` can be trusted: the lead's own identifier, then its visitors' addresses."""
    if lead not in known:
        return [lead]
    mails = {mail for own in known[lead].values() for mail in own.mails}
    return sorted(mails - known.keys())


def combine(own: Profile, peers: Iterable[Profile], scoring: Scoring) -> Profile:
    """The profile that `own` shares with the person's other visitors. Session and page stay its own: they are
    what this browser does now. The score is not summed up yet: `leads.scoring.score_at` does.
    """
    others = sorted(peers, key=lambda profile: (profile.first_at, profile.id, profile.chapter))
    if not others:
        return own
    everyone = [own, *others]
    pages = sorted((page for one in everyone for page in one.pages), key=lambda page: (page.at, page.url))
    past = [session for one in others for session in (*one.sessions, one.session) if session]
    sessions = sorted((*own.sessions, *past), key=lambda session: session.last_at)
    days = sorted({day for one in everyone for day in one.days})
    return replace(
        own,
        first_at=min(one.first_at for one in everyone),
        last_at=max(one.last_at for one in everyone),
        session_count=sum(one.session_count for one in everyone),
        page_count=sum(one.page_count for one in everyone),
        engaged_ms=sum(one.engaged_ms for one in everyone),
        sessions=tuple(sessions[-MAX_SESSIONS:]),
        # The page the visitor is on comes last, whatever the other browser shows meanwhile.
        pages=(*[page for page in pages if page != own.page], *([own.page] if own.page else []))[-MAX_PAGES:],
        traits=_traits(everyone),
        topics=_topics(everyone),
        events=_events(everyone),
        points=_points(everyone, scoring),
        days=tuple(days),
        stages=_earliest(everyone),
        alerted=_latest(everyone),
        episode=max(
            (one.episode for one in everyone if one.episode),
            key=lambda one: (one.last_at, one.id),
            default=None,
        ),
        group=own.group or next((one.group for one in others if one.group), ""),
        group_domain=own.group_domain or next((one.group_domain for one in others if one.group_domain), ""),
    )


def repeats(everyone: Sequence[Profile], scoring: Scoring) -> list[tuple[Profile, str]]:
    """The points that count once for a person but were given on several visitors: (visitor, rule) to leave out.

    These are the rules `once: visitor` and those that hold while true. The visitor that got them first keeps them.
    """
    single = {rule.id for rule in scoring.rules if rule.on is None or rule.once == "visitor"}
    single -= {rule.id for rule in scoring.idle}
    dropped = []
    for rule in sorted(single):
        having = [one for one in everyone if one.points.get(rule, Tally()).points]
        ranked = sorted(having, key=lambda one: (one.points[rule].last_at, one.id, one.chapter))
        dropped += [(one, rule) for one in ranked[1:]]
    return dropped


def corrections(everyone: Sequence[Profile], scoring: Scoring) -> list[Entry]:
    """Ledger entries that take back what `repeats` names, so that the shared ledger sums to the shared score."""
    versions = {rule.id: rule.version for rule in scoring.rules}
    return [
        Entry(
            event=f"same-person:{one.name}",
            rule=rule,
            rule_version=versions[rule],
            points=-one.points[rule].points,
            at=one.points[rule].as_of,
        )
        for one, rule in repeats(everyone, scoring)
    ]


def _points(everyone: Sequence[Profile], scoring: Scoring) -> dict[str, Tally]:
    left_out = {(one.name, rule) for one, rule in repeats(everyone, scoring)}
    points: dict[str, Tally] = {}
    for one in everyone:
        for rule, tally in one.points.items():
            if (one.name, rule) not in left_out:
                points[rule] = _sum(points.get(rule), tally, scoring.half_life_ms)
    return points


def _sum(one: Tally | None, other: Tally, half: int | None) -> Tally:
    if one is None:
        return other
    as_of = max(one.as_of, other.as_of)
    worth = faded(one.points, as_of - one.as_of, half) + faded(other.points, as_of - other.as_of, half)
    newer = one if one.last_at >= other.last_at else other
    return replace(newer, points=worth, as_of=as_of, count=one.count + other.count)


def _traits(everyone: Sequence[Profile]) -> dict[str, object]:
    """All traits; of those that differ, the one said last."""
    by_time = sorted(everyone, key=lambda one: (one.events.get("identify", EventStat()).last_at, one.name))
    return {name: value for one in by_time for name, value in one.traits.items()}


def _topics(everyone: Sequence[Profile]) -> dict[str, TopicStat]:
    topics: dict[str, TopicStat] = {}
    for one in everyone:
        for topic, stat in one.topics.items():
            topics[topic] = _sum_topic(topics[topic], stat) if topic in topics else stat
    return topics


def _sum_topic(one: TopicStat, other: TopicStat) -> TopicStat:
    last_at = max(one.last_at, other.last_at)
    weights = (faded(stat.weight, last_at - stat.last_at, HALF_LIFE_MS) for stat in (one, other))
    return TopicStat(
        views=one.views + other.views,
        engaged_ms=one.engaged_ms + other.engaged_ms,
        last_at=last_at,
        weight=sum(weights),
    )


def _events(everyone: Sequence[Profile]) -> dict[str, EventStat]:
    events: dict[str, EventStat] = {}
    for one in everyone:
        for name, stat in one.events.items():
            old = events.get(name, EventStat())
            events[name] = EventStat(count=old.count + stat.count, last_at=max(old.last_at, stat.last_at))
    return events


def _earliest(everyone: Sequence[Profile]) -> dict[str, int]:
    stages: dict[str, int] = {}
    for one in everyone:
        for stage, at in one.stages.items():
            stages[stage] = min(at, stages.get(stage, at))
    return stages


def _latest(everyone: Sequence[Profile]) -> dict[str, int]:
    alerted: dict[str, int] = {}
    for one in everyone:
        for rule, at in one.alerted.items():
            alerted[rule] = max(at, alerted.get(rule, at))
    return alerted
