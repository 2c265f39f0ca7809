"""Templates that are text with values in it, as nearly all are: filled in without Jinja's machinery.

`<h1>Hello {{ traits.name | default('friend') }}</h1>` says what to print and where; a context, an undefined object
and a generator for it cost several times what the text does. What a template prints here is what Jinja prints: see
docs/adr/0015-filled-templates.md. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import nodes

from personalization.filters import MAX_TEXT, RenderError

#: More values than these are left to Jinja, which counts a template's work.
MAX_VALUES = 32

#: Where a value is found, and what stands in for it: (path, fallback, whether for what is false as well).
Value = tuple[tuple[str, ...], str, bool]


def fillable(
    tree: nodes.Template, printed: Callable[[Any], str]
) -> Callable[[Mapping[str, Any]], str] | None:
    """`render(context) -> text` of a checked template, None where it does more than print values. `printed` is how
    a value is written. `render` raises RenderError where the text is too long, and whatever `printed` raises.
    """
    parts = []
    for node in _parts(tree):
        part = node.data if isinstance(node, nodes.TemplateData) else _value(node, printed)
        if part is None:
            return None
        parts.append(part)
    if sum(not isinstance(part, str) for part in parts) > MAX_VALUES:
        return None

    def render(context: Mapping[str, Any]) -> str:
        text = "".join([part if isinstance(part, str) else _filled(context, part, printed) for part in parts])
        if len(text) > MAX_TEXT:
            raise RenderError("The content is too long.")
        return text

    return render


def _parts(tree: nodes.Template) -> Iterator[nodes.Node]:
    """What is printed, in order, or a node that is more than that."""
    for node in tree.body:
        yield from node.nodes if isinstance(node, nodes.Output) else (node,)


def _value(node: nodes.Node, printed: Callable[[Any], str]) -> Value | None:
    """The value that is printed, None for what is more than that."""
    said: list[Any] = ["", False]
    if isinstance(node, nodes.Filter) and node.name in ("default", "d") and node.args and not node.kwargs:
        if not all(isinstance(one, nodes.Const) for one in node.args):
            return None
        said[: len(node.args)] = [one.as_const() for one in node.args]
        path = _path(node.node)
    else:
        path = _path(node)
    return None if path is None or len(said) > 2 else (path, printed(said[0]), bool(said[1]))


def _path(node: nodes.Node | None) -> tuple[str, ...] | None:
    """The names that lead to a value, None for what is more than names."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        key: object = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        key = node.arg.value
    else:
        return None
    path = _path(node.node) if isinstance(key, str) else None
    return None if path is None else (*path, str(key))


def _filled(context: Mapping[str, Any], value: Value, printed: Callable[[Any], str]) -> str:
    path, fallback, or_false = value
    found: Any = context
    for name in path:
        found = found.get(name) if type(found) is dict or isinstance(found, Mapping) else None
    return fallback if found is None or (or_false and not found) else printed(found)
