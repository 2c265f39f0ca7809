"""The filters a content template may use, each with bounded work and bounded results."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote

from jinja2.runtime import Undefined
from markupsafe import Markup, escape

from core.errors import KizashiError

MAX_TEXT = 64 * 1024
MAX_ITEMS = 100

_SCHEME = re.compile(r"(https?://|mailto:|tel:|[^:]*(?:$|[/?#]))", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x20\x7f]+")


class RenderError(KizashiError):
    """The template could not be rendered."""


def text(value: Any) -> str:
    """A value as plain text (never as markup), "" when it is missing."""
    return "" if value is None or isinstance(value, Undefined) else str.__str__(str(value))


def items(value: Any) -> list[Any]:
    """At most 100 items of a list, the names in a mapping; nothing for anything else."""
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return list(islice(value, MAX_ITEMS))
    return []


def _fits(length: int) -> None:
    if length > MAX_TEXT:
        raise RenderError("A filter's result is too long.")


def _default(value: Any, fallback: Any = "", boolean: bool = False) -> Any:
    missing = value is None or isinstance(value, Undefined)
    return fallback if missing or (boolean and not value) else value


def _replace(value: Any, old: Any, new: Any) -> str:
    whole, old, new = text(value), text(old), text(new)
    _fits(len(whole) + whole.count(old) * len(new))
    return whole.replace(old, new)


def _join(value: Any, separator: Any = "") -> str:
    parts, between = [text(item) for item in items(value)], text(separator)
    _fits(sum(map(len, parts)) + len(between) * len(parts))
    return between.join(parts)


def _truncate(value: Any, length: int = 80, killwords: bool = False, end: str = "…") -> str:
    whole, end = text(value), text(end)
    if len(whole) <= length:
        return whole
    cut = whole[: max(0, length - len(end))]
    return (cut if killwords or " " not in cut else cut.rsplit(" ", 1)[0]) + end


def _number(value: Any) -> float:
    try:
        found = float(text(value) or 0)
    except ValueError:
        return 0.0
    return found if abs(found) <= 1e15 else 0.0


def _places(digits: Any) -> int:
    return min(max(int(_number(digits)), 0), 6)


def _round(value: Any, digits: int = 0) -> float | int:
    rounded = round(_number(value), _places(digits))
    return rounded if _places(digits) else int(rounded)


def _first(value: Any) -> Any:
    found = list(value[:1]) if isinstance(value, str) else items(value)
    return found[0] if found else ""


def _last(value: Any) -> Any:
    if isinstance(value, Sequence):
        return value[-1] if value else ""
    return ""


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | Mapping | Sequence | set | frozenset) else 0


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    return list(islice(value.items(), MAX_ITEMS)) if isinstance(value, Mapping) else []


def _url(value: Any) -> str:
    """An address a link may lead to, "" for `javascript:` and other schemes."""
    address = _CONTROLS.sub("", text(value))
    return address if _SCHEME.match(address) else ""


def _escape(value: Any) -> Markup:
    return value if isinstance(value, Markup) else escape(text(value))


FILTERS: dict[str, Callable[..., Any]] = {
    "capitalize": lambda value: text(value).capitalize(),
    "count": _length,
    "d": _default,
    "default": _default,
    "e": _escape,
    "escape": _escape,
    "first": _first,
    "float": _number,
    "int": lambda value: int(_number(value)),
    "items": _pairs,
    "join": _join,
    "last": _last,
    "length": _length,
    "lower": lambda value: text(value).lower(),
    "number": lambda value, digits=0: f"{_number(value):,.{_places(digits)}f}",
    "replace": _replace,
    "round": _round,
    "title": lambda value: text(value).title(),
    "trim": lambda value: text(value).strip(),
    "truncate": _truncate,
    "upper": lambda value: text(value).upper(),
    "url": _url,
    "urlencode": lambda value: quote(text(value), safe=""),
}
