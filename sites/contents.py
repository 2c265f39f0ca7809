"""What is wrong with the contents of variants: templates, texts, addresses, and what sanitising takes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from personalization.plain import compile_redirect, compile_text
from personalization.sanitizer_check import taken_out
from personalization.template_rules import TemplateError
from personalization.templates import compile_template
from sites.mistakes import Mistake, Path, field_path
from sites.walk import maps, variants
from sites.yaml_lines import Document

#: What is wrong with one source; each error names its line in it.
_Check = Callable[[str], Iterator[TemplateError]]


def check_contents(document: Document) -> Iterator[Mistake]:
    """Every mistake, each in the file's line."""
    redirect = partial(compile_redirect, origins=_origins(document.data))
    experiences = dict(maps(document.data, "experiences"))
    for path, variant in variants(document.data):
        html = _sanitized if _sanitizes(document.data, experiences[path[:2]], variant) else _compiled
        yield from _check(document, (*path, "template"), variant.get("template"), html)
        yield from _check(document, (*path, "text"), variant.get("text"), _with(compile_text))
        yield from _check(document, (*path, "redirect"), variant.get("redirect"), _with(redirect))
        attributes = variant.get("attr")
        for name, source in attributes.items() if isinstance(attributes, dict) else ():
            yield from _check(document, (*path, "attr", name), source, _with(compile_text))


def _sanitizes(*owners: dict[str, Any]) -> bool:
    """Of site, experience and variant the last that says so decides."""
    said = [owner.get("sanitize") for owner in owners]
    return next((word for word in reversed(said) if isinstance(word, bool)), False)


def _with(compile_source: Callable[..., object]) -> _Check:
    def check(source: str) -> Iterator[TemplateError]:
        try:
            compile_source(source, default_locale="en")
        except TemplateError as error:
            yield error

    return check


_compiled = _with(compile_template)


def _sanitized(source: str) -> Iterator[TemplateError]:
    errors = list(_with(partial(compile_template, sanitize=True))(source))
    yield from errors or taken_out(source)


def _origins(data: Any) -> frozenset[str]:
    """Where redirects may lead."""
    lists = [data.get(key) for key in ("origins", "redirects")]
    listed = [one for origins in lists if isinstance(origins, list) for one in origins]
    return frozenset(one.lower() for one in listed if isinstance(one, str))


def _check(document: Document, path: Path, source: Any, check: _Check) -> Iterator[Mistake]:
    if isinstance(source, dict):
        for locale, text in source.items():
            yield from _check(document, (*path, locale), text, check)
    elif isinstance(source, str):
        for error in check(source):
            line = document.text_line(path, error.line)
            yield Mistake(line=line, field=field_path(path), message=str(error))
