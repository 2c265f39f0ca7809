"""Buckets and variants: the table, and GrowthBook's own SDK as the independent oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from growthbook.core import chooseVariation, gbhash, getBucketRanges
from hypothesis import given
from hypothesis import strategies as st

from core.bucketing import bucket, choose

CASES: dict[str, list[Any]] = json.loads(
    (Path(__file__).parents[1] / "cases" / "bucketing.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(("seed", "value", "expected"), CASES["bucket"])
def test_a_bucket_is_what_the_table_says(seed: str, value: str, expected: float) -> None:
    assert bucket(seed, value) == expected


@pytest.mark.parametrize(
    ("n", "weights", "coverage", "expected"),
    [case[1:] for case in CASES["choose"]],
    ids=[case[0] for case in CASES["choose"]],
)
def test_a_choice_is_what_the_table_says(
    n: float, weights: list[float], coverage: float, expected: int
) -> None:
    assert choose(n, weights, coverage) == expected


@given(st.text(), st.text())
def test_buckets_equal_growthbooks(seed: str, value: str) -> None:
    assert bucket(seed, value) == gbhash(seed, value, 2)


@given(
    st.integers(0, 9_999).map(lambda n: n / 10_000),
    st.lists(st.floats(-0.2, 1.2), max_size=6)
    | st.lists(st.integers(1, 9), min_size=1, max_size=6).map(lambda ws: [w / sum(ws) for w in ws]),
    st.floats(-0.5, 1.5),
)
def test_choices_equal_growthbooks(n: float, weights: list[float], coverage: float) -> None:
    ranges = getBucketRanges(len(weights), coverage, weights)
    assert choose(n, weights, coverage) == chooseVariation(n, ranges)


@given(st.floats(0, 0.9999), st.floats(0, 1), st.floats(0, 1))
def test_less_coverage_moves_nobody_to_another_variant(n: float, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert choose(n, [0.2, 0.5, 0.3], less) in (-1, choose(n, [0.2, 0.5, 0.3], more))


def test_buckets_spread_evenly() -> None:
    buckets = [bucket("top-hero", f"visitor-{i}") for i in range(20_000)]
    tenths = [sum(1 for b in buckets if int(b * 10) == tenth) for tenth in range(10)]
    assert all(0.0 <= b < 1.0 for b in buckets)
    assert min(tenths) > 1_800
    assert max(tenths) < 2_200
