"""YAML text -> plain data, with the line of every node.

Stricter than YAML 1.1 in what surprises people: `on`, `yes` and `no` are words, `22:00` is text, a key may
not appear twice, tags are refused, and aliases cannot blow the file up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from sites.mistakes import BadSiteFile, Mistake, Path, field_path

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 100_000
MAX_ALIASES = 100

# The C parser reads the largest file in a fraction of a second; the other one gives the same answer.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq")
)
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """The data and where it stands: `lines` of every path, `blocks` the texts written as `|` or `>`."""

    data: Any
    lines: Mapping[Path, int] = field(default_factory=dict)
    blocks: frozenset[Path] = frozenset()

    def line(self, path: Path) -> int:
        """The line of `path`, or of what should have held it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def text_line(self, path: Path, line: int) -> int:
        """The file's line for the `line`-th line of the text at `path`."""
        return self.line(path) + line - (0 if path in self.blocks else 1)


def read_yaml(text: str) -> Document:
    """Read one YAML document. Raises BadSiteFile with every mistake of form."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise _refused(1, "the file is larger than 1 MB")
    try:
        _measure(text)
        node = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        # A parser that misses the end of something complains after the last line.
        line = min(_error_line(error), 1 + text.rstrip().count("\n"))
        raise _refused(line, _error_words(error)) from error
    if node is None:
        raise _refused(1, "the file is empty")
    reader = _Reader()
    data = reader.read(node, (), 0)
    if reader.mistakes:
        raise BadSiteFile(reader.mistakes)
    return Document(data=data, lines=reader.lines, blocks=frozenset(reader.blocks))


def _refused(line: int, message: str) -> BadSiteFile:
    return BadSiteFile([Mistake(line=line, field="", message=message)])


def _measure(text: str) -> None:
    """Refuse depth and aliases before anything recursive sees the text."""
    depth = aliases = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > MAX_DEPTH:
            raise _refused(line, f"is nested more than {MAX_DEPTH} levels deep")
        if aliases > MAX_ALIASES:
            raise _refused(line, f"uses more than {MAX_ALIASES} aliases (*name)")


def _error_line(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return mark.line + 1 if mark else 1


def _error_words(error: Exception) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    context = getattr(error, "context", None)
    return f"is not YAML: {problem}" + (f" ({context})" if context else "")


class _Reader:
    """Turns nodes into data. Mutable: it gathers lines and mistakes on its way down."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.blocks: set[Path] = set()
        self.mistakes: list[Mistake] = []
        self._nodes = 0

    def read(self, node: yaml.Node, path: Path, depth: int) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise _refused(line, "grows too large: an alias repeats too much")
        if node.tag not in _PLAIN_TAGS:
            self._mistake(line, path, f"the tag {node.tag} is not allowed")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(one, (*path, index), depth + 1) for index, one in enumerate(node.value)]
        return self._scalar(node, path, line) if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self._mistake(line, path, "a name must be plain text")
                continue
            # Not the resolved value: YAML 1.1 would read the name `on` as true.
            name = str(key.value)
            if name in data:
                first = self.lines[(*path, name)]
                self._mistake(line, (*path, name), f"appears twice (first in line {first})")
                continue
            self.lines[(*path, name)] = line
            data[name] = self.read(value, (*path, name), depth + 1)
            if isinstance(value, yaml.ScalarNode):
                self.lines[(*path, name)] = value.start_mark.line + 1
        return data

    def _scalar(self, node: yaml.ScalarNode, path: Path, line: int) -> Any:
        if node.style in ("|", ">"):
            self.blocks.add(path)
        value = node.value if node.style else _plain(node.value)
        if isinstance(value, float) and not math.isfinite(value):
            self._mistake(line, path, "is too large a number")
            return 0.0
        return value

    def _mistake(self, line: int, path: Path, message: str) -> None:
        self.mistakes.append(Mistake(line=line, field=field_path(path), message=message))


def _plain(text: str) -> Any:
    """An unquoted word, by YAML 1.2's rules."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
