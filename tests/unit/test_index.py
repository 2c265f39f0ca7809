"""An index leaves out what cannot hold, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conditions import compile_condition
from core.index import FEW, Index

PATHS = ("page.path", "page.topic", "traits.role", "page_count")
TEXTS = ("a", "b", "c", "")

values = st.one_of(st.sampled_from(TEXTS), st.integers(0, 2), st.none())
wanted = st.one_of(
    values,
    st.fixed_dictionaries({"$eq": values}),
    st.fixed_dictionaries({"$in": st.lists(values, max_size=3)}),
    st.fixed_dictionaries({"$ne": values}),
    st.just({"$exists": True}),
)
conditions = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from(PATHS), wanted, max_size=2),
    st.fixed_dictionaries({"$or": st.lists(st.dictionaries(st.sampled_from(PATHS), wanted), max_size=2)}),
)
some = st.one_of(values, st.lists(values, max_size=3))


@st.composite
def visitors(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "page": {"path": draw(some), "topic": draw(some)},
        "traits": {"role": draw(some)},
        "page_count": draw(st.integers(0, 2)),
    }


@settings(max_examples=300)
@given(st.lists(conditions, max_size=25), visitors())
def test_whatever_holds_is_a_candidate_and_the_order_stays(
    asked: list[dict[str, Any] | None], visitor: dict[str, Any]
) -> None:
    index = Index((condition, number) for number, condition in enumerate(asked))
    found = list(index.candidates(visitor))
    holding = [n for n, one in enumerate(asked) if one is None or compile_condition(one)(visitor)]
    assert found == sorted(set(found))
    assert set(holding) <= set(found)
    assert list(index) == list(range(len(asked)))


@pytest.mark.parametrize("count", [FEW, 1_000])
def test_of_many_that_ask_for_another_value_none_is_a_candidate(count: int) -> None:
    asked = [({"page.path": f"/p{number}"}, number) for number in range(count)]
    index = Index([*asked, ({"page_count": {"$gte": 1}}, -1)])
    assert list(index.candidates({"page": {"path": "/elsewhere"}})) == [-1]
    assert list(index.candidates({"page": {"path": "/p3"}})) == [3, -1]


def test_few_are_asked_one_by_one() -> None:
    index = Index(({"page.path": f"/p{number}"}, number) for number in range(FEW - 1))
    assert list(index.candidates({})) == list(range(FEW - 1))
