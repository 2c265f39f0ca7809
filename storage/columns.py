"""The shape in which a profile with many page views is stored: a moment is said once, and what there are many of
stands in columns.

All moments of a profile are one list, latest first, each by its distance to the one before; whatever happened then
has the moment's number, the one after the last of them where there is none. `stored` writes the numbers in the
order in which `profile_of` takes them again.
New fields of `Stored` go to the end, with a default: what was stored before must be readable for ever.
"""

# A column's moments are taken from the one iterator of them all: it is longer than the column.
# ruff: noqa: B905

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate, chain, islice, repeat
from operator import sub
from typing import Any

import msgspec
from msgspec.structs import astuple

from core.events import DAY_MS
from core.exposures import Exposed, Measured
from core.profiles import Entry, Episode, EventStat, PageVisit, Profile, Session, Source, Tally, TopicStat

#: The ordinal of 1970-01-01.
_DAY_0 = 719_163
_DIRECT = Source()


class Known(msgspec.Struct, frozen=True, array_like=True):
    """What most profiles have nothing of. Columns where moments belong to it."""

    traits: dict[str, Any]
    group: str
    group_domain: str
    user: str
    mails: tuple[str, ...]
    linked: str
    apart: bool
    stages: list[str]
    alerted: list[str]
    episode: str
    #: By goal: how often it was reached of late.
    reached: dict[str, int]
    exposed: tuple[Exposed, ...]
    chapter: int
    erased_at: int
    settled_at: int
    loose: int


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """A profile as stored."""

    id: str
    site: str
    moments: Sequence[int]
    numbers: Sequence[int]
    session_count: int
    page_count: int
    engaged_ms: int
    entries: int
    score: float
    intent: str
    device: str
    country: str
    company: str
    audiences: tuple[str, ...]
    #: The event folded last: the rank alone where it is the one seen last.
    last_key: str
    seen: Sequence[str]
    #: The last day, seen from the UTC day of the last moment, and how far each further one is from the one before.
    days: Sequence[int]
    recent: int
    recent_base: bool
    event_names: Sequence[str]
    event_counts: Sequence[int]
    #: Of the sessions, the present one last.
    session_pages: Sequence[int]
    session_engaged: Sequence[int]
    session_paths: Sequence[str]
    session_sources: Sequence[Source]
    session_fired: Sequence[tuple[str, ...]]
    open: bool
    #: What the first page's URL begins with; of each page its path, title, topic, and its URL where that is not
    #: `origin` and the path; of each view of a page which page it was.
    origin: str
    paths: Sequence[str]
    titles: Sequence[str]
    page_topics: Sequence[str]
    urls: Sequence[str]
    views: Sequence[int]
    engaged: Sequence[int]
    scrolls: Sequence[int]
    topics: Sequence[str]
    topic_views: Sequence[int]
    topic_engaged: Sequence[int]
    weights: Sequence[float]
    rules: Sequence[str]
    points: Sequence[float]
    counts: Sequence[int]
    point_days: Sequence[str]
    holds: Sequence[bool]
    entry_events: Sequence[str]
    entry_rules: Sequence[str]
    entry_versions: Sequence[int]
    entry_points: Sequence[float]
    known: Known | None = None


