"""The strict check of a condition, before it is published: every mistake, and where it is."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import KizashiError
from core.operators import JOINERS, OPERATORS
from core.patterns import refusal
from core.values import ARRAYS, is_number

#: Conditions nested deeper than this are refused.
DEEPEST = 20

_JOINED = JOINERS | {"$not"}
_TYPES = ("string", "number", "boolean", "array", "object", "null")

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One mistake: `path` leads to it (keys and list positions), `message` says what is wrong."""

    path: Path
    message: str


class ConditionError(KizashiError):
    """The condition is invalid."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{'.'.join(map(str, p.path))}: {p.message}" for p in problems))


def ensure_valid(condition: object) -> None:
    """Raises ConditionError, which carries the problems, unless `check_condition` finds none."""
    if problems := check_condition(condition):
        raise ConditionError(problems)


def check_condition(condition: object) -> list[Problem]:
    """Every mistake in the condition, in its order; [] for a valid one. Never raises."""
    return list(_condition(condition, ()))


def _condition(condition: object, path: Path) -> Iterator[Problem]:
    if not isinstance(condition, Mapping):
        yield Problem(path=path, message="must be an object of attribute names and what they must be")
    elif len(path) > DEEPEST:
        yield Problem(path=path, message="is nested too deeply")
    else:
        for key, value in condition.items():
            yield from _entry(key, value, (*path, key))


def _entry(key: object, value: object, path: Path) -> Iterator[Problem]:
    if not isinstance(key, str):
        yield Problem(path=path, message="an attribute's name must be text")
    elif key in ("$and", "$or", "$nor"):
        yield from _list(value, path)
    elif key == "$not":
        yield from _condition(value, path)
    elif key == "$savedGroup":
        yield from _reference(value, path)
    elif key in OPERATORS:
        yield Problem(path=path, message=f"{key} needs an attribute: write attribute: {{{key}: …}}")
    elif key.startswith("$"):
        yield Problem(path=path, message=_unknown(key, _JOINED))
    else:
        yield from _value(value, path)


def _list(value: object, path: Path) -> Iterator[Problem]:
    if not isinstance(value, ARRAYS):
        yield Problem(path=path, message="must be a list of conditions")
    elif not value:
        yield Problem(path=path, message="is empty, so it says nothing")
    else:
        for index, part in enumerate(value):
            yield from _condition(part, (*path, index))


def _reference(value: object, path: Path) -> Iterator[Problem]:
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
        yield Problem(path=path, message="must name a saved group: {id: …}")


def _value(value: object, path: Path) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        return
    names = [key for key in value if isinstance(key, str) and key.startswith("$")]
    if not value:
        yield Problem(path=path, message="{} matches everything; name an operator such as $exists")
    elif names and len(names) < len(value):
        yield Problem(path=path, message="mixes operators ($…) with plain keys")
    elif len(path) > DEEPEST:
        yield Problem(path=path, message="is nested too deeply")
    else:
        for name in names:
            yield from _operator(name, value[name], (*path, name))


def _operator(name: str, operand: object, path: Path) -> Iterator[Problem]:
    if name in JOINERS:
        yield Problem(path=path, message=f"{name} joins whole conditions; put it outside the attribute")
    elif name not in OPERATORS:
        yield Problem(path=path, message=_unknown(name, OPERATORS))
    elif name in _NESTED:
        yield from _NESTED[name](operand, path)
    elif wrong := _operand(name, operand):
        yield Problem(path=path, message=wrong)


def _elem_match(operand: object, path: Path) -> Iterator[Problem]:
    on_value = isinstance(operand, Mapping) and operand and all(str(key) in OPERATORS for key in operand)
    yield from (_value if on_value else _condition)(operand, path)


def _size(operand: object, path: Path) -> Iterator[Problem]:
    if isinstance(operand, Mapping):
        yield from _value(operand, path)
    elif not is_number(operand):
        yield Problem(path=path, message="must be a number, or operators such as {$gte: 2}")


def _each(operand: object, path: Path) -> Iterator[Problem]:
    if not isinstance(operand, ARRAYS):
        yield Problem(path=path, message="must be a list")
    else:
        for index, part in enumerate(operand):
            yield from _value(part, (*path, index))


_NESTED: dict[str, Callable[[object, Path], Iterator[Problem]]] = {
    "$not": _value,
    "$elemMatch": _elem_match,
    "$size": _size,
    "$all": _each,
    "$alli": _each,
}


def _operand(name: str, operand: object) -> str | None:
    """What is wrong with the operand, None if nothing is."""
    wrong, message = _RULES[name]
    if wrong(operand):
        return message
    return refusal(operand) if "egex" in name and isinstance(operand, str) else None


def _not_orderable(operand: object) -> bool:
    return not isinstance(operand, str) and not is_number(operand)


def _not_text(operand: object) -> bool:
    return not isinstance(operand, str)


def _is_container(operand: object) -> bool:
    return isinstance(operand, (*ARRAYS, Mapping))


def _not_scalars(operand: object) -> bool:
    return not isinstance(operand, ARRAYS) or any(map(_is_container, operand))


_Rule = tuple[Callable[[object], bool], str]
_ORDER: _Rule = (_not_orderable, "must be a number or text")
_SAME: _Rule = (_is_container, "never equals a list or an object; write it without the operator")
_AMONG: _Rule = (_not_scalars, "must be a list of plain values")
_TEXT: _Rule = (_not_text, "must be text")

_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("$lt", "$lte", "$gt", "$gte", "$veq", "$vne", "$vlt", "$vlte", "$vgt", "$vgte"), _ORDER),
    **dict.fromkeys(("$eq", "$ne"), _SAME),
    **dict.fromkeys(("$in", "$nin", "$ini", "$nini"), _AMONG),
    **dict.fromkeys(("$inGroup", "$notInGroup", "$regex", "$regexi", "$notRegex", "$notRegexi"), _TEXT),
    "$exists": (lambda operand: not isinstance(operand, bool), "must be true or false"),
    "$type": (lambda operand: operand not in _TYPES, f"must be one of {', '.join(_TYPES)}"),
}


def _unknown(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"unknown operator {name}" + (f": did you mean {near[0]}?" if near else "")
