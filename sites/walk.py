"""Ways through a site file's raw data, which may have any shape: what is not as it should be is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sites.mistakes import Path


def maps(data: Any, *keys: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The mappings in the list at `keys`, each with its path."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    for index, item in enumerate(data if isinstance(data, list) else []):
        if isinstance(item, dict):
            yield (*keys, index), item


def choices(data: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every experience's choices, each with its path."""
    for path, experience in maps(data, "experiences"):
        for (_, index), choice in maps(experience, "choose"):
            yield (*path, "choose", index), choice


def variants(data: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every choice's variants, each with its path."""
    for path, choice in choices(data):
        for inner, variant in maps(choice, "variants"):
            yield (*path, *inner), variant