def stored(p: Profile) -> Stored:
    """The shape to store."""
    sessions = (*p.sessions, p.session) if p.session else p.sessions
    started, ended, s_pages, s_engaged, s_paths, sources, fired = _columns(sessions, 7)
    _, at, urls, paths, titles, page_topics, engaged, scrolls = _columns(p.pages, 8)
    t_views, t_engaged, t_last, weights = _columns(p.topics.values(), 4)
    counts, last = _columns(p.events.values(), 2)
    points, as_of, p_counts, p_last, p_days, holds, idle = _columns(p.points.values(), 7)
    e_events, e_rules, e_versions, e_points, e_at = _columns(p.latest, 5)
    known, rare = _known(p)
    taken = (
        p.last_at, p.first_at, p.recent_from, *p.seen.values(), *last, *started, *ended, *at, *t_last,
        *as_of, *p_last, *idle, *e_at, *rare,
    )  # fmt: skip
    moments = sorted({*taken} - {0}, reverse=True)
    number = dict(zip((*moments, 0), range(len(moments) + 1), strict=True))
    moments[1:] = map(sub, moments, moments[1:])
    views = [*zip(paths, titles, page_topics, urls, strict=True)]
    places = [*dict.fromkeys(views)]
    which = dict(zip(places, range(len(places)), strict=True))
    paths, titles, page_topics, urls = [*zip(*places, strict=True)] if places else ((),) * 4
    origin = urls[0].removesuffix(paths[0]) if urls else ""
    return Stored(
        p.id, p.site, moments, [*map(number.__getitem__, taken)], p.session_count, p.page_count, p.engaged_ms,
        p.entries, p.score, p.intent, p.device, p.country, p.company, p.audiences, _last_key(p), [*p.seen],
        _days(p), p.recent, p.recent_base, [*p.events], counts, s_pages, s_engaged, s_paths,
        () if all(map(_DIRECT.__eq__, sources)) else sources, fired, p.session is not None,
        origin, paths, titles, page_topics, () if urls == (*map(origin.__add__, paths),) else urls,
        [*map(which.__getitem__, views)], engaged, scrolls, [*p.topics], t_views, t_engaged, weights,
        [*p.points], points, p_counts, p_days if any(p_days) else (), holds if any(holds) else (),
        e_events, e_rules, e_versions, e_points, known,
    )  # fmt: skip


def profile_of(s: Stored) -> Profile:
    """The profile that was stored."""
    moments = [*accumulate(s.moments, sub), 0]
    at = map(moments.__getitem__, s.numbers)
    last_at, first_at, recent_from = islice(at, 3)
    seen = dict(zip(s.seen, at))
    events = {n: EventStat(count=c, last_at=t) for n, c, t in zip(s.event_names, s.event_counts, at)}
    sessions = _sessions(s, at)
    pages, topics, points, latest = _pages(s, at), _topics(s, at), _points(s, at), _entries(s, at)
    rare = _rare(s.known, at) if s.known else {}
    session = sessions.pop() if s.open else None
    return Profile(
        id=s.id, site=s.site, first_at=first_at, last_at=last_at, session_count=s.session_count,
        page_count=s.page_count, engaged_ms=s.engaged_ms, session=session, sessions=tuple(sessions), pages=pages,
        topics=topics, events=events, points=points, score=s.score, intent=s.intent, audiences=s.audiences,
        seen=seen, device=s.device, country=s.country, company=s.company, days=_ordinals(s.days, last_at),
        entries=s.entries, last_key=_key(s), recent_from=recent_from, recent=s.recent,
        recent_base=s.recent_base, latest=latest, **rare,
    )  # fmt: skip


_DIRECTS = repeat(_DIRECT)
_NO_DAYS = repeat("")
_NOT_HELD = repeat(False)


def _columns(rows: Collection[Any], width: int) -> Sequence[Any]:
    return [*zip(*map(astuple, rows), strict=True)] if rows else ((),) * width


def _sessions(s: Stored, at: Iterator[int]) -> list[Session]:
    started, sources = [*islice(at, len(s.session_pages))], s.session_sources or _DIRECTS
    rows = zip(started, s.session_pages, s.session_engaged, s.session_paths, sources, s.session_fired, at)
    return [
        Session(
            started_at=begun, last_at=ended, page_count=pages, engaged_ms=engaged, landing_path=path,
            source=source, fired=fired,
        )
        for begun, pages, engaged, path, source, fired, ended in rows
    ]  # fmt: skip


def _pages(s: Stored, at: Iterator[int]) -> tuple[PageVisit, ...]:
    urls = s.urls or [s.origin + path for path in s.paths]
    places = [*zip(urls, s.paths, s.titles, s.page_topics)]
    views = []
    for number, engaged, scroll, moment in zip(s.views, s.engaged, s.scrolls, at):
        url, path, title, topic = places[number]
        view = PageVisit(
            at=moment, url=url, path=path, title=title, topic=topic, engaged_ms=engaged, scroll=scroll
        )
        views.append(view)
    return tuple(views)


