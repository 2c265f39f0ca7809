"""The audience language: GrowthBook's targeting conditions over a visitor's attributes.

`compile_condition` for the hot path, `matches` for one question, `check_condition` before a condition goes
live, `explain` for "why / why not". Missing values are null. Semantics: GrowthBook's SDK specification 0.11
(https://docs.growthbook.io/lib/build-your-own) with two limits: patterns see a value's first 1,000
characters, and a pattern that `check_condition` refuses matches nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.comparisons import Test
from core.condition_check import ConditionError, Problem, check_condition, ensure_valid
from core.condition_code import code
from core.explain import Leaf, explain
from core.operators import FAILURES, Groups, condition_test

__all__ = [
    "ConditionError",
    "Leaf",
    "Problem",
    "check_condition",
    "compile_condition",
    "ensure_valid",
    "explain",
    "matches",
    "paths",
]


def matches(
    condition: dict[str, Any], attributes: dict[str, Any], saved_groups: dict[str, Any] | None = None
) -> bool:
    """Whether `attributes` (nested plain data) satisfy `condition`.

    Never raises: a malformed condition matches nobody. `saved_groups` maps a group's id to its values, for
    `$inGroup`, `$notInGroup` and `$savedGroup`.
    """
    return compile_condition(condition, saved_groups)(attributes)


def compile_condition(
    condition: Mapping[str, Any],
    saved_groups: Mapping[str, Any] | None = None,
    *,
    failed: Callable[[Exception], None] = lambda _: None,
) -> Callable[[Mapping[str, Any]], bool]:
    """The condition as a fast function of the attributes; answers as `matches` does, and never raises: `failed` is
    told of what went wrong while it was evaluated.
    """
    try:
        test: Test = condition_test(condition, Groups(entries=saved_groups or {}))
    except FAILURES:
        return lambda _: False

    def check(attributes: Mapping[str, Any]) -> bool:
        try:
            return test(attributes) is True
        except FAILURES as error:
            failed(error)
            return False

    def told(error: Exception) -> bool:
        failed(error)
        return False

    return code(condition, otherwise=check, failed=told) or check


def paths(condition: Mapping[str, Any]) -> set[str]:
    """The attribute paths the condition reads, through $and, $or, $nor and $not."""
    found: set[str] = set()
    for key, value in condition.items():
        if key in ("$and", "$or", "$nor"):
            parts = value if isinstance(value, list | tuple) else ()
            found.update(*(paths(part) for part in parts if isinstance(part, Mapping)))
        elif key == "$not":
            found |= paths(value) if isinstance(value, Mapping) else set()
        elif key == "$savedGroup":
            found |= (
                {value["attributeKey"]} if isinstance(value, Mapping) and "attributeKey" in value else set()
            )
        else:
            found.add(str(key))
    return found
