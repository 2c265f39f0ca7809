"""Content templates: checked when published, rendered inside a sandbox with bounded work.

A template sees plain data only: it cannot call anything, reach a Python attribute, or run or print without
end. A visitor's values are always escaped. Whatever fails at render time raises RenderError, and the page
keeps its original content.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import ChainableUndefined, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context

from personalization.filters import FILTERS, MAX_TEXT, RenderError, items
from personalization.markup import check_places
from personalization.template_rules import TemplateError, check_tree

__all__ = ["Render", "RenderError", "TemplateError", "compile_template"]

Render = Callable[[Mapping[str, Any]], str]

MAX_SOURCE = 20 * 1024
#: How much one rendering may do: loop items times the size of the loop's body, and filter calls.
MAX_WORK = 50_000

_LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
_TESTS = frozenset(
    {"defined", "undefined", "none", "string", "number", "mapping", "even", "odd", "divisibleby"}
    | {"true", "false", "eq", "ne", "lt", "le", "gt", "ge", "in"}
)
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


def compile_template(source: str | Mapping[str, str], *, default_locale: str) -> Render:
    """Make `render(context) -> html` from one template, or from one per locale.

    The context's `locale` chooses the template: the locale itself, its language, `default_locale`, the first.
    Raises TemplateError naming the line and what is refused; `render` raises RenderError only.
    """
    if isinstance(source, str):
        return _compile(source)
    if not source:
        raise TemplateError("is empty: give a template for at least one locale")
    renders = {locale: _compile(one) for locale, one in source.items()}
    fallback = renders.get(default_locale) or next(iter(renders.values()))

    def render(context: Mapping[str, Any]) -> str:
        locale = str(context.get("locale", ""))
        chosen = renders.get(locale) or renders.get(locale.split("-")[0]) or fallback
        return chosen(context)

    return render


def _compile(source: str) -> Render:
    if len(source.encode(errors="replace")) > MAX_SOURCE:
        raise TemplateError(f"is larger than {MAX_SOURCE // 1024} KB")
    try:
        tree = _ENVIRONMENT.parse(source)
        check_tree(tree, filters=frozenset(FILTERS), tests=_TESTS)
        check_places(tree)
        _bound_loops(tree)
        code = _ENVIRONMENT.compile(tree)
        template = _ENVIRONMENT.template_class.from_code(_ENVIRONMENT, code, {})
    except TemplateSyntaxError as error:
        raise TemplateError(error.message or "cannot be read", line=error.lineno) from error
    except (RecursionError, MemoryError, SyntaxError, ValueError, AssertionError) as error:
        raise TemplateError("cannot be read: it is too deeply nested or broken") from error
    return lambda context: _render(template.root_render_func, template.new_context, context)


def _render(root: Callable[..., Any], new_context: Callable[..., Context], values: Mapping[str, Any]) -> str:
    pieces, size = [], 0
    try:
        for piece in root(new_context({**values, "_work": _Work()})):
            size += len(piece)
            if size > MAX_TEXT:
                raise RenderError("The content is too long.")
            pieces.append(piece)
    except RenderError:
        raise
    # Whatever a template does wrong must leave the original content in place, never fail a request.
    except Exception as error:
        raise RenderError(f"The template could not be rendered: {type(error).__name__}: {error}") from error
    return "".join(pieces)


def _bound_loops(tree: nodes.Template) -> None:
    """Send every loop's list through `_bounded`, which knows how large the loop's body is."""
    for loop in list(tree.find_all(nodes.For)):
        size = 1 + sum(1 for _ in loop.find_all(nodes.Node))
        loop.iter = nodes.Filter(loop.iter, "_bounded", [nodes.Const(size)], [], None, None)
        loop.iter.set_lineno(loop.lineno)


class _Work:
    """What one rendering has spent. Mutable: it counts while the template runs."""

    __slots__ = ("spent",)

    def __init__(self) -> None:
        self.spent = 0

    def spend(self, amount: int) -> None:
        self.spent += amount
        if self.spent > MAX_WORK:
            raise RenderError("The template does too much work.")


@pass_context
def _bounded(context: Context, value: Any, size: int) -> list[Any]:
    found = items(value)
    context["_work"].spend(len(found) * size)
    return found


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, with its calls and the length of its text counted as work."""

    @pass_context
    def filter_(context: Context, value: Any, *args: Any, **named: Any) -> Any:
        result = function(value, *args, **named)
        longest = max(len(side) if isinstance(side, str) else 0 for side in (value, result))
        context["_work"].spend(1 + longest // 64)
        return result

    return filter_


class _Missing(ChainableUndefined):
    """An attribute the visitor does not have: prints nothing, is smaller and larger than nothing."""

    __slots__ = ()

    def _never(self, _other: Any) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _never  # type: ignore[assignment]  # Undefined types them as raising


class _Environment(ImmutableSandboxedEnvironment):
    """A closed world: plain data in, text out."""

    intercepted_binops = frozenset(_ARITHMETIC)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(argument, str) and argument.startswith("_"):
            return self.undefined()
        if isinstance(obj, Mapping):
            found = obj.get(argument)
        elif isinstance(obj, list | tuple) and isinstance(argument, int):
            found = obj[argument] if -len(obj) <= argument < len(obj) else None
        else:
            found = None
        return self.undefined(name=str(argument)) if found is None else found

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002
        return _ARITHMETIC[operator](_operand(left), _operand(right))


def _operand(value: Any) -> float:
    if isinstance(value, Undefined):
        return 0
    if isinstance(value, int | float) and abs(value) <= 1e15:
        return value
    raise RenderError("Arithmetic works on numbers only.")


def _printable(value: Any) -> Any:
    """Missing values print nothing, whole numbers without their `.0`."""
    if value is None or isinstance(value, LoopContext):
        return ""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _environment() -> _Environment:
    made = _Environment(autoescape=True, undefined=_Missing, finalize=_printable, optimized=False)
    made.globals.clear()
    made.filters = {name: _counted(function) for name, function in FILTERS.items()}
    made.filters["_bounded"] = _bounded
    made.tests = {name: test for name, test in made.tests.items() if name in _TESTS}
    return made


#: Holds no state of a template or a visitor.
_ENVIRONMENT = _environment()
