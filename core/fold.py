"""Folding events into a profile: `apply(profile, event) -> Profile`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from msgspec.structs import replace

from core.events import DAY_MS, Event
from core.order import tie
from core.profiles import EventStat, PageVisit, Profile, Session, Source, TopicStat
from core.sessions import IDLE_MS, begins_session, path_of, source_of

MAX_PAGES = 20
MAX_SESSIONS = 5
MAX_NAMES = 200


def apply(
    profile: Profile | None, event: Event, *, topic_of: Callable[[str], str], timezone: tzinfo
) -> Profile:
    """The profile after `event`: sessions, pages, engaged time, topics, counts, traits. Not the score."""
    folded = _in_session(profile or _newcomer(event), event, timezone)
    if event.type == "page":
        folded = _page(folded, event, topic_of)
    elif event.type == "engage":
        folded = _engage(folded, event, topic_of)
    elif event.type == "identify":
        folded = replace(folded, traits={**folded.traits, **event.props})
    elif event.type == "group":
        folded = replace(
            folded, group=str(event.props.get("name") or event.props.get("groupId") or folded.group)
        )
    return replace(
        folded,
        first_at=min(folded.first_at, event.at),
        last_at=max(folded.last_at, event.at),
        last_key=tie(event) if event.at >= folded.last_at else folded.last_key,
        events=_count(folded.events, event),
        seen=_remember(folded.seen, event),
        device=event.device or folded.device,
    )


def _newcomer(event: Event) -> Profile:
    return Profile(id=event.visitor, site=event.site, first_at=event.at, last_at=event.at)


def _in_session(profile: Profile, event: Event, timezone: tzinfo) -> Profile:
    source = source_of(event) if event.type == "page" else Source()
    old = profile.session
    if begins_session(old, event, source, timezone):
        new = Session(started_at=event.at, last_at=event.at, source=source, landing_path=path_of(event.url))
        closed = (*profile.sessions, old)[-MAX_SESSIONS:] if old else profile.sessions
        return replace(profile, session=new, sessions=closed, session_count=profile.session_count + 1)
    assert old is not None  # begins_session(None, ...) is true
    started = min(old.started_at, event.at) if old.started_at - event.at <= IDLE_MS else old.started_at
    return replace(profile, session=replace(old, started_at=started, last_at=max(old.last_at, event.at)))


def _page(profile: Profile, event: Event, topic_of: Callable[[str], str]) -> Profile:
    path = path_of(event.url)
    topic = topic_of(path)
    visit = PageVisit(event=event.id, at=event.at, url=event.url, path=path, title=event.title, topic=topic)
    # A late page view takes its place by time, so that the last one stays the page the visitor is on.
    pages = tuple(sorted((*profile.pages, visit), key=_by_time))[-MAX_PAGES:]
    session = profile.session
    assert session is not None
    return replace(
        profile,
        page_count=profile.page_count + 1,
        session=replace(session, page_count=session.page_count + 1),
        pages=pages,
        topics=_topic(profile.topics, topic, event.at, views=1) if topic else profile.topics,
    )


def _engage(profile: Profile, event: Event, topic_of: Callable[[str], str]) -> Profile:
    spent = int(event.props.get("engaged_ms", 0))
    path = path_of(event.url)
    topic = topic_of(path)
    session = profile.session
    assert session is not None
    return replace(
        profile,
        engaged_ms=profile.engaged_ms + spent,
        session=replace(session, engaged_ms=session.engaged_ms + spent),
        pages=_engaged_page(profile.pages, path, spent, int(event.props.get("scroll", 0))),
        topics=_topic(profile.topics, topic, event.at, engaged_ms=spent) if topic else profile.topics,
    )


def _engaged_page(pages: tuple[PageVisit, ...], path: str, spent: int, scroll: int) -> tuple[PageVisit, ...]:
    for index in range(len(pages) - 1, -1, -1):
        page = pages[index]
        if page.path == path:
            longer = replace(page, engaged_ms=page.engaged_ms + spent, scroll=max(page.scroll, scroll))
            return (*pages[:index], longer, *pages[index + 1 :])
    return pages


def _by_time(page: PageVisit) -> tuple[int, str]:
    return (page.at, page.event)


def _topic(
    topics: dict[str, TopicStat], topic: str, at: int, *, views: int = 0, engaged_ms: int = 0
) -> dict[str, TopicStat]:
    old = topics.get(topic, TopicStat())
    return {
        **topics,
        topic: TopicStat(
            views=old.views + views, engaged_ms=old.engaged_ms + engaged_ms, last_at=max(old.last_at, at)
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
