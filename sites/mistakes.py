"""A mistake in a site file, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from core.errors import SiteFileError

Path = tuple[str | int, ...]


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """`line` counts from 1; `field` is a path such as `scoring.rules[2].points`, "" for the whole file."""

    line: int
    field: str
    message: str

    def at(self, name: str) -> str:
        """One line for a terminal: `site.yaml:14: scoring.rules[2].points: must be a number`."""
        where = f"{name}:{self.line}:"
        return f"{where} {self.field}: {self.message}" if self.field else f"{where} {self.message}"


class BadSiteFile(SiteFileError):
    """The site file has mistakes. `mistakes` holds every one of them."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(mistake.at("site.yaml") for mistake in mistakes))
        self.mistakes = tuple(mistakes)


def field_path(path: Iterable[str | int]) -> str:
    """`("scoring", "rules", 2, "points")` -> `scoring.rules[2].points`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")
