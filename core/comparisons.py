"""The operators that compare a value with a plain operand, as closures made once.

A test answers True, False, or None where the condition uses something unknown (an operator, a kind of saved
group). None survives $not, so an unknown operator never lets anybody in.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from core.patterns import SUBJECT, Unsafe, compiled
from core.values import ARRAYS, is_number, kind, same_as, utf16, version_key

Test = Callable[[Any], bool | None]
_NUMBERS = (int, float)


def every(results: Iterable[bool | None]) -> bool | None:
    """True where all are; False where one is, whatever else is unknown. Stops at the first False."""
    answer: bool | None = True
    for result in results:
        if result is False:
            return False
        if result is None:
            answer = None
    return answer


def some(results: Iterable[bool | None]) -> bool | None:
    """True where one is; None where none is and one is unknown. Stops at the first True."""
    answer: bool | None = False
    for result in results:
        if result:
            return True
        if result is None:
            answer = None
    return answer


def negated(test: Test) -> Test:
    """The opposite; unknown stays unknown."""

    def check(value: Any) -> bool | None:
        found = test(value)
        return None if found is None else not found

    return check


def never(_: Any) -> bool:
    """Matches nothing."""
    return False


def always(_: Any) -> bool:
    """Matches everything."""
    return True


def unknown(_: Any) -> None:
    """What an unknown operator answers."""
    return None


def member_of(values: Any, *, fold: bool = False) -> Test:
    """Whether the value, or one of its elements where it is an array, is among `values` (never an object)."""
    known = {_key(value, fold) for value in values if not isinstance(value, (*ARRAYS, Mapping))}

    def check(value: Any) -> bool:
        if isinstance(value, ARRAYS):
            return any(not isinstance(v, (*ARRAYS, Mapping)) and _key(v, fold) in known for v in value)
        return not isinstance(value, Mapping) and _key(value, fold) in known

    return check


def _key(value: Any, fold: bool) -> object:
    # Python takes True for 1, GrowthBook does not.
    if isinstance(value, str):
        return value.lower() if fold else value
    return ("boolean", value) if isinstance(value, bool) else value


def among(operand: Any, *, fold: bool, wanted: bool) -> Test:
    """$in and its family; an operand that is no list matches nothing."""
    if not isinstance(operand, ARRAYS):
        return never
    test = member_of(operand, fold=fold)
    return test if wanted else negated(test)


def _ordered(operand: Any, compare: Callable[[Any, Any], bool]) -> Test:
    if is_number(operand):
        # Numbers as JSON has them: asking for the very type is the fastest way to leave out True and False.
        return lambda value: type(value) in _NUMBERS and compare(value, operand)
    if not isinstance(operand, str):
        return never
    wide = utf16(operand)
    return lambda value: isinstance(value, str) and compare(utf16(value), wide)


def _version(operand: Any, compare: Callable[[Any, Any], bool], otherwise: bool = False) -> Test:
    if not isinstance(operand, str) and not is_number(operand):
        return always if otherwise else never
    name, key = kind(operand), version_key(operand)
    return lambda value: compare(version_key(value), key) if kind(value) == name else otherwise


def _regex(operand: Any, *, flags: int, wanted: bool) -> Test:
    try:
        pattern = compiled(operand, flags) if isinstance(operand, str) else None
    except Unsafe:
        return unknown
    if pattern is None:
        return never if wanted else always
    search = pattern.search
    return lambda value: (isinstance(value, str) and search(value[:SUBJECT]) is not None) is wanted


COMPARISONS: dict[str, Callable[[Any], Test]] = {
    "$eq": same_as,
    "$ne": lambda operand: negated(same_as(operand)),
    "$lt": lambda operand: _ordered(operand, operator.lt),
    "$lte": lambda operand: _ordered(operand, operator.le),
    "$gt": lambda operand: _ordered(operand, operator.gt),
    "$gte": lambda operand: _ordered(operand, operator.ge),
    "$veq": lambda operand: _version(operand, operator.eq),
    "$vne": lambda operand: _version(operand, operator.ne, otherwise=True),
    "$vlt": lambda operand: _version(operand, operator.lt),
    "$vlte": lambda operand: _version(operand, operator.le),
    "$vgt": lambda operand: _version(operand, operator.gt),
    "$vgte": lambda operand: _version(operand, operator.ge),
    "$in": lambda operand: among(operand, fold=False, wanted=True),
    "$nin": lambda operand: among(operand, fold=False, wanted=False),
    "$ini": lambda operand: among(operand, fold=True, wanted=True),
    "$nini": lambda operand: among(operand, fold=True, wanted=False),
    "$exists": lambda operand: lambda value: (value is not None) is bool(operand),
    "$type": lambda operand: lambda value: kind(value) == operand,
    "$regex": lambda operand: _regex(operand, flags=0, wanted=True),
    "$regexi": lambda operand: _regex(operand, flags=re.IGNORECASE, wanted=True),
    "$notRegex": lambda operand: _regex(operand, flags=0, wanted=False),
    "$notRegexi": lambda operand: _regex(operand, flags=re.IGNORECASE, wanted=False),
}
