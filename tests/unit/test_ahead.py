"""The web process's look ahead: what a decision takes over from a step is what it would have found by itself."""

from __future__ import annotations

import random

import pytest

from core.events import Event
from core.profiles import Profile
from personalization.decide import decide
from server.decide import SAME_MOMENT_MS, ahead, decisions_for, met_before
from sites.check import check_text
from sites.compile import compile_site
from sites.site import Site
from streams.outcome import ALONE
from streams.pipeline import place, step
from tests.factories import DAY, HOUR, T0, engage, event, page

HEAD = """
site: demo
name: Acme
write_key: demo-write-key
origins: ["http://shop.example"]
timezone: Asia/Tokyo
locale: en
topics: [{path: "/pricing*", topic: pricing}, {path: "/cases/*", topic: cases}]
scoring:
  rules:
    - {id: page-view, on: page, points: 1}
    - {id: whitepaper, on: whitepaper_download, points: 30, once: session}
    - {id: office, when: {now.hour: {$gte: 9, $lt: 18}}, points: 1}
audiences:
  warm: {intent: {$in: [warm, high]}}
  reader: {topics.pricing: {$gte: 2}}
  back: {days_since_last: {$gte: 1}}
alerts: [{id: hot, enters: warm, channel: "#hot"}]
experiences:
"""
EVERYTHING = """
  - id: all
    slot: hero
    choose: [{variants: [{id: a, template: "<p>{{ visitor.traits.name }} {{ visitor.page_count }}</p>"}]}]
"""
PRINTING = """
  - id: hero
    slot: hero
    choose:
      - {audience: reader, variants: [{id: a, template: "<p>{{ days_since_first }} {{ session.engaged_s }}</p>"}]}
      - {audience: warm, variants: [{id: b, text: "{{ traits.name | default('you') }} {{ score }}"}]}
      - variants:
          - {id: c, text: {en: "{{ page.title }} {{ country }}", ja: "{{ device.type }}"}}
          - {id: d, attr: {title: "{{ events.page.count }} {{ locale }}", class: "fixed"}}
  - id: side
    slot: side
    choose:
      - {audience: back, variants: [{id: e, redirect: "/again?from={{ referrer.host }}"}]}
      - {variants: [{id: f, template: "<p>{% for name in topics %}{{ name }}{% endfor %}</p>"}]}
"""


def _site(experiences: str) -> Site:
    checked = check_text(HEAD + experiences)
    assert not isinstance(checked, list), checked
    return compile_site(checked, revision=1, rule_versions={})


PRINTED = _site(PRINTING)


def test_what_contents_print_is_found_in_every_kind_of_them() -> None:
    printed = {
        "days_since_first",
        "session",
        "traits",
        "score",
        "page",
        "country",
        "device",
        "events",
        "referrer",
    }
    assert PRINTED.shows is not None
    assert printed < PRINTED.shows
    assert not {"session_count", "utm", "active_days"} & PRINTED.shows


def test_what_rules_ask_for_is_not_made_again_for_contents() -> None:
    assert PRINTED.asks is not None
    assert PRINTED.only_shows is not None
    assert {"days_since_first", "session", "country"} <= PRINTED.only_shows
    assert not PRINTED.only_shows & PRINTED.asks
    assert PRINTED.only_shows | PRINTED.asks == PRINTED.shows


def test_who_prints_of_the_whole_visitor_may_print_anything() -> None:
    everything = _site(EVERYTHING)
    assert (everything.shows, everything.only_shows) == (None, None)


def _history(rng: random.Random) -> list[Event]:
    at, events = T0, []
    for number in range(rng.randint(1, 12)):
        at += rng.choice([1, 40_000, HOUR, DAY, 3 * DAY])
        made = rng.choice(
            [
                page(rng.choice(["/", "/pricing", "/cases/a", "/cases/b"]), at=at),
                engage("/pricing", 70_000, at=at),
                event("whitepaper_download", at=at),
                event("identify", at=at, props={"name": "Hana", "email": "h@acme.example"}),
            ]
        )
        events.append(replace_id(made, f"e{number}"))
    return events


def replace_id(one: Event, name: str) -> Event:
    """The event under another id."""
    fields = {field: getattr(one, field) for field in one.__struct_fields__}
    return Event(**{**fields, "id": name})


@pytest.mark.parametrize("experiences", [PRINTING, EVERYTHING], ids=["printing", "everything"])
@pytest.mark.parametrize("seed", range(40))
def test_a_decision_is_the_same_with_what_was_seen_and_without(seed: int, experiences: str) -> None:
    site, rng = _site(experiences), random.Random(seed)
    *past, last = _history(rng)
    stored: Profile | None = None
    for one in past:
        stored = step(stored, one, one.at, site).profile
    now = last.at + rng.choice([0, 3])
    profile, seen = ahead(stored, [last], now, site)
    assert profile is not None
    assert seen is not None
    asked = {"visitor": "v1", "slots": ["hero", "side"], "now": now, "site": site, "lang": "en"}
    found = decisions_for(profile, **asked, seen=seen)
    placed, facts = place(profile, now, site)  # every attribute there is
    whole = decide(
        site.experiences,
        slots=["hero", "side"],
        attributes=facts,
        audiences=placed.audiences,
        visitor="v1",
        locale="en",
        site_name=site.name,
        now=now,
        met=met_before(profile, ALONE),
    )
    assert found.decisions == whole.decisions
    assert any(found.decisions.values())


def test_what_was_seen_long_ago_is_looked_at_again() -> None:
    profile, seen = ahead(None, [page("/", at=T0)], T0, PRINTED)
    later = T0 + DAY + SAME_MOMENT_MS
    asked = {"visitor": "v1", "slots": ["side"], "now": later, "site": PRINTED, "lang": "en"}
    found = decisions_for(profile, **asked, seen=seen).decisions["side"]
    assert found is not None
    assert found.redirect == "/again?from="


@pytest.mark.parametrize("seed", range(10))
def test_nobody_is_told_ahead_and_nothing_else_differs(seed: int) -> None:
    events = _history(random.Random(seed))
    profile: Profile | None = None
    for one in events:
        profile = step(profile, one, events[-1].at, PRINTED).profile
    found, _ = ahead(None, events, events[-1].at, PRINTED)
    assert profile is not None
    assert found is not None
    for field in set(Profile.__struct_fields__) - {"alerted", "episode"}:
        assert getattr(found, field) == getattr(profile, field)
