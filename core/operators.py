"""Conditions turned into closures, once: paths split, operators bound, sets and patterns built.

The semantics are those of GrowthBook's SDK specification 0.11: values of different types never match and are
never ordered, and a missing value is null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.comparisons import COMPARISONS, Test, always, among, every, member_of, negated, never, some, unknown
from core.errors import KizashiError
from core.values import ARRAYS, canonical, kind, reading, same_as

#: Keys that join whole conditions.
JOINERS = frozenset({"$and", "$or", "$nor", "$savedGroup"})


class Malformed(KizashiError):
    """The condition has a part that is no condition."""


#: What a malformed condition or odd data can raise while it is evaluated.
FAILURES = (Malformed, RecursionError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """The saved groups by id, and the ids being resolved (a group that names itself matches nobody)."""

    entries: Mapping[str, Any] = field(default_factory=dict)
    visited: frozenset[str] = frozenset()


def condition_test(condition: Any, groups: Groups) -> Test:
    """The test of a whole condition over attributes (or over an element of `$elemMatch`)."""
    if not isinstance(condition, Mapping):
        return _malformed
    return all_of([_entry_test(key, value, groups) for key, value in condition.items()])


def _entry_test(key: Any, value: Any, groups: Groups) -> Test:
    if key in _JOINED:
        return _JOINED[key](value, groups)
    if key == "$savedGroups":
        return never
    return attribute_test(key, value_test(value, groups)) if isinstance(key, str) else _malformed


def attribute_test(path: str, test: Test) -> Test:
    """`test` of the value at `path`."""
    return reading(path, test)


def value_test(expected: Any, groups: Groups, *, fold: bool = False) -> Test:
    """The test of one value: operators, or equality with a literal. `fold` ignores the case of letters."""
    if is_operators(expected):
        return all_of([operator_test(name, operand, groups) for name, operand in expected.items()])
    if isinstance(expected, (*ARRAYS, Mapping)):
        form, name = canonical(expected), kind(expected)
        return lambda value: kind(value) == name and canonical(value) == form
    if fold and isinstance(expected, str):
        lowered = expected.lower()
        return lambda value: isinstance(value, str) and value.lower() == lowered
    return same_as(expected)


def is_operators(value: Any) -> bool:
    """An object of operators: every key begins with `$`. {} has none and matches everything."""
    return isinstance(value, Mapping) and all(isinstance(key, str) and key.startswith("$") for key in value)


def operator_test(name: str, operand: Any, groups: Groups) -> Test:
    """The test of one operator."""
    if name in JOINERS:
        return never
    if name in COMPARISONS:
        return COMPARISONS[name](operand)
    return _NESTED[name](operand, groups) if name in _NESTED else unknown


def all_of(tests: list[Test]) -> Test:
    """True where all tests are."""
    if len(tests) == 1:
        return tests[0]

    # As `every` does, without a generator: this is the inner loop of everything that is decided.
    def check(value: Any) -> bool | None:
        answer: bool | None = True
        for test in tests:
            result = test(value)
            if result is False:
                return False
            if result is None:
                answer = None
        return answer

    return check


def _malformed(_: Any) -> bool:
    raise Malformed


def _parts(operand: Any, groups: Groups) -> list[Test]:
    if isinstance(operand, ARRAYS):
        return [condition_test(part, groups) for part in operand]
    return [] if operand in ({}, "") else [_malformed]


def _and(operand: Any, groups: Groups) -> Test:
    return all_of(_parts(operand, groups))


def _or(operand: Any, groups: Groups) -> Test:
    parts = _parts(operand, groups)
    return (lambda value: some(part(value) for part in parts)) if parts else always


def _saved_group(reference: Any, groups: Groups) -> Test:
    if not isinstance(reference, Mapping) or not isinstance(reference.get("id"), str):
        return never
    name = reference["id"]
    entry = groups.entries.get(name)
    if name in groups.visited or not isinstance(entry, Mapping):
        return never
    if not isinstance(reference.get("attributeKey", ""), str):
        return never
    if entry.get("type") == "list":
        path, values = reference.get("attributeKey", entry.get("attributeKey")), entry.get("values")
        usable = isinstance(path, str) and isinstance(values, ARRAYS)
        return attribute_test(path, member_of(values)) if usable else never
    if entry.get("type") != "condition":
        return unknown
    inner = Groups(entries=groups.entries, visited=groups.visited | {name})
    condition = entry.get("condition")
    return condition_test(condition, inner) if isinstance(condition, Mapping) else never


def _in_group(operand: Any, groups: Groups, *, wanted: bool) -> Test:
    if not isinstance(operand, str):
        return never
    entry = groups.entries.get(operand, ())
    if isinstance(entry, Mapping):
        if entry.get("type") not in ("list", "condition"):
            return unknown
        entry = entry.get("values") if entry["type"] == "list" else None
    return among(entry, fold=False, wanted=wanted)


def _elem_match(operand: Any, groups: Groups) -> Test:
    on_value = is_operators(operand) and not JOINERS & operand.keys()
    test = value_test(operand, groups) if on_value else condition_test(operand, groups)

    def check(value: Any) -> bool | None:
        if not isinstance(value, ARRAYS):
            return False
        return some(test(item) for item in value if item is not None)

    return check


def _all(operand: Any, groups: Groups, *, fold: bool) -> Test:
    if not isinstance(operand, ARRAYS):
        return never
    tests = [value_test(part, groups, fold=fold) for part in operand]

    def check(value: Any) -> bool | None:
        if not isinstance(value, ARRAYS):
            return False
        return every(some(test(item) for item in value) for test in tests)

    return check


def _size(operand: Any, groups: Groups) -> Test:
    test = value_test(operand, groups)
    return lambda value: test(len(value)) if isinstance(value, ARRAYS) else False


_JOINED: dict[Any, Callable[[Any, Groups], Test]] = {
    "$and": _and,
    "$or": _or,
    "$nor": lambda operand, groups: negated(_or(operand, groups)),
    "$not": lambda operand, groups: negated(condition_test(operand, groups)),
    "$savedGroup": _saved_group,
}

_NESTED: dict[str, Callable[[Any, Groups], Test]] = {
    "$inGroup": lambda operand, groups: _in_group(operand, groups, wanted=True),
    "$notInGroup": lambda operand, groups: _in_group(operand, groups, wanted=False),
    "$all": lambda operand, groups: _all(operand, groups, fold=False),
    "$alli": lambda operand, groups: _all(operand, groups, fold=True),
    "$elemMatch": _elem_match,
    "$size": _size,
    "$not": lambda operand, groups: negated(value_test(operand, groups)),
}

#: Every operator that stands on an attribute.
OPERATORS = frozenset(COMPARISONS) | frozenset(_NESTED)
