"""`step`: what one event does. The score is the sum of its ledger; a duplicate changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.model import AlertRule
from core.events import Event
from core.fading import faded
from core.profiles import Entry, Profile
from sites.site import Site
from streams.pipeline import step
from tests.factories import DAY, HOUR, MINUTE, T0, engage, event, page, rule, site

RULES = (
    rule("page-view", 1, on="page"),
    rule("whitepaper", 30, on="whitepaper_download", once="session"),
    rule(
        "pricing-dwell",
        15,
        on="engage",
        once="session",
        when={"page.topic": "pricing", "page.engaged_s": {"$gte": 60}},
    ),
    rule("daily", 2, on="login", once="day"),
    rule("first", 5, on="signup", once="visitor"),
    rule("president", 20, when={"traits.title": {"$regex": "社長|CEO|President"}}),
    rule("silent", -30, idle_event="email_open", idle_ms=180 * DAY),
)


def run(events: list[Event], on: Site) -> tuple[Profile, list[Entry], list[Any]]:
    profile, ledger, alerts = None, [], []
    for one in events:
        outcome = step(profile, one, one.received_at, on)
        profile = outcome.profile
        ledger += outcome.entries
        alerts += outcome.alerts
    assert profile is not None
    return profile, ledger, alerts


SCORES: list[tuple[str, list[Event], dict[str, float]]] = [
    ("each page", [page("/"), page("/a")], {"page-view": 2}),
    (
        "once a session, again in the next",
        [event("whitepaper_download"), event("whitepaper_download", at=T0 + 1),
         event("whitepaper_download", at=T0 + HOUR)],
        {"whitepaper": 60},
    ),
    (
        "dwell adds up to the threshold, once",
        [page("/pricing"), engage("/pricing", 59_999), engage("/pricing", 1), engage("/pricing", 90_000)],
        {"page-view": 1, "pricing-dwell": 15},
    ),
    ("dwell elsewhere gives nothing", [page("/blog"), engage("/blog", 90_000)], {"page-view": 1}),
    ("once a day", [event("login"), event("login", at=T0 + HOUR), event("login", at=T0 + DAY)], {"daily": 4}),
    ("once ever", [event("signup"), event("signup", at=T0 + 3 * DAY)], {"first": 5}),
    ("holds while true", [event("identify", props={"title": "代表取締役社長"})], {"president": 20}),
    (
        "no longer true gives it back",
        [event("identify", props={"title": "CEO"}), event("identify", props={"title": "Engineer"}, at=T0 + 1)],
        {"president": 0},
    ),
    (
        "half a year of silence",
        [event("email_open"), page("/", at=T0 + 181 * DAY)],
        {"page-view": 1, "silent": -30},
    ),
    (
        "one silence counts once",
        [event("email_open"), page("/", at=T0 + 181 * DAY), page("/", at=T0 + 200 * DAY)],
        {"page-view": 2, "silent": -30},
    ),
    (
        "each silence counts",
        [event("email_open"), event("email_open", at=T0 + 181 * DAY), page("/", at=T0 + 362 * DAY)],
        {"page-view": 1, "silent": -60},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "events", "wanted"), SCORES, ids=[s[0] for s in SCORES])
def test_points(name: str, events: list[Event], wanted: dict[str, float]) -> None:
    profile, ledger, _ = run(events, site(*RULES))
    assert {rule_id: tally.points for rule_id, tally in profile.points.items()} == wanted
    assert profile.score == sum(entry.points for entry in ledger) == sum(wanted.values())


@pytest.mark.parametrize(("score", "intent"), [(19, "low"), (20, "warm"), (49, "warm"), (50, "high")])
def test_bands(score: int, intent: str) -> None:
    assert run([page("/")], site(rule("one", score, on="page")))[0].intent == intent


def test_a_duplicate_changes_nothing() -> None:
    first = event("whitepaper_download", id="same")
    profile, _, _ = run([first], site(*RULES))
    again = step(profile, first, T0 + 23 * HOUR, site(*RULES))
    assert again.reason == "duplicate"
    assert again.profile is profile
    assert again.entries == again.alerts == ()


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["page", "whitepaper_download", "login", "signup", "email_open", "identify"]),
        st.integers(0, 400 * 24),
        st.sampled_from(["CEO", "Engineer", ""]),
    ),
    min_size=1,
    max_size=25,
)


@given(rows=EVENTS, half_life_days=st.sampled_from([None, 1, 30]))
@settings(max_examples=150, deadline=None)
def test_the_score_is_the_sum_of_its_ledger(
    rows: list[tuple[str, int, str]], half_life_days: int | None
) -> None:
    half = half_life_days * DAY if half_life_days else None
    events = [
        event(kind, at=T0 + hours * HOUR, props={"title": title} if kind == "identify" else {})
        for kind, hours, title in sorted(rows, key=lambda row: row[1])
    ]
    profile, ledger, _ = run(events, site(*RULES, half_life_ms=half))
    now = events[-1].at
    summed = sum(faded(entry.points, now - entry.at, half) for entry in ledger)
    assert profile.score == pytest.approx(summed, abs=1e-3)


@given(rows=EVENTS)
@settings(max_examples=60, deadline=None)
def test_replaying_everything_changes_nothing(rows: list[tuple[str, int, str]]) -> None:
    events = [
        event(
            kind,
            at=T0 + hours * MINUTE,
            received_at=T0 + DAY,
            props={"title": t} if kind == "identify" else {},
        )
        for kind, hours, t in rows
    ]
    on = site(*RULES)
    profile, _, _ = run(events, on)
    for one in events:
        outcome = step(profile, one, T0 + DAY, on)
        assert outcome.reason == "duplicate"
        assert outcome.profile == profile


def test_alerts_fire_on_events_and_on_entering_an_audience() -> None:
    rules = (
        AlertRule(id="download", on="whitepaper_download", channel="#hot", cooldown_ms=30 * MINUTE),
        AlertRule(id="hot", enters="high_intent", channel="#hot"),
    )
    on = site(*RULES, audiences={"high_intent": {"intent": "high"}}, alerts=rules)
    events = [
        event("identify", props={"title": "CEO"}),
        event("whitepaper_download", at=T0 + MINUTE),
        event("whitepaper_download", at=T0 + 2 * MINUTE),
        page("/", at=T0 + 3 * MINUTE),
    ]
    profile, _, alerts = run(events, on)
    told = [(alert.rule, alert.event) for alert in alerts if not alert.withheld]
    assert told == [("download", events[1].id), ("hot", events[1].id)]
    assert profile.audiences == ("high_intent",)
    for alert in alerts:
        assert sum(part.points for part in alert.parts) == alert.score == 50
