"""Contents that are no HTML: texts, attributes of the slot's element, redirects.

Written as templates like HTML blocks are, under the same limits, but values are not escaped: a browser sets
them as text, never parses them as markup. What could act (an address, an event handler) is checked instead,
when published and again when rendered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from personalization.filters import RenderError
from personalization.sandbox import Render, Source, compile_each, compile_source
from personalization.template_rules import TemplateError

MAX_ATTRIBUTES = 20
MAX_URL = 2_048

#: Attributes a variant may set, `data-…` and `aria-…` besides: those that the snippet sets. None runs anything.
ATTRIBUTES = frozenset({"alt", "class", "hidden", "href", "placeholder", "src", "srcset", "title", "value"})
_OPEN = re.compile(r"(data|aria)-[a-z0-9]+(-[a-z0-9]+)*")
_ADDRESSES = frozenset({"href", "src"})
_SAFE = re.compile(r"(https?://|mailto:|tel:|[^:]*(?:$|[/?#]))", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x20\x7f\\]")


def compile_text(source: Source, *, default_locale: str) -> Render:
    """Make `render(context) -> text`. Locales and errors are as `compile_template`'s."""
    return compile_each(source, _compile, default_locale=default_locale)


def compile_attributes(
    sources: Mapping[str, Source], *, default_locale: str
) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    """Make `render(context) -> {attribute: value}`. Raises TemplateError for an attribute that may not be set."""
    for name in sources:
        if problem := attribute_problem(name):
            raise TemplateError(problem)
    renders = {name: compile_text(source, default_locale=default_locale) for name, source in sources.items()}

    def render(context: Mapping[str, Any]) -> dict[str, str]:
        values = {name: one(context) for name, one in renders.items()}
        for name in _ADDRESSES & values.keys():
            if not _SAFE.match(_CONTROLS.sub("", values[name])):
                raise RenderError(f"The attribute {name} does not hold a web address.")
        return values

    return render


def attribute_problem(name: str) -> str:
    """Why a variant may not set the attribute, "" where it may."""
    if name in ATTRIBUTES or (_OPEN.fullmatch(name) and not name.startswith("data-kz-")):
        return ""
    return f"`{name}` is not an attribute that a variant may set"


def compile_redirect(source: Source, *, default_locale: str, origins: Collection[str]) -> Render:
    """Make `render(context) -> address`, of a page on one of `origins`, or a path of the page's own site.

    Raises TemplateError for an address that is fixed and leads elsewhere; `render` raises RenderError for one
    that a visitor's values make lead elsewhere.
    """
    texts = [source] if isinstance(source, str) else list(source.values())
    for one in texts:
        if "{" not in one and (problem := redirect_problem(one, origins)):
            raise TemplateError(problem)
    address = compile_text(source, default_locale=default_locale)

    def render(context: Mapping[str, Any]) -> str:
        found = address(context).strip()
        if problem := redirect_problem(found, origins):
            raise RenderError(f"The redirect {problem}.")
        return found

    return render


def redirect_problem(address: str, origins: Collection[str]) -> str:
    """Why nobody is sent to this address, "" where it is fine."""
    address = address.strip()
    if len(address) > MAX_URL or _CONTROLS.search(address):
        return "is not an address"
    try:
        parts = urlsplit(address)
        # Reading them is what checks them.
        _ = parts.port, parts.hostname
    except ValueError:
        return "is not an address"
    if not parts.scheme and not parts.netloc and address.startswith("/"):
        return ""
    if f"{parts.scheme}://{parts.netloc}".lower() in origins:
        return ""
    return "leads to another site: list its origin in `redirects`, or give a path that starts with /"


def _compile(source: str) -> Render:
    return compile_source(source, escape=False)
