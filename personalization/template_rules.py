"""What a content template may say: an allow-list over Jinja2's syntax tree.

The sandbox alone does not stop denial of service, so a template is refused before it ever runs unless every
node is listed here. Whatever is new in Jinja2 is refused until someone adds it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator

from jinja2 import nodes

from core.errors import KizashiError

MAX_DEPTH = 40
MAX_LOOPS = 2
MAX_LITERAL = 10**12
MAX_LIST = 50

#: The names a template starts with: the visitor's attributes, and `visitor` (all of them), `locale`, `site`.
GROUPS = frozenset(
    {"visitor", "site", "traits", "topics", "events", "utm", "referrer", "page", "session", "account", "now"}
    | {"device"}
)
VALUES = frozenset(
    {"session_count", "page_count", "days_since_first", "days_since_last", "score", "intent", "audiences"}
    | {"country", "locale"}
)
_FIELDS: dict[str, frozenset[str]] = {
    "site": frozenset({"name"}),
    "utm": frozenset({"source", "medium", "campaign"}),
    "referrer": frozenset({"class", "host"}),
    "device": frozenset({"type"}),
    "page": frozenset({"url", "path", "title", "topic", "engaged_s"}),
    "session": frozenset({"page_count", "engaged_s", "landing_path"}),
    "account": frozenset({"domain"}),
    "now": frozenset({"hour", "weekday"}),
}

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.If,
    nodes.For,
    nodes.Assign,
    nodes.Name,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.Test,
    nodes.Keyword,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
    nodes.Add,
    nodes.Sub,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Mod,
    nodes.Neg,
    nodes.Pos,
)
_WORDS: dict[type[nodes.Node], str] = {
    nodes.Call: "calling a function",
    nodes.Mul: "the * operator",
    nodes.Pow: "the ** operator",
    nodes.Concat: "the ~ operator",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.FilterBlock: "a filter block",
    nodes.AssignBlock: "a set block",
    nodes.With: "with",
    nodes.Block: "block",
    nodes.Extends: "extends",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Scope: "autoescape",
    nodes.Slice: "a slice",
    nodes.Dict: "a { } literal",
}


class TemplateError(KizashiError):
    """The template says something that is not allowed. `line` counts from 1 inside the template."""

    def __init__(self, message: str | None = None, *, line: int | None = 1) -> None:
        super().__init__(message)
        self.line = line or 1


def check_tree(tree: nodes.Template, *, filters: frozenset[str], tests: frozenset[str]) -> None:
    """Raise TemplateError at the first node that is not allowed."""
    own = frozenset(name.name for name in tree.find_all(nodes.Name) if name.ctx == "store")
    checks = _checks(filters=filters, tests=tests, own=own)
    for node, depth, loops in _walk(tree, 0, 0):
        if depth > MAX_DEPTH:
            raise TemplateError(f"is nested more than {MAX_DEPTH} levels deep", line=node.lineno)
        if loops > MAX_LOOPS:
            raise TemplateError(f"has more than {MAX_LOOPS} loops inside each other", line=node.lineno)
        if not isinstance(node, _ALLOWED):
            words = _WORDS.get(type(node), type(node).__name__)
            raise TemplateError(f"{words} is not allowed in a template", line=node.lineno)
        check = checks.get(type(node))
        problem = check(node) if check else None
        if problem:
            raise TemplateError(problem, line=node.lineno)


def _walk(node: nodes.Node, depth: int, loops: int) -> Iterator[tuple[nodes.Node, int, int]]:
    loops += isinstance(node, nodes.For)
    yield node, depth, loops
    for child in node.iter_child_nodes():
        yield from _walk(child, depth + 1, loops)


_Check = Callable[..., str | None]


def _checks(
    *, filters: frozenset[str], tests: frozenset[str], own: frozenset[str]
) -> dict[type[nodes.Node], _Check]:
    """The finer rules, by kind of node; each gives what is wrong or None."""
    arithmetic: _Check = _numbers_only
    return {
        nodes.Name: lambda node: _name(node, own),
        nodes.Getattr: lambda node: _attribute(node, own),
        nodes.Getitem: _item,
        nodes.Const: _literal,
        nodes.List: _short,
        nodes.Tuple: _short,
        nodes.Filter: lambda node: _listed("filter", node, filters),
        nodes.Test: lambda node: _listed("test", node, tests),
        nodes.For: lambda node: "a recursive loop is not allowed in a template" if node.recursive else None,
        nodes.Assign: lambda node: None if _plain_target(node.target) else "set takes plain names only",
        nodes.Output: lambda node: _printed(node, own),
        **dict.fromkeys((nodes.Add, nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Mod), arithmetic),
    }


def _name(node: nodes.Name, own: frozenset[str]) -> str | None:
    known = GROUPS | VALUES | own | {"loop"}
    if node.name.startswith("_"):
        return f"`{node.name}` is not allowed: names may not start with an underscore"
    if node.name in known:
        return None
    return f"there is no `{node.name}`{nearest(node.name, known)}"


def _attribute(node: nodes.Getattr, own: frozenset[str]) -> str | None:
    if node.attr.startswith("_"):
        return f"`{node.attr}` is not allowed: names may not start with an underscore"
    root = node.node
    if not isinstance(root, nodes.Name) or root.name in own or root.name not in _FIELDS:
        return None
    if node.attr in _FIELDS[root.name]:
        return None
    return f"there is no `{root.name}.{node.attr}`{nearest(node.attr, _FIELDS[root.name])}"


def _item(node: nodes.Getitem) -> str | None:
    key = node.arg
    if isinstance(key, nodes.Const) and isinstance(key.value, str) and key.value.startswith("_"):
        return f"`{key.value}` is not allowed: names may not start with an underscore"
    return None


def _literal(node: nodes.Const) -> str | None:
    if isinstance(node.value, int | float) and not abs(node.value) <= MAX_LITERAL:
        return "a number this large is not allowed in a template"
    return None


def _short(node: nodes.List | nodes.Tuple) -> str | None:
    return f"a list may have at most {MAX_LIST} items" if len(node.items) > MAX_LIST else None


def _listed(kind: str, node: nodes.Filter | nodes.Test, names: frozenset[str]) -> str | None:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        return "* and ** arguments are not allowed in a template"
    if node.name in names:
        return None
    return f"the {kind} `{node.name}` is not allowed in a template{nearest(node.name, names)}"


def _plain_target(target: nodes.Node) -> bool:
    if isinstance(target, nodes.Tuple):
        return all(isinstance(item, nodes.Name) for item in target.items)
    return isinstance(target, nodes.Name)


def _numbers_only(node: nodes.BinExpr) -> str | None:
    for side in (node.left, node.right):
        text = isinstance(side, nodes.Const) and isinstance(side.value, str)
        if text or isinstance(side, nodes.List | nodes.Tuple):
            return f"the {node.operator} operator works on numbers only"
    return None


def _printed(node: nodes.Output, own: frozenset[str]) -> str | None:
    for child in node.nodes:
        if isinstance(child, nodes.Name) and child.name in GROUPS - own:
            return f"`{child.name}` is a group of values; name one of them, as in `{child.name}.…`"
    return None


def nearest(word: str, words: frozenset[str]) -> str:
    """`; did you mean `x`?` for the closest of `words`, "" when none is close."""
    found = difflib.get_close_matches(word, sorted(words), n=1)
    return f"; did you mean `{found[0]}`?" if found else ""
