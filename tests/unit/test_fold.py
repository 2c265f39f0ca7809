"""Folding events into a profile: sessions, pages, engaged time, topics, duplicates."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.events import Event
from core.fold import apply
from core.profiles import Profile
from tests.factories import DAY, HOUR, MINUTE, T0, TOKYO, engage, event, page, topic_of


def fold(events: Sequence[Event]) -> Profile:
    profile = None
    for one in events:
        profile = apply(profile, one, topic_of=topic_of, timezone=TOKYO)
    assert profile is not None
    return profile


MIDNIGHT = T0 + 14 * HOUR

SESSIONS = [
    ("one page", [page("/")], 1),
    ("half an hour idle is one session", [page("/"), page("/", at=T0 + 30 * MINUTE)], 1),
    ("more than half an hour is two", [page("/"), page("/", at=T0 + 30 * MINUTE + 1)], 2),
    ("activity keeps it open", [page("/", at=T0 + i * 20 * MINUTE) for i in range(6)], 1),
    ("midnight on the site's clock", [page("/", at=MIDNIGHT - MINUTE), page("/", at=MIDNIGHT)], 2),
    ("a new campaign", [page("/"), page("/", at=T0 + MINUTE, query="?utm_source=mail&utm_campaign=x")], 2),
    (
        "the same campaign again",
        [page("/", query="?utm_source=mail"), page("/a", at=T0 + MINUTE, query="?utm_source=mail")],
        1,
    ),
    ("a new ad click", [page("/"), page("/", at=T0 + MINUTE, query="?gclid=abc")], 2),
    ("a late event opens none", [page("/", at=T0 + HOUR), page("/", at=T0)], 1),
    ("an event without a page", [event("video_play")], 1),
]


@pytest.mark.parametrize(("name", "events", "wanted"), SESSIONS, ids=[s[0] for s in SESSIONS])
def test_session_boundaries(name: str, events: list[Event], wanted: int) -> None:
    profile = fold(events)
    assert profile.session_count == wanted
    assert profile.page_count == sum(e.type == "page" for e in events)


SOURCES = [
    ("", "", "direct", ""),
    ("", "https://www.google.co.jp/", "search", "www.google.co.jp"),
    ("", "https://chatgpt.com/", "ai", "chatgpt.com"),
    ("", "https://www.linkedin.com/feed", "social", "www.linkedin.com"),
    ("", "https://partner.example.net/list", "referral", "partner.example.net"),
    ("", "https://example.com/other", "direct", ""),
    ("?gclid=1", "https://www.google.com/", "ad", "www.google.com"),
    ("?utm_medium=email", "", "mail", ""),
]


@pytest.mark.parametrize(("query", "ref", "kind", "host"), SOURCES)
def test_how_a_session_began(query: str, ref: str, kind: str, host: str) -> None:
    session = fold([page("/", query=query, ref=ref)]).session
    assert session is not None
    assert (session.source.referrer_class, session.source.referrer_host) == (kind, host)


def test_engaged_time_goes_to_profile_session_page_and_topic() -> None:
    profile = fold([page("/pricing"), engage("/pricing", 4_000), engage("/pricing", 7_000, at=T0 + 1)])
    assert profile.engaged_ms == 11_000
    assert profile.session is not None
    assert profile.session.engaged_ms == 11_000
    assert profile.page is not None
    assert profile.page.engaged_ms == 11_000
    assert profile.topics["pricing"].engaged_ms == 11_000
    assert profile.topics["pricing"].views == 1


def test_a_late_page_does_not_become_the_page_the_visitor_is_on() -> None:
    profile = fold([page("/a", at=T0 + MINUTE), page("/b", at=T0)])
    assert profile.page is not None
    assert profile.page.path == "/a"


def test_traits_merge_and_the_newest_wins() -> None:
    first = event("identify", props={"email": "a@example.com", "name": "A"})
    second = event("identify", at=T0 + 1, props={"name": "B"})
    assert fold([first, second]).traits == {"email": "a@example.com", "name": "B"}


def test_ids_are_remembered_for_a_day() -> None:
    old, new = page("/", id="old"), page("/", at=T0 + DAY + 1, id="new")
    assert set(fold([old, page("/", at=T0 + DAY - 1, id="kept"), new]).seen) == {"kept", "new"}


@pytest.mark.parametrize("count", [30, 60])
def test_lists_are_bounded(count: int) -> None:
    profile = fold([page(f"/{i}", at=T0 + i * HOUR) for i in range(count)])
    assert len(profile.pages) == 20
    assert len(profile.sessions) == 5
    assert profile.page_count == count
    assert profile.session_count == count
