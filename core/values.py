"""How GrowthBook conditions see plain JSON values: their types, their equality, their order, their paths."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

#: What counts as an array. Profiles hold tuples, JSON holds lists.
ARRAYS = (list, tuple)

T = TypeVar("T")

_SEPARATORS = re.compile("[-.]")


def kind(value: object) -> str:
    """The type's name as `$type` knows it; a missing value is null."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, ARRAYS):
        return "array"
    return "object" if isinstance(value, Mapping) else "unknown"


def is_number(value: object) -> bool:
    """A number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(left: object, right: object) -> bool:
    """JavaScript's ===, between values that never are the same array or object."""
    name = kind(left)
    return name == kind(right) and name not in ("array", "object") and left == right


def same_as(expected: object) -> Callable[[Any], bool]:
    """`same` with one side known beforehand."""
    if isinstance(expected, str):
        return lambda value: value == expected if isinstance(value, str) else False
    if is_number(expected):
        return lambda value: value == expected if is_number(value) else False
    if expected is None or isinstance(expected, bool):
        return lambda value: value is expected
    return lambda value: same(value, expected)


def canonical(value: object) -> object:
    """A form equal for two values exactly where their JSON texts are equal (keys in JavaScript's order)."""
    if isinstance(value, ARRAYS):
        return ("array", *map(canonical, value))
    if isinstance(value, Mapping):
        return ("object", *((key, canonical(value[key])) for key in _key_order(value)))
    if isinstance(value, float) and not math.isfinite(value):
        return ("null", None)
    return (kind(value), value)


def _key_order(value: Mapping[Any, Any]) -> list[Any]:
    indices = [key for key in value if isinstance(key, str) and _is_index(key, 2**32 - 1)]
    chosen = set(indices)
    return sorted(indices, key=int) + [key for key in value if key not in chosen]


def _is_index(segment: str, length: int) -> bool:
    digits = segment.isascii() and segment.isdigit() and len(segment) <= 10
    return digits and (segment == "0" or segment[0] != "0") and int(segment) < length


def utf16(text: str) -> bytes:
    """Strings sort by UTF-16 code unit, as in JavaScript."""
    return text.encode("utf-16-be", "surrogatepass")


def version_key(value: str | float) -> str:
    """A text that sorts as the version does: v1.9.0 < 1.10.0-rc.1 < 1.10.0; the build (+...) is ignored."""
    text = value if isinstance(value, str) else number_text(value)
    parts = _SEPARATORS.split((text or "0").split("+", 1)[0].removeprefix("v"))
    if len(parts) == 3:
        parts.append("~")  # the last ASCII character that prints: a release sorts after its pre-releases
    return "-".join(part.rjust(5) if part.isascii() and part.isdigit() else part for part in parts)


def number_text(value: float) -> str:
    """The number as JavaScript writes it: 1.0 is "1", 1e-7 is "1e-7"."""
    try:
        value = float(value)
    except OverflowError:
        value = math.inf if value > 0 else -math.inf
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    mantissa, exponent = repr(value).split("e")
    return f"{mantissa}e{int(exponent):+d}"


def getter(path: str) -> Callable[[Any], Any]:
    """A function that reads the dotted `path`; None where something on the way is missing.

    Of an array it reads indices and `length`.
    """
    return reading(path, lambda value: value)


def reading(path: str, use: Callable[[Any], T]) -> Callable[[Any], T]:
    """`use` of what `getter` reads: the inner loop of everything that is decided, so with few calls."""
    segments = path.split(".")
    first, second = segments[0], segments[-1]

    def read(value: Any) -> T:
        for segment in segments:
            value = value.get(segment) if isinstance(value, dict) else child(value, segment)
            if value is None:
                break
        return use(value)

    def read_one(value: Any) -> T:
        return use(value.get(first) if isinstance(value, dict) else child(value, first))

    def read_two(value: Any) -> T:
        inner = value.get(first) if isinstance(value, dict) else child(value, first)
        return use(inner.get(second) if isinstance(inner, dict) else child(inner, second))

    # Nearly every path is that short, and a loop costs as much as the look-ups.
    return {1: read_one, 2: read_two}.get(len(segments), read)


def child(value: Any, segment: str) -> Any:
    """What `segment` of a path finds in a value that is no dict."""
    if value is None:
        return None
    if isinstance(value, ARRAYS):
        if segment == "length":
            return len(value)
        return value[int(segment)] if _is_index(segment, len(value)) else None
    return value.get(segment) if isinstance(value, Mapping) else None
