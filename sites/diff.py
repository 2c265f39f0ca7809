"""What differs between two revisions, in words: `experience top-hero: holdout 0.05 → 0.1`. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sites.revisions import Revision

#: By which field the members of a list are told apart.
_NAMED_BY = {"topics": "path", "choose": "audience"}
#: Lists and mappings whose members have a name of their own in the words.
_KINDS = {
    ("scoring", "rules"): "scoring rule",
    ("audiences",): "audience",
    ("experiences",): "experience",
    ("alerts",): "alert rule",
    ("topics",): "topic",
    ("choose",): "choice",
    ("variants",): "variant",
}
#: Conditions change as a whole.
_WHOLE = frozenset({"when"})
_LONGEST = 60

Path = tuple[str, ...]


def differences(old: Revision, new: Revision) -> list[str]:
    """One line for each thing that changed, in the order of the new file; none for the same text."""
    if old.text == new.text:
        return []
    lines: dict[str, list[str]] = {}
    for path, words in _walk(old.data, new.data, ()):
        subject, rest = _subject(path)
        lines.setdefault(subject, []).append(f"{rest} {words}".strip())
    if not lines:
        return ["comments or layout only"]
    versions = {f"scoring rule {rule}": rule for rule in new.rule_versions}
    return [
        f"{subject}{_version(versions.get(subject), old, new)}{_told(words)}"
        for subject, words in lines.items()
    ]


def _told(words: list[str]) -> str:
    whole = words in (["added"], ["removed"])
    return f" {words[0]}" if whole else ": " + "; ".join(words)


def _version(rule: str | None, old: Revision, new: Revision) -> str:
    before, after = old.rule_versions.get(rule or "", 0), new.rule_versions.get(rule or "", 0)
    return f" (version {before} → {after})" if before and after and before != after else ""


def _subject(path: Path) -> tuple[str, str]:
    """`("experiences", "top-hero", "choose", "vip", "variants", "a", "text")` -> `experience top-hero` and
    `choice vip, variant a, text`.
    """
    words = _words(path)
    return words[0], ", ".join(words[1:])


def _words(path: Path) -> list[str]:
    words: list[str] = []
    rest = path
    while rest:
        kind = next((key for key in _KINDS if rest[: len(key)] == key and len(rest) > len(key)), None)
        if kind is None:
            words.append(".".join(rest))
            break
        words.append(f"{_KINDS[kind]} {rest[len(kind)]}")
        rest = rest[len(kind) + 1 :]
    return words


def _walk(old: Any, new: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if old == new:
        return
    before, after = _members(old, path), _members(new, path)
    if before is None or after is None:
        yield path, _change(old, new)
        return
    for name in [*after, *(name for name in before if name not in after)]:
        inner = (*path, name)
        if (name in before and name in after) or _is_section(inner):
            yield from _walk(before.get(name), after.get(name), inner)
        elif _is_item(inner):
            yield inner, "added" if name in after else "removed"
        else:
            yield inner, _change(before.get(name), after.get(name))
    if isinstance(new, list):
        kept, was = [n for n in after if n in before], [n for n in before if n in after]
        if kept != was:
            yield path, f"order is now {', '.join(kept)}"


def _members(value: Any, path: Path) -> Mapping[str, Any] | None:
    """The named parts of a value, None for one that changes as a whole."""
    if path[:1] == ("audiences",) and len(path) > 1:
        return None
    if isinstance(value, dict) and not (path and path[-1] in _WHOLE):
        return {str(name): part for name, part in value.items()}
    if value is None and _is_section(path):
        return {}
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        field = _NAMED_BY.get(path[-1] if path else "", "id")
        named = {str(one.get(field, "everyone")): one for one in value}
        return named if len(named) == len(value) else None
    return None


def _is_section(path: Path) -> bool:
    return path in _KINDS


def _is_item(path: Path) -> bool:
    return any(path[-len(key) - 1 : -1] == key for key in _KINDS)


def _change(old: Any, new: Any) -> str:
    if old is None:
        return f"{_shown(new)} added"
    if new is None:
        return f"{_shown(old)} removed"
    before, after = _shown(old), _shown(new)
    return "changed" if "…" in (before[-1:], after[-1:]) else f"{before} → {after}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
