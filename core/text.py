"""Text from outside, made safe to store and show: what is refused and what is quietly removed."""

from __future__ import annotations

import re
from typing import Any

#: Bidirectional overrides and isolates: they reorder what a reader sees (Unicode UAX #9; CVE-2021-42574).
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
#: C0 controls but tab, newline and carriage return, and DEL.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")

MAX_KEYS = 200
MAX_DEPTH = 6
MAX_TEXT = 8_192
_FORBIDDEN_KEYS = frozenset({"__proto__", "constructor", "prototype"})


class BadText(ValueError):
    """Text or data that cannot be accepted. `field` is a dotted path below the value checked."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def clean(text: str, *, limit: int, field: str = "") -> str:
    """`text` without bidi and control characters. Raises BadText on NUL, lone surrogates and length."""
    if len(text) > limit:
        raise BadText(field, f"is {len(text)} characters long; at most {limit} are allowed")
    if text.isascii() and text.isprintable():
        return text
    if "\x00" in text or _SURROGATE.search(text):
        raise BadText(field, "holds a NUL or a lone surrogate")
    return _CONTROLS.sub("", _BIDI.sub("", text))


def clean_data(value: Any, *, field: str = "", depth: int = 0) -> Any:
    """JSON data with every string cleaned. Raises BadText on depth, number of keys, key names, odd numbers."""
    if isinstance(value, str):
        return clean(value, limit=MAX_TEXT, field=field)
    if isinstance(value, dict):
        return _clean_object(value, field, depth)
    if isinstance(value, list):
        if depth >= MAX_DEPTH or len(value) > MAX_KEYS:
            raise BadText(field, f"is nested deeper than {MAX_DEPTH} levels or longer than {MAX_KEYS} items")
        return [clean_data(item, field=f"{field}[{i}]", depth=depth + 1) for i, item in enumerate(value)]
    if isinstance(value, float) and not -1e300 < value < 1e300:
        raise BadText(field, "is not a finite number")
    return value


def _clean_object(value: dict[str, Any], field: str, depth: int) -> dict[str, Any]:
    if depth >= MAX_DEPTH or len(value) > MAX_KEYS:
        raise BadText(field, f"is nested deeper than {MAX_DEPTH} levels or has more than {MAX_KEYS} keys")
    cleaned = {}
    for key, item in value.items():
        path = f"{field}.{key[:60]}" if field else key[:60]
        if key in _FORBIDDEN_KEYS:
            raise BadText(path, "is a key that is not allowed")
        cleaned[clean(key, limit=200, field=path)] = clean_data(item, field=path, depth=depth + 1)
    return cleaned
