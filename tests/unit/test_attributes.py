"""Attributes: what conditions read from a profile, and which names exist."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.accounts import company_domain
from core.attributes import NAMES, attributes, known, suggest
from core.conditions import matches
from core.profiles import EventStat, PageVisit, Profile, Session, Source, TopicStat
from core.sessions import day_number

TOKYO = ZoneInfo("Asia/Tokyo")
DAY = 86_400_000
#: Monday 2026-03-02 00:30 in Tokyo, still Sunday in UTC.
NOW = 1_772_379_000_000

TODAY = day_number(NOW, TOKYO)
PROFILE = Profile(
    id="v1",
    site="demo",
    first_at=NOW - 10 * DAY - 1,
    last_at=NOW - DAY + 1,
    session_count=3,
    page_count=9,
    session=Session(
        started_at=NOW - 60_000,
        last_at=NOW,
        page_count=2,
        engaged_ms=90_500,
        landing_path="/demo/",
        source=Source(
            utm_source="google", utm_campaign="spring", referrer_host="g.example", referrer_class="search"
        ),
    ),
    pages=(
        PageVisit(event="e1", at=NOW - 9, url="https://a.example/", path="/"),
        PageVisit(
            event="e2",
            at=NOW - 5,
            url="https://a.example/p?x=1",
            path="/p",
            title="Price",
            topic="pricing",
            engaged_ms=61_000,
        ),
    ),
    traits={"email": "Sato@Acme.CO.JP", "title": "社長"},
    topics={"pricing": TopicStat(views=4)},
    events={"whitepaper_download": EventStat(count=2, last_at=NOW - 3 * DAY)},
    score=55.5,
    intent="high",
    audiences=("returning", "high_intent"),
    device="desktop",
    country="JP",
    stages={"lead": NOW - 2 * DAY, "mql": NOW - DAY},
    days=(TODAY - 31, TODAY - 10, TODAY - 6, TODAY),
)

EXPECTED: dict[str, Any] = {
    "session_count": 3,
    "page_count": 9,
    "days_since_first": 10,
    "days_since_last": 0,
    "score": 55.5,
    "intent": "high",
    "stage": "mql",
    "audiences": ["returning", "high_intent"],
    "top_topic": "pricing",
    "active_days": {"last_7": 2, "last_30": 3},
    "country": "JP",
    "traits": {"email": "Sato@Acme.CO.JP", "title": "社長"},
    "topics": {"pricing": 4},
    "events": {"whitepaper_download": {"count": 2, "days_since": 3}},
    "now": {"hour": 0, "weekday": 0},
    "device": {"type": "desktop"},
    "page": {
        "url": "https://a.example/p?x=1",
        "path": "/p",
        "title": "Price",
        "topic": "pricing",
        "engaged_s": 61.0,
    },
    "session": {"page_count": 2, "engaged_s": 90.5, "landing_path": "/demo/"},
    "utm": {"source": "google", "campaign": "spring"},
    "referrer": {"class": "search", "host": "g.example"},
    "account": {
        "name": "acme.co.jp",
        "domain": "acme.co.jp",
        "people": 2,
        "score": 60,
        "intent": "high",
        "topics": {"pricing": 2},
    },
}
PEOPLE = {"people": 2, "score": 60, "intent": "high", "topics": {"pricing": 2}}


def test_a_profiles_attributes() -> None:
    assert attributes(PROFILE, now=NOW, timezone=TOKYO, account=PEOPLE) == EXPECTED


def test_what_is_not_known_is_left_out() -> None:
    newcomer = Profile(id="v", site="demo", first_at=NOW, last_at=NOW)
    found = attributes(newcomer, now=NOW, timezone=TOKYO)
    assert not {"page", "session", "utm", "referrer", "device", "account", "country"} & found.keys()
    assert matches({"page.topic": None, "account.domain": {"$exists": False}}, found)


def test_the_hour_is_the_sites() -> None:
    found = attributes(PROFILE, now=NOW, timezone=ZoneInfo("UTC"))
    assert found["now"] == {"hour": 15, "weekday": 6}


def test_a_clock_that_stepped_back_gives_no_negative_days() -> None:
    found = attributes(PROFILE, now=NOW - 20 * DAY, timezone=TOKYO)
    assert (found["days_since_first"], found["events"]["whitepaper_download"]["days_since"]) == (0, 0)


def test_the_contracts_conditions_over_a_profile() -> None:
    found = attributes(PROFILE, now=NOW, timezone=TOKYO)
    assert matches({"page.topic": "pricing", "page.engaged_s": {"$gte": 60}}, found)
    assert matches({"events.whitepaper_download.days_since": {"$gte": 3}}, found)
    assert matches({"traits.title": {"$regex": "社長|CEO|President"}, "topics.pricing": {"$gt": 3}}, found)


def test_every_attribute_has_a_known_name() -> None:
    assert {path for path in _leaves(EXPECTED) if not known(path)} == set()
    assert NAMES - set(_leaves(EXPECTED)) == {"utm.medium"}


def _leaves(value: dict[str, Any], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, inner in value.items():
        found += _leaves(inner, f"{prefix}{key}.") if isinstance(inner, dict) else [prefix + key]
    return found


@pytest.mark.parametrize(
    ("email", "domain"),
    [
        ("sato@acme.co.jp", "acme.co.jp"),
        (" Sato@ACME.co.jp ", "acme.co.jp"),
        ("a@b@acme.example", "acme.example"),
        ("sato@gmail.com", None),
        ("sato@docomo.ne.jp", None),
        ("sato@Yahoo.co.jp", None),
        ("sato@localhost", None),
        ("@acme.co.jp", None),
        ("sato", None),
        ("", None),
        (5, None),
        (None, None),
    ],
)
def test_an_accounts_domain(email: object, domain: str | None) -> None:
    assert company_domain(email) == domain


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("session_count", True),
        ("traits.title", True),
        ("traits.company.name", True),
        ("traits", True),
        ("topics.pricing", True),
        ("topics", True),
        ("events.whitepaper_download.count", True),
        ("events.whitepaper_download.days_since", True),
        ("events.whitepaper_download", True),
        ("page", True),
        ("now.weekday", True),
        ("sesion_count", False),
        ("page.titel", False),
        ("traits.", False),
        ("traits..x", False),
        ("topics.a.b", False),
        ("events.x.cuont", False),
        ("events..count", False),
        ("session_count.x", False),
        ("", False),
    ],
)
def test_known_names(path: str, expected: bool) -> None:
    assert known(path) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("sesion_count", "session_count"),
        ("page.titel", "page.title"),
        ("sesion.page_count", "session.page_count"),
        ("trait.title", "traits.title"),
        ("topic.pricing", "topics.pricing"),
        ("event.download.count", "events.download.count"),
        ("events.download.cuont", "events.download.count"),
        ("utm.sorce", "utm.source"),
        ("days_since_frist", "days_since_first"),
        ("trait", "traits"),
        ("zzzzzz", None),
    ],
)
def test_the_nearest_name_is_suggested(path: str, expected: str | None) -> None:
    assert suggest(path) == expected
