"""Exposures and goals: who is counted, once, whatever the order in which the facts arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conditions import compile_condition
from core.exposures import Exposed, Measured
from personalization.allocation import allocation, holdout_share, shares
from personalization.counters import Cell, cells, deltas, parse
from personalization.exposure import MAX_EXPOSED, MAX_REACHED, NOTHING, Exposure, expose, is_news, reach
from personalization.goals import Goal, Standing, reached_by
from personalization.model import Choice, Experience, Variant
from tests.factories import DAY, HOUR, MINUTE, T0, event

QUOTE = Goal(id="quote", on="quote", window_ms=DAY)
BOOK = Goal(id="book", on="book", window_ms=10 * MINUTE)
GOALS = (QUOTE, BOOK)


@dataclass(frozen=True)
class Reached:
    goal: Goal
    at: int


Fact = Exposure | Reached


def met(variant: str = "a", at: int = T0, **fields: Any) -> Exposure:
    return Exposure(
        **{"experience": "hero", "allocation": "s1", "visitor": "v1"} | fields, variant=variant, at=at
    )


def fold(facts: Iterable[Fact], measured: Measured = NOTHING) -> Measured:
    for fact in facts:
        if isinstance(fact, Exposure):
            measured = expose(measured, fact, GOALS)
        else:
            measured = reach(measured, fact.goal, fact.at)
    return measured


def counted(facts: Iterable[Fact]) -> dict[str, int]:
    return {name(cell): by for cell, by in Counter(cells(fold(facts))).items()}


def name(cell: Cell) -> str:
    return " ".join(filter(None, (cell.audience, cell.variant or "holdout", cell.measure, cell.goal)))


CASES: dict[str, tuple[Sequence[Fact], dict[str, int]]] = {
    "met": ([met()], {"a exposed": 1, "a entered": 1}),
    "held out": ([met("")], {"holdout exposed": 1, "holdout entered": 1}),
    "met again": ([met(), met(at=T0 + DAY, revision=2)], {"a exposed": 1, "a entered": 1}),
    "a goal after it": (
        [met(), Reached(QUOTE, T0 + 1)],
        {"a exposed": 1, "a entered": 1, "a converted quote": 1, "a entered_converted quote": 1},
    ),
    "a goal twice": (
        [met(""), Reached(QUOTE, T0 + 1), Reached(QUOTE, T0 + 9)],
        {"holdout exposed": 1, "holdout entered": 1}
        | {"holdout converted quote": 1, "holdout entered_converted quote": 1},
    ),
    "a goal before it": ([Reached(QUOTE, T0 - 1), met()], {"a exposed": 1, "a entered": 1}),
    "a goal with it": ([Reached(QUOTE, T0), met()], {"a exposed": 1, "a entered": 1}),
    "a goal at the window's end": (
        [met(), Reached(BOOK, T0 + 10 * MINUTE)],
        {"a exposed": 1, "a entered": 1, "a converted book": 1, "a entered_converted book": 1},
    ),
    "a goal past the window": (
        [met(), Reached(BOOK, T0 + 10 * MINUTE + 1)],
        {"a exposed": 1, "a entered": 1},
    ),
    "another audience of the same experience": (
        [met(audience="new"), met("b", T0 + HOUR, audience="back"), Reached(QUOTE, T0 + 2 * HOUR)],
        {"new a exposed": 1, "new a entered": 1, "back b exposed": 1}
        | {"new a converted quote": 1, "new a entered_converted quote": 1, "back b converted quote": 1},
    ),
    "two variants": ([met(), met("b", T0 + 1), Reached(QUOTE, T0 + 2)], {"a drifted": 1}),
    "a variant and the holdout": ([met(), met("", T0 + 1)], {"a drifted": 1}),
    "held out for one audience only": (
        [met("", audience="new"), met("b", T0 + 1, audience="back")],
        {"new holdout drifted": 1, "back b drifted": 1},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_counted(case: str) -> None:
    facts, expected = CASES[case]
    assert counted(facts) == expected
    assert {str(counted(order)) for order in permutations(facts)} == {str(counted(facts))}


def test_a_late_exposure_moves_the_window_back() -> None:
    facts = [met(at=T0 + HOUR), Reached(BOOK, T0 + HOUR + 5 * MINUTE)]
    before = fold(facts)
    after = fold([met("a", T0)], before)
    assert counted(facts)["a converted book"] == 1
    assert {(name(delta.cell), delta.by) for delta in deltas(before, after)} == {
        ("a converted book", -1),
        ("a entered_converted book", -1),
    }


MOMENTS = st.integers(min_value=0, max_value=23 * 60).map(lambda minutes: T0 + minutes * MINUTE)
EXPOSURES = st.builds(
    met,
    variant=st.sampled_from(["", "a", "b"]),
    at=MOMENTS,
    experience=st.sampled_from(["hero", "side"]),
    audience=st.sampled_from(["", "new"]),
    allocation=st.sampled_from(["s1", "s2"]),
)
HITS = st.builds(Reached, goal=st.sampled_from(GOALS), at=MOMENTS)
FACTS = st.lists(EXPOSURES | HITS, max_size=12)


@given(facts=FACTS, random=st.randoms(use_true_random=False))
def test_the_order_of_arrival_is_nothing(facts: list[Fact], random: Any) -> None:
    shuffled = [*facts, *facts[:3]]
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(facts)
    assert msgspec.json.encode(fold(shuffled)) == msgspec.json.encode(fold(facts))


LATE = st.lists(
    st.tuples(
        EXPOSURES | HITS, st.integers(min_value=0, max_value=4 * 24), st.integers(min_value=0, max_value=24)
    ),
    max_size=12,
)


@given(late=LATE)
def test_facts_up_to_a_day_late_are_counted_as_if_on_time(late: list[tuple[Fact, int, int]]) -> None:
    moved = [
        (replace(fact, at=T0 + hours * HOUR), T0 + (hours + delay) * HOUR) for fact, hours, delay in late
    ]
    arrived = [fact for fact, _ in sorted(moved, key=lambda one: one[1])]
    happened = [fact for fact, _ in sorted(moved, key=lambda one: one[0].at)]
    assert fold(arrived) == fold(happened)


@given(facts=FACTS)
def test_the_changes_add_up_to_the_totals(facts: list[Fact]) -> None:
    totals: Counter[Cell] = Counter()
    state = NOTHING
    for fact in facts:
        after = fold([fact], state)
        for delta in deltas(state, after):
            assert delta.by != 0
            totals[delta.cell] += delta.by
        state = after
    assert {cell: by for cell, by in totals.items() if by} == Counter(cells(state))
    assert all(by in (0, 1) for by in totals.values())


@given(facts=FACTS)
def test_the_state_is_what_was_true(facts: list[Fact]) -> None:
    """Against a plain reading of all facts at once."""
    for one in fold(facts).exposed:
        mine = [
            fact
            for fact in facts
            if isinstance(fact, Exposure)
            and (fact.experience, fact.audience) == (one.experience, one.audience)
        ]
        assert one.first_at == min(fact.at for fact in mine)
        assert one.drifted == (len({fact.variant for fact in mine}) > 1)
        for goal in GOALS:
            times = [fact.at for fact in facts if isinstance(fact, Reached) and fact.goal == goal]
            inside = [at for at in times if one.first_at < at <= one.first_at + goal.window_ms]
            assert one.converted.get(goal.id) == min(inside, default=None)


def _news(state: Measured, one: Exposure) -> bool:
    return is_news(state, experience=one.experience, audience=one.audience, variant=one.variant)


@given(facts=FACTS, exposure=EXPOSURES)
def test_what_is_no_news_changes_no_total(facts: list[Fact], exposure: Exposure) -> None:
    state = fold(facts)
    latest = met(exposure.variant, T0 + DAY, experience=exposure.experience, audience=exposure.audience)
    if not _news(state, latest):
        assert deltas(state, expose(state, latest, GOALS)) == ()


def test_the_state_survives_the_store() -> None:
    state = fold([met(), met("b", audience="new"), Reached(QUOTE, T0 + 5)])
    assert msgspec.json.decode(msgspec.json.encode(state), type=Measured) == state


def test_the_state_stays_small() -> None:
    many = fold([met(experience=f"e{i}") for i in range(MAX_EXPOSED + 5)])
    assert len(many.exposed) == MAX_EXPOSED
    assert not _news(many, met(experience="one-more"))
    assert fold([met(experience="one-more")], many) is many
    often = fold([met(), *(Reached(QUOTE, T0 + i) for i in range(1, 100))])
    assert len(often.reached["quote"]) == MAX_REACHED
    assert often.exposed[0].converted == {"quote": T0 + 1}
    later = fold([Reached(BOOK, T0 + 3 * DAY)], often)
    assert later.reached == {"book": (T0 + 3 * DAY,)}


def test_erasing_a_visitor_leaves_the_totals() -> None:
    assert deltas(fold([met(), Reached(QUOTE, T0 + 1)]), None) == ()


def test_an_unchanged_state_is_the_same_object() -> None:
    state = fold([met()])
    assert expose(state, met(at=T0 + 5), GOALS) is state
    assert deltas(state, state) == ()


@given(facts=FACTS)
def test_a_counters_name_says_what_it_counts(facts: list[Fact]) -> None:
    found = Counter(cells(fold(facts)))
    assert parse({cell.field: by for cell, by in found.items()}) == found


def test_foreign_counters_are_left_alone() -> None:
    assert parse({"": 1, "a/b": 2, "e/a/s/v/views/g": 3, "e/a/s/v/exposed/": 4}) == {
        Cell(experience="e", audience="a", allocation="s", variant="v", measure="exposed"): 4
    }


LOW, WARM, HIGH = Standing(intent="low"), Standing(intent="warm"), Standing(intent="high")
BIG = compile_condition({"event.amount": {"$gte": 100}})


@pytest.mark.parametrize(
    ("goal", "before", "after", "reached"),
    [
        (QUOTE, LOW, LOW, True),
        (BOOK, LOW, LOW, False),
        (Goal(id="g", on="quote", when=BIG), LOW, LOW, True),
        (Goal(id="g", on="quote", when=lambda _: False), LOW, LOW, False),
        (Goal(id="g", intent="warm"), LOW, WARM, True),
        (Goal(id="g", intent="warm"), LOW, HIGH, True),
        (Goal(id="g", intent="high"), LOW, WARM, False),
        (Goal(id="g", intent="warm"), WARM, HIGH, False),
        (Goal(id="g", intent="warm"), HIGH, WARM, False),
        (Goal(id="g", stage="mql"), LOW, Standing(stages={"lead": 1}), False),
        (Goal(id="g", stage="mql"), LOW, Standing(stages={"lead": 1, "mql": 2}), True),
        (Goal(id="g", stage="lead"), Standing(stages={"lead": 1}), Standing(stages={"lead": 1}), False),
    ],
)
def test_when_a_goal_is_reached(goal: Goal, before: Standing, after: Standing, reached: bool) -> None:
    found = reached_by(
        event("quote"), [goal], before=before, after=after, attributes={"event": {"amount": 150}}
    )
    assert found == ((goal.id,) if reached else ())


def experience(**fields: Any) -> Experience:
    variants = tuple(Variant(id=id, weight=weight, render=str) for id, weight in (("a", 1.0), ("b", 3.0)))
    return Experience(id="hero", slot="hero", choices=(Choice(audience=None, variants=variants),), **fields)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"": 0.0, "a": 0.25, "b": 0.75}),
        ({"holdout": 0.2}, {"": 0.2, "a": 0.2, "b": 0.6}),
        ({"holdout": 0.2, "site_holdout": 0.5}, {"": 0.6, "a": 0.1, "b": 0.3}),
    ],
)
def test_the_shares_of_the_arms(given: dict[str, float], expected: dict[str, float]) -> None:
    found = experience(**given)
    assert shares(found, found.choices[0]) == pytest.approx(expected)
    assert holdout_share(found) == pytest.approx(expected[""])


def test_other_shares_have_another_name() -> None:
    splits = [{"": 0.1, "a": 0.9}, {"": 0.2, "a": 0.8}, {"": 0.1, "b": 0.9}, {"": 0.1, "a": 0.4, "b": 0.5}]
    assert len({allocation(split) for split in splits}) == len(splits)
    assert allocation({"a": 0.9, "": 0.1}) == allocation(splits[0])


def test_what_lives_on_the_profile_is_small() -> None:
    one = Exposed(
        experience="top-hero", audience="returning", variant="results", allocation="1f2e3d4c", first_at=T0
    )
    assert len(msgspec.json.encode(Measured(exposed=(one,)))) < 160
