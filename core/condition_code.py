"""Conditions turned into Python code: what the closures of `core.operators` answer, in a single call.

Nothing of a condition gets into the code but its shape: paths, operands and patterns are constants that the code
names. What is not of a plain shape (an unknown operator, a saved group, an array to compare with) has no code, and
the closures answer for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from core.comparisons import COMPARISONS, member_of
from core.operators import FAILURES
from core.patterns import SUBJECT, Unsafe, compiled
from core.values import child, getter, is_number

Check = Callable[[Mapping[str, Any]], bool]

_FUNCTION = """
def answer(a):
    if type(a) is not dict:
        return otherwise(a)
    try:
        return {}
    except failures as error:
        return failed(error)
"""

_ORDERS = {"$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
_EQUAL, _UNEQUAL = "$eq", "$ne"
_MEMBERS = {"$in": "", "$nin": "not "}
_SEARCHES = {"$regex": 0, "$regexi": re.IGNORECASE}


class _Plainless(Exception):
    """A part of the condition that is not of a plain shape."""


def code(
    condition: Mapping[str, Any], *, otherwise: Check, failed: Callable[[Exception], bool]
) -> Check | None:
    """A function of the attributes; None where the condition is not of a plain shape.

    It asks `otherwise` about attributes that are no dict, and answers what `failed` says of what odd data raises.
    """
    writer, made = _Writer(), dict[str, Any]()
    around = {"otherwise": otherwise, "failed": failed, "failures": FAILURES}
    try:
        source = _FUNCTION.format(writer.condition(condition))
        # The source holds names of ours alone: what the condition says is in their values.
        exec(source, writer.names | around, made)  # noqa: S102
    except (_Plainless, RecursionError, SyntaxError, MemoryError):
        return None  # of no plain shape, or (the other three) nested too deeply for code
    answer: Check = made["answer"]
    return answer


class _Writer:
    """Writes the expression of one condition; `names` holds its constants."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"child": child, "int": int, "float": float, "str": str, "dict": dict}
        self._read = 0

    def condition(self, condition: Any) -> str:
        """Truth of a whole condition."""
        if not isinstance(condition, Mapping):
            raise _Plainless
        return self._all(self._entry(key, value) for key, value in condition.items())

    def _entry(self, key: Any, value: Any) -> str:
        if key == "$and":
            return self._all(self._parts(value))
        if key == "$or":
            return self._any(self._parts(value))
        if key == "$nor":
            return f"(not {self._any(self._parts(value))})"
        if key == "$not":
            return f"(not {self.condition(value)})"
        if not isinstance(key, str) or key.startswith("$"):
            raise _Plainless
        return self._attribute(key, value)

    def _parts(self, parts: Any) -> list[str]:
        if not isinstance(parts, list | tuple) or not parts:
            raise _Plainless
        return [self.condition(part) for part in parts]

    def _all(self, parts: Iterable[str]) -> str:
        return f"({' and '.join(parts) or True})"

    def _any(self, parts: Iterable[str]) -> str:
        return f"({' or '.join(parts)})"

    def _attribute(self, path: str, wanted: Any) -> str:
        if not isinstance(wanted, Mapping):
            wanted = {_EQUAL: wanted}
        if not wanted or not all(isinstance(name, str) for name in wanted):
            raise _Plainless
        # Read once, in the first comparison: the others come after it.
        self._read += 1
        value, reading = f"v{self._read}", self._reading(path)
        found = [f"({value} := {reading})", *[value] * (len(wanted) - 1)]
        return self._all(
            self._compared(name, operand, first, value)
            for first, (name, operand) in zip(found, wanted.items(), strict=True)
        )

    def _reading(self, path: str) -> str:
        segments = path.split(".")
        if len(segments) == 1:
            return f"a.get({self._constant(path)})"
        if len(segments) > 2:
            return f"{self._constant(getter(path))}(a)"
        self._read += 1
        inner, (first, second) = f"v{self._read}", map(self._constant, segments)
        outer = f"type({inner} := a.get({first})) is dict"
        return f"({inner}.get({second}) if {outer} else child({inner}, {second}))"

    def _compared(self, name: str, operand: Any, first: str, again: str) -> str:
        """One comparison. `first` reads the value, which is then in `again`."""
        if name in (_EQUAL, _UNEQUAL):
            return self._equality(operand, first, again, wanted=name == _EQUAL)
        if name in _ORDERS and is_number(operand):
            return f"({_numeric(first, again)} and {again} {_ORDERS[name]} {self._constant(operand)})"
        if name in _MEMBERS and isinstance(operand, list | tuple):
            return self._membership(operand, first, again, _MEMBERS[name])
        if name in _SEARCHES and isinstance(operand, str):
            return self._search(operand, first, again, _SEARCHES[name])
        if name == "$exists":
            return f"({first} {'is not' if operand else 'is'} None)"
        if name not in COMPARISONS or "egex" in name:
            raise _Plainless  # a refused pattern is neither true nor false
        return f"{self._constant(COMPARISONS[name](operand))}({first})"

    def _equality(self, operand: Any, first: str, again: str, *, wanted: bool) -> str:
        equal, no = ("==", "") if wanted else ("!=", "not ")
        if isinstance(operand, str):
            return f"({first} {equal} {self._constant(operand)})"
        if operand is None or isinstance(operand, bool):
            return f"({first} {'is' if wanted else 'is not'} {operand})"
        if not is_number(operand):
            raise _Plainless
        return f"({no}({_numeric(first, again)} and {again} == {self._constant(operand)}))"

    def _membership(self, operand: Sequence[Any], first: str, again: str, no: str) -> str:
        member = self._constant(member_of(operand))
        if not all(isinstance(one, str) for one in operand):
            return f"({no}{member}({first}))"
        texts = self._constant(frozenset(operand))
        return f"({no}({again} in {texts} if type({first}) is str else {member}({again})))"

    def _search(self, pattern: str, first: str, again: str, flags: int) -> str:
        try:
            found = compiled(pattern, flags)
        except Unsafe as error:
            raise _Plainless from error
        if found is None:
            raise _Plainless
        search = self._constant(found.search)
        return f"(type({first}) is str and {search}({again}[:{SUBJECT}]) is not None)"

    def _constant(self, value: Any) -> str:
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name


def _numeric(first: str, again: str) -> str:
    """Whether a value is a number; a bool is none. `first` and `again` as in `_compared`."""
    return f"(type({first}) is int or type({again}) is float)"