def _topics(s: Stored, at: Iterator[int]) -> dict[str, TopicStat]:
    rows = zip(s.topics, s.topic_views, s.topic_engaged, s.weights, at)
    return {
        name: TopicStat(views=views, engaged_ms=engaged, weight=weight, last_at=moment)
        for name, views, engaged, weight, moment in rows
    }


def _points(s: Stored, at: Iterator[int]) -> dict[str, Tally]:
    as_of, last = [*islice(at, len(s.rules))], [*islice(at, len(s.rules))]
    days, holds = s.point_days or _NO_DAYS, s.holds or _NOT_HELD
    return {
        rule: Tally(
            points=points, as_of=when, count=count, last_at=moment, day=day, holds=held, idle_from=idle
        )
        for rule, points, when, count, moment, day, held, idle in zip(
            s.rules, s.points, as_of, s.counts, last, days, holds, at
        )
    }


def _entries(s: Stored, at: Iterator[int]) -> tuple[Entry, ...]:
    rows = zip(s.entry_events, s.entry_rules, s.entry_versions, s.entry_points, at)
    return tuple(
        [
            Entry(event=event, rule=rule, rule_version=version, points=points, at=moment)
            for event, rule, version, points, moment in rows
        ]
    )


def _days(p: Profile) -> Sequence[int]:
    if not p.days:
        return ()
    latest_first = p.days[::-1]
    steps = map(sub, latest_first, latest_first[1:])
    return (latest_first[0] - _DAY_0 - p.last_at // DAY_MS, *steps)


def _ordinals(days: Sequence[int], last_at: int) -> tuple[int, ...]:
    if not days:
        return ()
    last, *steps = days
    return tuple(accumulate((last + _DAY_0 + last_at // DAY_MS, *steps), sub))[::-1]


def _last_key(p: Profile) -> str:
    last = next(reversed(p.seen), "")
    return p.last_key[:1] if last and p.last_key[1:] == last else p.last_key


def _key(s: Stored) -> str:
    return s.last_key + s.seen[-1] if len(s.last_key) == 1 and s.seen else s.last_key


def _known(p: Profile) -> tuple[Known | None, tuple[int, ...]]:
    """What is rare, and its moments."""
    told, reached = p.episode, p.measured.reached
    if not (
        p.traits or p.stages or p.alerted or p.mails or p.user or p.group or p.linked or p.apart or told or reached
        or p.measured.exposed or p.chapter or p.erased_at or p.settled_at or p.loose or p.group_domain
    ):  # fmt: skip
        return None, ()
    known = Known(
        p.traits, p.group, p.group_domain, p.user, p.mails, p.linked, p.apart, [*p.stages], [*p.alerted],
        told.id if told else "", {goal: len(times) for goal, times in reached.items()}, p.measured.exposed,
        p.chapter, p.erased_at, p.settled_at, p.loose,
    )  # fmt: skip
    both = (told.first_at, told.last_at) if told else ()
    return known, (*p.stages.values(), *p.alerted.values(), *both, *chain(*reached.values()))


def _rare(known: Known, at: Iterator[int]) -> dict[str, Any]:
    stages, alerted = dict(zip(known.stages, at)), dict(zip(known.alerted, at))
    told = None
    if known.episode:
        first, last = islice(at, 2)
        told = Episode(id=known.episode, first_at=first, last_at=last)
    reached = {goal: tuple(islice(at, count)) for goal, count in known.reached.items()}
    return {
        "traits": known.traits, "group": known.group, "group_domain": known.group_domain, "user": known.user,
        "mails": known.mails, "linked": known.linked, "apart": known.apart, "stages": stages, "alerted": alerted,
        "episode": told, "measured": Measured(exposed=known.exposed, reached=reached), "chapter": known.chapter,
        "erased_at": known.erased_at, "settled_at": known.settled_at, "loose": known.loose,
    }  # fmt: skip


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Stored).decode


def encode_columns(profile: Profile) -> bytes:
    """A profile in columns, as JSON."""
    return _encode(stored(profile))


def decode_columns(text: bytes) -> Profile:
    """What `encode_columns` made. Raises ValueError where it is damaged."""
    try:
        return profile_of(_decode(text))
    except (IndexError, TypeError) as error:
        raise ValueError(f"damaged: {error}") from error
