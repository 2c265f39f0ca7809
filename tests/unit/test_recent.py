"""Order of arrival is nothing: every permutation of a visitor's events leaves the same profile and ledger."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from alerts.model import AlertRule
from alerts.rules import alert_id
from core.events import Event
from core.profiles import Profile
from core.recents import NO_RECENTS
from tests.factories import DAY, HOUR, MINUTE, T0, engage, event, page, rule, site
from tests.memory import Visitor

SITE = site(
    rule("page-view", 1, on="page"),
    rule("whitepaper", 30, on="whitepaper_download", once="session"),
    rule(
        "dwell",
        15,
        on="engage",
        once="session",
        when={"page.topic": "pricing", "page.engaged_s": {"$gte": 60}},
    ),
    rule("daily", 2, on="login", once="day"),
    rule("president", 20, when={"traits.title": "CEO"}),
    rule("silent", -30, idle_event="email_open", idle_ms=6 * HOUR),
    audiences={"high_intent": {"intent": "high"}, "returning": {"session_count": {"$gte": 2}}},
    alerts=(
        AlertRule(id="download", on="whitepaper_download", channel="#a", cooldown_ms=30 * MINUTE),
        AlertRule(id="hot", enters="high_intent", channel="#a"),
    ),
)


def taken(events: list[Event], *, on: Visitor | None = None) -> Visitor:
    visitor = on or Visitor()
    for one in events:
        visitor.take(one, SITE)
    assert visitor.profile is not None
    return visitor


def folded(visitor: Visitor) -> Profile:
    """What follows from the events alone: an episode keeps the name under which people were first told of it."""
    assert visitor.profile is not None
    return replace(visitor.profile, episode=None)


def made(kind: str, minute: int, number: int, *, received: int) -> Event:
    at = T0 + minute * MINUTE
    props = {"title": ["CEO", "Engineer"][number % 2], "n": number} if kind == "identify" else {}
    if kind == "engage":
        return replace(engage("/pricing", 30_000 + number, at=at), received_at=received, id=f"id{number}")
    query = f"?utm_source=s{number}" if kind == "page" and number % 4 == 0 else ""
    path = "/pricing" if number % 2 else "/"
    url = f"https://example.com{path}{query}"
    return event(kind, at=at, id=f"id{number}", received_at=received, url=url, props=props)


KINDS = ["page", "engage", "whitepaper_download", "login", "identify", "email_open"]
ROWS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 23 * 60)), min_size=2, max_size=14)


@given(rows=ROWS, seed=st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_every_order_of_arrival_gives_the_same(rows: list[tuple[str, int]], seed: int) -> None:
    received = T0 + DAY
    events = [made(kind, minute, n, received=received) for n, (kind, minute) in enumerate(rows)]
    in_order = taken(sorted(events, key=lambda e: (e.at, e.id)))
    shuffled = random.Random(seed).sample(events, len(events))
    found = taken(shuffled)
    assert folded(found) == folded(in_order)
    assert found.ledger == in_order.ledger
    assert found.profile is not None
    assert found.profile.entries == len(found.ledger)
    assert found.profile.score == pytest.approx(sum(entry.points for entry in found.ledger))


@given(rows=ROWS, seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_the_same_with_a_past_that_is_settled(rows: list[tuple[str, int]], seed: int) -> None:
    past = [page("/", at=T0 - 5 * DAY), event("whitepaper_download", at=T0 - 5 * DAY + MINUTE)]
    first = page("/", at=T0 - MINUTE)
    received = T0 + DAY
    events = [made(kind, minute, n, received=received) for n, (kind, minute) in enumerate(rows)]
    in_order = taken([*past, first, *sorted(events, key=lambda e: (e.at, e.id))])
    found = taken([*past, first, *random.Random(seed).sample(events, len(events))])
    assert folded(found) == folded(in_order)
    assert found.ledger == in_order.ledger


def test_a_visitor_who_never_pauses_keeps_two_days_at_the_most() -> None:
    events = [page("/", at=T0 + hour * HOUR) for hour in range(24 * 12)]
    visitor = taken(events)
    assert len(visitor.recent.events) <= 49
    assert visitor.recent.base is not None
    assert visitor.profile is not None
    assert visitor.profile.page_count == len(events)
    assert visitor.profile.score == sum(entry.points for entry in visitor.ledger)
    assert visitor.profile.entries == len(visitor.ledger)
    assert visitor.refolds <= 12


def test_a_late_event_far_into_a_long_history_is_put_in_its_place() -> None:
    events = [page("/", at=T0 + hour * HOUR) for hour in range(24 * 5)]
    last = events[-1].at
    late = event("whitepaper_download", at=last - 20 * HOUR, received_at=last)
    in_order = taken(sorted([*events, late], key=lambda e: e.at))
    found = taken([*events, late])
    assert found.ledger == in_order.ledger
    assert found.profile is not None
    assert in_order.profile is not None
    assert replace(found.profile, **NO_RECENTS) == replace(in_order.profile, **NO_RECENTS)


def test_a_past_that_was_lost_is_not_folded_again() -> None:
    visitor = taken([page("/", at=T0), page("/a", at=T0 + HOUR)])
    visitor.recent = replace_events(visitor, 0)
    visitor.take(page("/late", at=T0 + MINUTE, received_at=T0 + HOUR), SITE)
    assert visitor.profile is not None
    assert visitor.profile.page_count == 3
    assert visitor.profile.score == 3


def replace_events(visitor: Visitor, keep: int):  # type: ignore[no-untyped-def]
    return type(visitor.recent)(base=visitor.recent.base, events=visitor.recent.events[:keep])


def test_a_duplicate_that_is_late_changes_nothing() -> None:
    first = event("whitepaper_download", at=T0, id="same")
    visitor = taken([first, page("/", at=T0 + HOUR)])
    before = visitor.profile
    visitor.take(first, SITE, now=T0 + HOUR)
    assert visitor.profile is before


def test_a_late_event_tells_once_within_the_cooldown() -> None:
    on_time = event("whitepaper_download", at=T0 + 20 * MINUTE)
    near = event("whitepaper_download", at=T0, received_at=T0 + HOUR)
    far = event("whitepaper_download", at=T0 - 2 * HOUR, received_at=T0 + HOUR)
    visitor = taken([on_time])
    assert visitor.alerts == [alert_id("demo", "download", on_time.id)]
    assert len(taken([near], on=visitor).alerts) == 1
    told = taken([far], on=visitor).alerts
    hot = alert_id("demo", "hot", near.id)  # with an earlier session the score crossed the line then
    assert told == [visitor.alerts[0], alert_id("demo", "download", far.id), hot]
