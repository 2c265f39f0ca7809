"""Where in the HTML a template prints a value.

Escaping makes a value harmless in text and in quoted attributes only. In a script, a style, an event
handler, an unquoted attribute or at the start of a link it could still act, so a template that prints there
is refused. This looks at the text with every branch in order: it guards against slips, not against authors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from jinja2 import nodes

from personalization.template_rules import TemplateError

#: A printed value in a flattened template.
MARK = re.compile("\ue000(\\d+)\ue001")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_SAFE_START = re.compile(r"(https?:|mailto:|tel:|/|\?|#|\.|[^:\ue000]*[/?#])", re.IGNORECASE)
_LINKS = frozenset(
    {"href", "src", "action", "formaction", "poster", "data", "xlink:href", "srcset", "background", "ping"}
)
_CODE = frozenset({"style", "srcdoc"})


def check_places(tree: nodes.Template) -> None:
    """Raise TemplateError when a value is printed where escaping does not protect the page."""
    text, printed = flattened(tree)
    if len(re.findall("<[a-zA-Z/!]", text)) > text.count(">"):
        raise TemplateError("opens a tag that is never closed with >")
    reader = _Places(printed)
    loose = re.search("</?\ue000(\\d+)", text)
    if loose:
        reader.refuse(loose[1], "as the name of a tag")
    reader.feed(text)
    reader.close()


def flattened(tree: nodes.Template) -> tuple[str, list[nodes.Expr]]:
    """The text with every branch in order, each printed value a mark (`MARK`) with its number in the list. What
    stands in a line of the template stands in that line of the text.
    """
    printed: list[nodes.Expr] = []
    lines = _Lines()
    return "".join(lines.aligned(piece) for piece in _pieces(tree.body, printed)), printed


def _pieces(body: list[nodes.Node], printed: list[nodes.Expr]) -> Iterator[nodes.TemplateData | str]:
    for node in body:
        if isinstance(node, nodes.Output):
            for child in node.nodes:
                if isinstance(child, nodes.TemplateData):
                    yield child
                else:
                    printed.append(child)
                    yield f"\ue000{len(printed) - 1}\ue001"
        elif isinstance(node, nodes.If):
            yield from _pieces([*node.body, *node.elif_, *node.else_], printed)
        elif isinstance(node, nodes.For):
            yield from _pieces([*node.body, *node.else_], printed)


class _Lines:
    """Makes up for the lines inside `{{ }}` and `{% %}`. Mutable: it counts them."""

    def __init__(self) -> None:
        self._line = 1

    def aligned(self, piece: nodes.TemplateData | str) -> str:
        if isinstance(piece, str):
            return piece
        text = "\n" * (piece.lineno - self._line) + piece.data.replace("\ue000", " ")
        self._line += text.count("\n")
        return text


class _Places(HTMLParser):
    """Reads the flattened template and refuses the first misplaced value."""

    def __init__(self, printed: list[nodes.Expr]) -> None:
        super().__init__(convert_charrefs=True)
        self._printed = printed

    def refuse(self, number: str, place: str) -> None:
        raise TemplateError(f"prints a value {place}", line=self._printed[int(number)].lineno)

    def handle_data(self, data: str) -> None:
        found = MARK.search(data)
        if found and self.cdata_elem:
            self.refuse(found[1], f"inside <{self.cdata_elem}>")

    def handle_comment(self, data: str) -> None:
        found = MARK.search(data)
        if found:
            self.refuse(found[1], "inside a comment")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._whole(tag, "as the name of a tag")
        for name, value in attrs:
            self._whole(name, "as the name of an attribute")
            self._attribute(name, value or "")
        self._whole(_QUOTED.sub("", self.get_starttag_text() or ""), "outside the quotes of an attribute")

    def _whole(self, text: str, place: str) -> None:
        found = MARK.search(text)
        if found:
            self.refuse(found[1], place)

    def _attribute(self, name: str, value: str) -> None:
        if name.startswith("on") or name in _CODE:
            self._whole(value, f"inside the `{name}` attribute")
        found = MARK.search(value) if name in _LINKS else None
        if found and not _SAFE_START.match(value.strip()) and not self._is_url(found[1]):
            self.refuse(found[1], f"at the start of `{name}`; write it as `… | url`")

    def _is_url(self, number: str) -> bool:
        shown = self._printed[int(number)]
        return isinstance(shown, nodes.Filter) and shown.name == "url"
