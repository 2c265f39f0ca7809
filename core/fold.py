"""Folding events into a profile: `apply(profile, event) -> Profile`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from msgspec.structs import replace

from core.accounts import host_like
from core.events import DAY_MS, OWN_TYPES, Event
from core.identity import NOBODY, is_someone_else, said_by
from core.interests import weight_after
from core.order import tie
from core.profiles import EventStat, PageVisit, Profile, Session, Source, TopicStat
from core.sessions import IDLE_MS, begins_session, day_number, path_of, source_of

MAX_PAGES = 20
MAX_SESSIONS = 5
MAX_NAMES = 200
MAX_MAILS = 5
#: Local days that are remembered: today and 30 before it.
DAYS = 30
#: A session whose beginning tells nothing.
NO_SOURCE = Source()
#: A topic that nobody has read about.
UNREAD = TopicStat()

#: Fields of a profile and what they become: all of one event's are put in at once.
Changes = dict[str, Any]


def apply(
    profile: Profile | None, event: Event, *, topic_of: Callable[[str], str], timezone: tzinfo
) -> Profile:
    """The profile after `event`: sessions, pages, engaged time, topics, counts, traits, who it is. Not the score.

    An event that says the browser is somebody else's now gives that person's profile.
    """
    profile = _current(profile, event)
    if event.type in OWN_TYPES:
        return _operated(profile, event)
    return replace(
        profile,
        first_at=min(profile.first_at, event.at),
        last_at=max(profile.last_at, event.at),
        last_key=_last_key(profile, event),
        device=event.device or profile.device,
        country=event.country or profile.country,
        company=event.company or profile.company,
        events=_count(profile.events, event),
        seen=_remember(profile.seen, event),
        days=_days(profile.days, day_number(event.at, timezone)),
        **_told(profile, event, topic_of, timezone),
    )


def _told(profile: Profile, event: Event, topic_of: Callable[[str], str], timezone: tzinfo) -> Changes:
    """What changes with the visit, and with what an event of this type says."""
    now = _in_session(profile, event, timezone)
    if event.type == "page":
        now |= _page(profile, now["session"], event, topic_of)
    elif event.type == "engage":
        now |= _engage(profile, now["session"], event, topic_of)
    elif event.type == "group":
        now |= _grouped(profile, event)
    if event.type == "identify" or event.user:
        now |= _identified(profile, event)
    return now


def begins_chapter(profile: Profile | None, event: Event) -> bool:
    """Whether `event` says that another person than before uses this browser."""
    if profile is None or not (event.type == "identify" or event.user) or profile.is_tombstone:
        return False
    return is_someone_else(profile, said_by(event))


def as_identified(profile: Profile | None, event: Event) -> Profile | None:
    """The profile with what `event` says of who the visitor is, and nothing else of it."""
    if event.type in ("link", "unlink"):
        return _operated(profile or _newcomer(None, event), event)
    if said_by(event) == NOBODY:
        return profile
    profile = _current(profile, event)
    return replace(profile, **_identified(profile, event))


def _current(profile: Profile | None, event: Event) -> Profile:
    """The profile that `event` belongs to: a new one where nobody is known, or somebody else than before."""
    if profile is None or profile.is_tombstone or begins_chapter(profile, event):
        return _newcomer(profile, event)
    return profile


def _newcomer(before: Profile | None, event: Event) -> Profile:
    """Nobody known yet. On a browser that was in use its duplicates, its recent events and its device go on."""
    fresh = Profile(id=event.visitor, site=event.site, first_at=event.at, last_at=event.at)
    if before is None:
        return fresh
    return replace(
        fresh,
        chapter=before.chapter if before.is_tombstone else before.chapter + 1,
        erased_at=before.erased_at,
        device=before.device,
        country=before.country,
        company=before.company,
        seen=before.seen,
        measured=before.measured,  # what a browser shows stays what it is, whoever sits before it
        recent=before.recent,
        recent_from=before.recent_from,
        recent_base=before.recent_base,
        recent_events=before.recent_events,
    )


def _operated(profile: Profile, event: Event) -> Profile:
    """What the server or an operator says, not the visitor: no activity."""
    if event.type == "link":
        profile = replace(profile, linked=str(event.props.get("lead", "")), apart=False)
    elif event.type == "unlink":
        profile = replace(profile, linked="", apart=not profile.linked)
    return replace(
        profile,
        settled_at=max(profile.settled_at, event.at),
        last_key=_last_key(profile, event),
        seen=_remember(profile.seen, event),
    )


def _last_key(profile: Profile, event: Event) -> str:
    late = event.at < profile.last_at or event.at < profile.settled_at
    return profile.last_key if late else tie(event)


def _identified(profile: Profile, event: Event) -> Changes:
    said, mails = said_by(event), profile.mails
    if said.mail and said.mail not in mails:
        mails = tuple(sorted((*mails, said.mail)))[:MAX_MAILS]
    known = bool(said.user or said.mail)
    return {
        "traits": {**profile.traits, **event.props} if event.type == "identify" else profile.traits,
        "user": said.user or profile.user,
        "mails": mails,
        "apart": profile.apart and not known,
    }


def _grouped(profile: Profile, event: Event) -> Changes:
    said = event.props
    name = said.get("name") or said.get("id") or said.get("groupId") or profile.group
    host = host_like(said.get("domain") or said.get("website") or said.get("id"))
    return {"group": str(name), "group_domain": host or profile.group_domain}


def _days(days: tuple[int, ...], today: int) -> tuple[int, ...]:
    if days and days[-1] == today:
        return days
    kept = (*days, today) if not days or days[-1] < today else tuple(sorted({*days, today}))
    return kept[bisect_left(kept, kept[-1] - DAYS) :]


def _in_session(profile: Profile, event: Event, timezone: tzinfo) -> Changes:
    source = source_of(event) if event.type == "page" else NO_SOURCE
    old = profile.session
    if begins_session(old, event, source, timezone):
        new = Session(started_at=event.at, last_at=event.at, source=source, landing_path=path_of(event.url))
        closed = (*profile.sessions, old)[-MAX_SESSIONS:] if old else profile.sessions
        return {"session": new, "sessions": closed, "session_count": profile.session_count + 1}
    assert old is not None  # begins_session(None, ...) is true
    if event.at >= old.last_at:
        return {"session": replace(old, last_at=event.at)}
    if old.started_at - IDLE_MS <= event.at < old.started_at:
        return {"session": replace(old, started_at=event.at)}
    return {"session": old}


def _page(profile: Profile, session: Session, event: Event, topic_of: Callable[[str], str]) -> Changes:
    path = path_of(event.url)
    topic = topic_of(path)
    visit = PageVisit(at=event.at, url=event.url, path=path, title=event.title, topic=topic)
    pages = (*profile.pages, visit)
    if profile.pages and event.at <= profile.pages[-1].at:
        # A late page view takes its place by time, so that the last one stays the page the visitor is on.
        pages = tuple(sorted(pages, key=_by_time))
    return {
        "page_count": profile.page_count + 1,
        "session": replace(session, page_count=session.page_count + 1),
        "pages": pages[-MAX_PAGES:],
        "topics": _topic(profile.topics, topic, event.at, views=1) if topic else profile.topics,
    }


def _engage(profile: Profile, session: Session, event: Event, topic_of: Callable[[str], str]) -> Changes:
    spent = int(event.props.get("engaged_ms", 0))
    path = path_of(event.url)
    topic = topic_of(path)
    return {
        "engaged_ms": profile.engaged_ms + spent,
        "session": replace(session, engaged_ms=session.engaged_ms + spent),
        "pages": _engaged_page(profile.pages, path, spent, int(event.props.get("scroll", 0))),
        "topics": _topic(profile.topics, topic, event.at, engaged_ms=spent) if topic else profile.topics,
    }


def _engaged_page(pages: tuple[PageVisit, ...], path: str, spent: int, scroll: int) -> tuple[PageVisit, ...]:
    for index in range(len(pages) - 1, -1, -1):
        page = pages[index]
        if page.path == path:
            longer = replace(page, engaged_ms=page.engaged_ms + spent, scroll=max(page.scroll, scroll))
            return (*pages[:index], longer, *pages[index + 1 :])
    return pages


def _by_time(page: PageVisit) -> tuple[int, str]:
    return (page.at, page.url)


def _topic(
    topics: dict[str, TopicStat], topic: str, at: int, *, views: int = 0, engaged_ms: int = 0
) -> dict[str, TopicStat]:
    old = topics.get(topic, UNREAD)
    return {
        **topics,
        topic: TopicStat(
            views=old.views + views,
            engaged_ms=old.engaged_ms + engaged_ms,
            last_at=max(old.last_at, at),
            weight=weight_after(old, at, views=views, engaged_ms=engaged_ms),
        ),
    }


def _count(events: dict[str, EventStat], event: Event) -> dict[str, EventStat]:
    old = events.get(event.name)
    if old is None and len(events) >= MAX_NAMES:
        return events
    old = old or EventStat()
    return {**events, event.name: EventStat(count=old.count + 1, last_at=max(old.last_at, event.at))}


def _remember(seen: dict[str, int], event: Event) -> dict[str, int]:
    """The ids that count as duplicates: those of the last 24 hours by the server's clock."""
    horizon = event.received_at - DAY_MS
    kept: dict[str, Any] = seen
    if seen and next(iter(seen.values())) < horizon:
        kept = {id_: at for id_, at in seen.items() if at >= horizon}
    return {**kept, event.id: event.received_at}
