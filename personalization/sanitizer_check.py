"""What sanitising takes out of a template's own text: its author hears of it before a visitor misses it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser

from personalization.filters import RenderError
from personalization.markup import MARK, flattened
from personalization.sandbox import parse
from personalization.sanitizer import ATTRIBUTES, FORCED, GONE, PREFIXES, TAGS, VALUES, sanitized
from personalization.template_rules import TemplateError

_ADDRESSES = frozenset({"cite", "href", "poster", "src"})
#: What a value may be, for an address to be one with it: a host, a port, a part of a name.
_STAND_INS = ("1", "a")
_LONGEST = 60


def taken_out(source: str) -> Iterator[TemplateError]:
    """Everything of the template's text that sanitising takes out, each thing once, with its line.

    `source` is a template that compiles. All branches are looked at in order.
    """
    text, _ = flattened(parse(source))
    found = _tags(text)
    yield from found.problems
    try:
        kept = _tags(sanitized(MARK.sub("a", text)))
    except RenderError as error:
        yield TemplateError(f"cannot be sanitised: {error}")
        return
    for tag in found.allowed - kept.allowed:
        line = found.lines[tag]
        yield TemplateError(f"`sanitize` would lose a <{tag}>: HTML does not allow it there", line=line)


def _tags(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader


class _Reader(HTMLParser):
    """Gathers the tags, and what is wrong with them. Mutable: it reads on."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[TemplateError] = []
        self.allowed: Counter[str] = Counter()
        self.lines: dict[str, int] = {}
        self._told: set[str] = set()
        self._gone: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._gone:
            self._gone += [tag] if tag == self._gone[0] else []
        elif tag not in TAGS:
            self._tell(f"<{tag}>", f"`sanitize` would take out <{tag}>")
            self._gone += [tag] if tag in GONE else []
        else:
            self.allowed[tag] += 1
            self.lines.setdefault(tag, self.getpos()[0])
            for name, value in attrs:
                self._attribute(tag, name, value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # `<svg/>` has nothing in it; of HTML's own elements `/` closes none.
        self.handle_starttag(tag, attrs)
        if self._gone and self._gone[-1] == tag:
            self._gone.pop()

    def handle_endtag(self, tag: str) -> None:
        if self._gone and self._gone[-1] == tag:
            self._gone.pop()

    def _attribute(self, tag: str, name: str, value: str) -> None:
        if not _stays(tag, name, value):
            self._tell(f"{tag} {name}", f"`sanitize` would take out `{name}` of <{tag}>")
        elif name in _ADDRESSES and not _leads_somewhere(value):
            shown = MARK.sub("…", value)[:_LONGEST]
            words = (
                f"`sanitize` would take out the address `{shown}`: give a path, or https:, mailto: or tel:"
            )
            self._tell(f"{name}={value}", words)

    def _tell(self, what: str, words: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self.problems.append(TemplateError(words, line=self.getpos()[0]))


def _stays(tag: str, name: str, value: str) -> bool:
    if name in ATTRIBUTES["*"] or name in ATTRIBUTES.get(tag, ()) or name.startswith(tuple(PREFIXES)):
        return True
    return value in VALUES.get(tag, {}).get(name, ()) or FORCED.get(tag, {}).get(name) == value


def _leads_somewhere(address: str) -> bool:
    """Whether the sanitiser keeps the address, for some value where it holds one."""
    tries = (MARK.sub(one, address) for one in _STAND_INS)
    return any("href=" in sanitized(f'<a href="{escape(one)}"></a>') for one in tries)
