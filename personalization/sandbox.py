"""The sandbox that templates run in: a closed world, plain data in, text out, work bounded.

A template sees plain data only: it cannot call anything, reach a Python attribute, or run or print without
end. It is checked before it ever runs; whatever fails when it does raises RenderError.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import ChainableUndefined, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context
from markupsafe import escape

from personalization.fill import fillable
from personalization.filters import FILTERS, MAX_TEXT, RenderError, items
from personalization.template_rules import TemplateError, check_tree

Source = str | Mapping[str, str]
Render = Callable[[Mapping[str, Any]], str]

MAX_SOURCE = 20 * 1024
#: How much one rendering may do: loop items times the size of the loop's body, and filter calls.
MAX_WORK = 50_000

#: What is written otherwise in HTML.
_SPECIAL = re.compile(r"[&<>'\"]")
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


def compile_each(source: Source, compile_one: Callable[[str], Render], *, default_locale: str) -> Render:
    """Make `render(context) -> text` from one template, or from one per locale.

    The context's `locale` chooses the template: the locale itself, its language, `default_locale`, the first.
    """
    if isinstance(source, str):
        return compile_one(source)
    if not source:
        raise TemplateError("is empty: give a text for at least one locale")
    renders = {locale: compile_one(one) for locale, one in source.items()}
    fallback = renders.get(default_locale) or next(iter(renders.values()))

    def render(context: Mapping[str, Any]) -> str:
        locale = str(context.get("locale", ""))
        chosen = renders.get(locale) or renders.get(locale.split("-")[0]) or fallback
        return chosen(context)

    return render


def compile_source(
    source: str,
    *,
    escape: bool,
    check: Callable[[nodes.Template], None] | None = None,
    finish: Callable[[str], str] | None = None,
) -> Render:
    """Make `render(context) -> text` of one template. `escape` makes values harmless in HTML; `check` may refuse
    the tree; `finish` is applied to what is printed, once only where that is the same for everybody.

    Raises TemplateError naming the line and what is refused; `render` raises RenderError only.
    """
    environment = _ESCAPING if escape else _PLAIN
    tree = parse(source)
    tree.set_environment(environment)
    try:
        if check:
            check(tree)
        fixed = is_fixed(tree)
        render = _finished(_renderer(tree, environment), finish)
        return _once(render) if fixed else render
    except _UNREADABLE as error:
        raise TemplateError(_BROKEN) from error


def parse(source: str) -> nodes.Template:
    """The template's syntax tree, every node of it allowed. Raises TemplateError."""
    if len(source.encode(errors="replace")) > MAX_SOURCE:
        raise TemplateError(f"is larger than {MAX_SOURCE // 1024} KB")
    try:
        tree = _PLAIN.parse(source)
        check_tree(tree, filters=frozenset(FILTERS), tests=_TESTS)
    except TemplateSyntaxError as error:
        raise TemplateError(error.message or "cannot be read", line=error.lineno) from error
    except _UNREADABLE as error:
        raise TemplateError(_BROKEN) from error
    return tree


def names(source: str) -> frozenset[str]:
    """The first names that a template reads: of `{{ traits.name }}` it is `traits`. Raises TemplateError."""
    try:
        return frozenset(find_undeclared_variables(parse(source)))
    except _UNREADABLE as error:
        raise TemplateError(_BROKEN) from error


_UNREADABLE = (RecursionError, MemoryError, SyntaxError, ValueError, AssertionError)
_BROKEN = "cannot be read: it is too deeply nested or broken"


def is_fixed(tree: nodes.Template) -> bool:
    """Whether the template is text alone: it prints the same for everybody."""
    fixed = (nodes.Template, nodes.Output, nodes.TemplateData)
    return all(isinstance(node, fixed) for node in tree.find_all(nodes.Node))


def _once(render: Render) -> Render:
    try:
        text = render({})
    except RenderError as error:
        raise TemplateError(str(error)) from error
    return lambda _: text


def _finished(render: Render, finish: Callable[[str], str] | None) -> Render:
    return render if finish is None else lambda context: finish(render(context))


def _renderer(tree: nodes.Template, environment: _Environment) -> Render:
    make = fillable(tree, _harmless if environment.autoescape else _text) or by_jinja(tree, environment)

    def render(values: Mapping[str, Any]) -> str:
        try:
            return make(values)
        except RenderError:
            raise
        # Whatever a template does wrong must leave the original content in place, never fail a request.
        except Exception as error:
            message = f"The template could not be rendered: {type(error).__name__}: {error}"
            raise RenderError(message) from error

    return render


def by_jinja(tree: nodes.Template, environment: _Environment) -> Render:
    """`render(context) -> text` of any checked template. It raises whatever the template does."""
    _bound_loops(tree)
    template = environment.template_class.from_code(environment, environment.compile(tree), {})

    def render(values: Mapping[str, Any]) -> str:
        pieces, size = [], 0
        for piece in template.root_render_func(Context(environment, {**values, "_work": _Work()}, None, {})):
            size += len(piece)
            if size > MAX_TEXT:
                raise RenderError("The content is too long.")
            pieces.append(piece)
        return "".join(pieces)

    return render


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
        longest = len(value) if isinstance(value, str) else 0
        if isinstance(result, str) and len(result) > longest:
            longest = len(result)
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


def _text(value: Any) -> str:
    return value if type(value) is str else str(_printable(value))


def _harmless(value: Any) -> str:
    """As `_text`, for HTML."""
    text = _text(value)
    return str(escape(text)) if _SPECIAL.search(text) else text


def _environment(*, escape: bool) -> _Environment:
    made = _Environment(autoescape=escape, undefined=_Missing, finalize=_printable, optimized=False)
    made.globals.clear()
    made.filters = {name: _counted(function) for name, function in FILTERS.items()}
    made.filters["_bounded"] = _bounded
    made.tests = {name: test for name, test in made.tests.items() if name in _TESTS}
    return made


# They hold no state of a template or a visitor.
_ESCAPING = _environment(escape=True)
_PLAIN = _environment(escape=False)
