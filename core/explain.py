"""Why a visitor matches a condition, or does not: one row per leaf."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.comparisons import Test
from core.errors import KizashiError
from core.operators import Groups, attribute_test, condition_test, is_operators, operator_test, value_test
from core.values import ARRAYS, getter


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """One comparison: `operator` and `expected` from the condition, `found` in the attributes (or None).

    `matched` is the comparison's own result. `negated` tells that the leaf stands beneath a $not or $nor,
    where a match counts against the visitor. A plain `path: value` has the operator `$eq`.
    """

    path: str
    operator: str
    expected: Any
    found: Any
    matched: bool
    negated: bool = False


def explain(
    condition: Mapping[str, Any], attributes: Mapping[str, Any], saved_groups: Mapping[str, Any] | None = None
) -> list[Leaf]:
    """The leaves in the condition's order.

    Without $or, $nor and $not the condition matches exactly where all of them do.
    """
    groups = Groups(entries=saved_groups or {})
    return list(_leaves(condition, attributes, groups, negated=False))


def _leaves(condition: Any, attributes: Any, groups: Groups, *, negated: bool) -> Iterator[Leaf]:
    if not isinstance(condition, Mapping):
        return
    for key, value in condition.items():
        if key in ("$and", "$or", "$nor"):
            for part in value if isinstance(value, ARRAYS) else ():
                yield from _leaves(part, attributes, groups, negated=negated is not (key == "$nor"))
        elif key == "$not":
            yield from _leaves(value, attributes, groups, negated=not negated)
        elif key == "$savedGroup":
            yield _leaf("", key, value, attributes, condition_test({key: value}, groups), negated)
        else:
            yield from _attribute(str(key), value, attributes, groups, negated)


def _attribute(path: str, value: Any, attributes: Any, groups: Groups, negated: bool) -> Iterator[Leaf]:
    if not is_operators(value):
        test = attribute_test(path, value_test(value, groups))
        yield _leaf(path, "$eq", value, attributes, test, negated)
        return
    for name, operand in value.items():
        test = attribute_test(path, operator_test(name, operand, groups))
        yield _leaf(path, name, operand, attributes, test, negated)


def _leaf(path: str, name: str, expected: Any, attributes: Any, test: Test, negated: bool) -> Leaf:
    found = getter(path)(attributes) if path else None
    return Leaf(
        path=path,
        operator=name,
        expected=expected,
        found=found,
        matched=_answer(test, attributes),
        negated=negated,
    )


def _answer(test: Test, attributes: Any) -> bool:
    try:
        return test(attributes) is True
    except (KizashiError, TypeError, ValueError, AttributeError, LookupError):
        return False
