"""Who is one person: the shared table of cases, and what holds whatever happens in whatever order."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.events import Event
from core.identity import edges
from core.profiles import Profile
from core.recents import NO_RECENTS
from leads.people import lead_of
from tests.factories import DAY, HOUR, MINUTE, T0, event, page, rule, site
from tests.memory import World

TABLE = json.loads((Path(__file__).parent.parent / "cases" / "identity.json").read_text("utf-8"))["cases"]
SITE = site(
    rule("page-view", 1, on="page"),
    rule("known", 10, on="identify", once="visitor"),
    rule("president", 20, when={"traits.title": "CEO"}),
    rule("whitepaper", 30, on="whitepaper_download", once="session"),
)


def made(visitor: str, minute: int, what: Any) -> Event:
    at = T0 + minute * MINUTE
    id_ = f"{visitor}-{minute}"
    if isinstance(what, dict):
        return event("identify", at=at, id=id_, visitor=visitor, props=what, received_at=T0 + HOUR)
    return event(what, at=at, id=id_, visitor=visitor, received_at=T0 + HOUR)


@pytest.mark.parametrize("case", TABLE, ids=[case["name"] for case in TABLE])
def test_the_table(case: dict[str, Any]) -> None:
    events = [made(*row) for row in case["events"]]
    wanted = {frozenset(group) for group in case["people"]}
    assert World(SITE).take(*events).people() == wanted
    assert World(SITE).take(*reversed(events)).people() == wanted


PEOPLE = [
    {"email": "taro@acme.co.jp", "title": "CEO"},
    {"email": "jiro@acme.co.jp"},
    {"id": "1", "email": "taro@acme.co.jp"},
    {"id": "2", "email": "info@acme.co.jp"},
    {"id": "3", "email": "info@acme.co.jp", "title": "CEO"},
    {"id": "1"},
    {"title": "Engineer"},
    "page",
    "whitepaper_download",
]
ROWS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 59), st.sampled_from(PEOPLE)),
    min_size=1,
    max_size=14,
    unique_by=lambda row: row[:2],
)


@given(rows=ROWS, seed=st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_every_order_of_arrival_gives_the_same_people(rows: list[Any], seed: int) -> None:
    events = [made(*row) for row in rows]
    in_order = World(SITE).take(*sorted(events, key=lambda e: e.at))
    shuffled = World(SITE).take(*random.Random(seed).sample(events, len(events)))
    assert shuffled.people() == in_order.people()
    assert {n: _plain(p) for n, p in shuffled.profiles().items()} == {
        n: _plain(p) for n, p in in_order.profiles().items()
    }
    for name in in_order.profiles():
        assert sorted(shuffled.ledger(name), key=repr) == sorted(in_order.ledger(name), key=repr)


def _plain(profile: Profile) -> Profile:
    """Without the bookkeeping that tells how it came about."""
    return replace(profile, **NO_RECENTS | {"recent_base": profile.recent_base}, seen={})


@given(rows=ROWS)
@settings(max_examples=80, deadline=None)
def test_the_shared_ledger_sums_to_the_shared_score(rows: list[Any]) -> None:
    world = World(SITE).take(*(made(*row) for row in rows))
    for name in world.profiles():
        total = sum(entry.points for entry in world.ledger(name))
        assert world.score(name, T0 + HOUR) == pytest.approx(total)


@given(rows=ROWS, visitor=st.sampled_from("abcd"))
@settings(max_examples=50, deadline=None)
def test_merged_and_unmerged_is_never_merged(rows: list[Any], visitor: str) -> None:
    rows = [*rows, (visitor, 60, "page")]
    never = World(SITE).take(*(made(*row) for row in rows))
    twice = World(SITE).take(*(made(*row) for row in rows))
    lead = lead_of(edges(never.profiles()[visitor]), never.known())
    link = event("link", at=T0 + 61 * MINUTE, visitor=visitor, props={"lead": "m" + "0" * 24})
    unlink = event("unlink", at=T0 + 62 * MINUTE, visitor=visitor)
    twice.take(link)
    assert lead_of(edges(twice.profiles()[visitor]), twice.known()) != lead or not lead
    twice.take(unlink)
    assert twice.people() == never.people()
    for name in never.profiles():
        was, now = never.shared(name), twice.shared(name)
        assert (was.points, was.traits, was.session_count, was.pages, was.topics, was.stages.get("mql")) == (
            now.points, now.traits, now.session_count, now.pages, now.topics, now.stages.get("mql"),
        )  # fmt: skip
        assert never.ledger(name) == twice.ledger(name)


def test_kept_apart_a_visitor_belongs_to_nobody_until_it_says_who_it_is_again() -> None:
    said = {"email": "taro@acme.co.jp"}
    world = World(SITE).take(made("a", 0, said), made("b", 1, said))
    assert world.people() == {frozenset("ab")}
    world.take(event("unlink", at=T0 + 2 * MINUTE, visitor="b"))
    assert world.people() == {frozenset("a"), frozenset("b")}
    world.take(made("b", 3, said))
    assert world.people() == {frozenset("ab")}


def test_on_a_shared_browser_nobody_inherits_the_others_history() -> None:
    taro, jiro = {"email": "taro@acme.co.jp", "title": "CEO"}, {"email": "jiro@beta.co.jp"}
    world = World(SITE).take(
        page("/pricing", at=T0, visitor="a"),
        made("a", 1, taro),
        made("a", 2, "whitepaper_download"),
        made("a", 3, jiro),
        page("/", at=T0 + 4 * MINUTE, visitor="a"),
    )
    first, second = world.profiles()["a~0"], world.profiles()["a"]
    assert (first.score, second.score) == (61, 11)
    assert (first.page_count, second.page_count) == (1, 1)
    assert first.traits["title"] == "CEO"
    assert "title" not in second.traits
    assert second.session_count == 1
    assert "pricing" not in second.topics
    assert sum(entry.points for entry in world.ledger("a~0")) == 61
    assert sum(entry.points for entry in world.ledger("a")) == 11


def test_what_counts_once_counts_once_for_a_person() -> None:
    said = {"email": "taro@acme.co.jp", "title": "CEO"}
    world = World(SITE).take(made("a", 0, said), made("b", 1, said), made("b", 2, "page"))
    assert [world.profiles()[name].score for name in "ab"] == [30, 31]
    assert world.score("a", T0 + HOUR) == world.score("b", T0 + HOUR) == 31
    taken_back = [entry for entry in world.ledger("a") if entry.points < 0]
    assert {(entry.event, entry.rule, entry.points) for entry in taken_back} == {
        ("same-person:b", "known", -10),
        ("same-person:b", "president", -20),
    }


def test_a_duplicate_stays_one_when_the_browser_changes_hands() -> None:
    page_view = page("/", at=T0, id="same", visitor="a")
    world = World(SITE).take(page_view, made("a", 1, {"id": "1"}), made("a", 2, {"id": "2"}), page_view)
    assert world.profiles()["a"].page_count == 0
    assert world.profiles()["a~0"].page_count == 1


def test_erased_is_erased_also_against_late_events() -> None:
    world = World(SITE).take(page("/", at=T0, visitor="a"), made("a", 1, {"email": "taro@acme.co.jp"}))
    world.take(event("erase", at=T0 + HOUR, visitor="a"))
    assert world.profiles()["a"].is_tombstone
    world.take(event("page", at=T0 + 30 * MINUTE, visitor="a", received_at=T0 + 2 * HOUR))
    assert world.profiles()["a"].is_tombstone
    world.take(page("/", at=T0 + 2 * HOUR, visitor="a"), page("/", at=T0 + DAY, visitor="a"))
    after = world.profiles()["a"]
    assert (after.page_count, after.session_count, after.first_at) == (2, 2, T0 + 2 * HOUR)
    assert after.traits == {}
