"""Texts in English and Japanese, and the small parts that the API description is made of. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

LANGS = ("en", "ja")


class Text(NamedTuple):
    """One text in both languages."""

    en: str
    ja: str


NOTHING = Text("", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One route. `path` is as the router has it; `body` and `answer` name shapes; `kind` is the answer's type.

    `errors` are the statuses besides `status`; `access` is `admin`, `key` (write key) or nothing.
    """

    method: str
    path: str
    tag: str
    summary: Text
    about: Text = NOTHING
    parameters: tuple[dict[str, Any], ...] = ()
    body: str = ""
    answer: str = ""
    kind: str = "application/json"
    errors: tuple[int, ...] = ()
    access: str = ""
    example: Any = None
    gives: Any = None
    status: int = 200
    #: Other paths of the same route.
    also: tuple[str, ...] = ()


def localised(value: Any, lang: str) -> Any:
    """The same data with every Text in one language; texts that say nothing are left out."""
    if isinstance(value, Text):
        return getattr(value, lang)
    if isinstance(value, dict):
        found = {key: localised(item, lang) for key, item in value.items()}
        return {key: item for key, item in found.items() if not (item == "" and key == "description")}
    if isinstance(value, list | tuple):
        return [localised(item, lang) for item in value]
    return value


def shape(kind: str | list[str], en: str = "", ja: str = "", **more: Any) -> dict[str, Any]:
    """A JSON Schema of one type with its meaning."""
    return {"type": kind, "description": Text(en, ja), **more}


def text(en: str = "", ja: str = "", **more: Any) -> dict[str, Any]:
    """A string."""
    return shape("string", en, ja, **more)


def whole(en: str = "", ja: str = "", **more: Any) -> dict[str, Any]:
    """A whole number."""
    return shape("integer", en, ja, **more)


def listed(items: dict[str, Any], en: str = "", ja: str = "", **more: Any) -> dict[str, Any]:
    """A list of one shape."""
    return shape("array", en, ja, items=items, **more)


def data(
    properties: dict[str, Any], en: str = "", ja: str = "", *, needs: tuple[str, ...] = ()
) -> dict[str, Any]:
    """An object with these fields."""
    required = {"required": list(needs)} if needs else {}
    return shape("object", en, ja, properties=properties, **required)


def ref(name: str) -> dict[str, Any]:
    """The shape of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def query(name: str, schema: dict[str, Any], *, needed: bool = False) -> dict[str, Any]:
    """A parameter after the `?`."""
    return _parameter("query", name, schema, needed)


def path(name: str, en: str, ja: str, example: str, **more: Any) -> dict[str, Any]:
    """A part of the path."""
    return _parameter("path", name, text(en, ja, **more), True) | {"example": example}


def _parameter(where: str, name: str, schema: dict[str, Any], needed: bool) -> dict[str, Any]:
    schema = dict(schema)
    meaning = schema.pop("description")
    return {"name": name, "in": where, "required": needed, "description": meaning, "schema": schema}
