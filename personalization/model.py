"""Experiences and decisions as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One alternative. `render(context) -> html` raises `personalization.templates.RenderError` only."""

    id: str
    weight: float
    render: Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The variants for one audience (None: everyone)."""

    audience: str | None
    variants: tuple[Variant, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Experience:
    """slot + audiences + variants. Choices are tried in order; the first audience that matches wins."""

    id: str
    slot: str
    choices: tuple[Choice, ...]
    holdout: float = 0.0


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What fills a slot, and the reason in words a marketer understands."""

    experience: str
    variant: str
    html: str
    reason: str
