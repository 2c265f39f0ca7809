"""Content blocks in HTML: checked when published, rendered in the sandbox, sanitised where the site asks for it.

A visitor's values are always escaped, and refused where escaping does not protect the page. Whatever fails at
render time raises RenderError, and the page keeps its original content.
"""

from __future__ import annotations

from functools import partial

from personalization.filters import RenderError
from personalization.markup import check_places
from personalization.sandbox import Render, Source, compile_each, compile_source
from personalization.sanitizer import sanitized
from personalization.template_rules import TemplateError

__all__ = ["Render", "RenderError", "TemplateError", "compile_template"]


def compile_template(source: Source, *, default_locale: str, sanitize: bool = False) -> Render:
    """Make `render(context) -> html` from one template, or from one per locale (see `sandbox.compile_each`).

    `sanitize` cleans what is printed: once where that is the same for everybody, else with each rendering.
    Raises TemplateError naming the line and what is refused; `render` raises RenderError only.
    """
    finish = sanitized if sanitize else None
    compile_one = partial(compile_source, escape=True, check=check_places, finish=finish)
    return compile_each(source, compile_one, default_locale=default_locale)
