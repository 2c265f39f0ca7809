"""Experiences and decisions as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

#: What a variant does to its slot: fills it with HTML or with text, sets attributes of it, or sends the
#: visitor to another page.
Kind = Literal["html", "text", "attr", "redirect"]
#: HTML, a text or an address; for `attr` the value of each attribute.
Content = str | dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One alternative. `render(context) -> content` raises `personalization.templates.RenderError` only."""

    id: str
    weight: float
    render: Callable[[Mapping[str, Any]], Content]
    kind: Kind = "html"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The variants for one audience (None: everyone), and the share of each in 0..1."""

    audience: str | None
    variants: tuple[Variant, ...]
    shares: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        total = sum(variant.weight for variant in self.variants)
        shares = tuple(variant.weight / total for variant in self.variants)
        object.__setattr__(self, "shares", shares)  # frozen: once, here


@dataclass(frozen=True, kw_only=True, slots=True)
class Namespace:
    """The share of visitors, from `start` to below `end` in 0..1, that an experience has of a namespace.
    Experiences whose shares do not overlap never meet the same visitor.
    """

    name: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Experience:
    """slot + audiences + variants. Choices are tried in order; the first audience that matches wins.

    It runs from `starts_at` to before `ends_at` (epoch ms). `holdout` is the share of visitors withheld from this
    experience, `site_holdout` the share of `site`'s visitors withheld from every experience.
    """

    id: str
    slot: str
    choices: tuple[Choice, ...]
    holdout: float = 0.0
    site: str = ""
    site_holdout: float = 0.0
    starts_at: int | None = None
    ends_at: int | None = None
    namespace: Namespace | None = None
    #: The audiences it has a choice for; None: it has one for everyone.
    audiences: frozenset[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = frozenset(choice.audience for choice in self.choices if choice.audience is not None)
        everyone = any(choice.audience is None for choice in self.choices)
        object.__setattr__(self, "audiences", None if everyone else named)  # frozen: once, here

    @property
    def redirects(self) -> bool:
        """Whether some variant sends visitors elsewhere."""
        return any(variant.kind == "redirect" for choice in self.choices for variant in choice.variants)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What fills a slot, and the reason in words a marketer understands. The content is in the field of its
    kind: `html` is "" for the others, and the other three are None.
    """

    experience: str
    variant: str
    html: str = ""
    reason: str
    text: str | None = None
    attr: dict[str, str] | None = None
    redirect: str | None = None

    @property
    def kind(self) -> Kind:
        """What the decision does to its slot."""
        if self.text is not None:
            return "text"
        if self.attr is not None:
            return "attr"
        return "html" if self.redirect is None else "redirect"

    def wire(self) -> dict[str, Any]:
        """The decision as the API answers it: `{"experience", "variant", "html" | "text" | "attr" | "redirect",
        "reason"}`.
        """
        kind = self.kind
        return {
            "experience": self.experience,
            "variant": self.variant,
            kind: getattr(self, kind),
            "reason": self.reason,
        }
