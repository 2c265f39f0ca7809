"""A score and its parts as a person reads them: rounded, and still adding up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from alerts.model import Part

#: Parts shown one by one; the rest is shown as one sum.
MAX_SHOWN = 8
_TENTH = Decimal("0.1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """One addend as shown: `points` in whole tenths. `rule` is None for the sum of `count` further rules."""

    rule: str | None
    points: Decimal
    count: int
    label: str = ""


def shown_score(score: float) -> str:
    """`50`, `49.5`: at most one decimal."""
    return number(Decimal(str(score)).quantize(_TENTH, ROUND_HALF_EVEN))


def shown_parts(parts: Sequence[Part], score: float) -> list[Shown]:
    """The addends, the largest first, in tenths that sum to the score as shown.

    Rounding each alone could miss the sum: each is rounded down and the tenths left over go to those that
    lost most (the method of largest remainders).
    """
    exact = [Decimal(str(part.points)) for part in parts]
    floors = [points.quantize(_TENTH, ROUND_FLOOR) for points in exact]
    missing = Decimal(str(score)).quantize(_TENTH, ROUND_HALF_EVEN) - sum(floors, Decimal(0))
    by_loss = sorted(range(len(parts)), key=lambda i: floors[i] - exact[i])
    for i in by_loss[: max(0, int(missing / _TENTH))]:
        floors[i] += _TENTH
    shown = [
        Shown(rule=part.rule, points=points, count=part.count, label=part.label)
        for part, points in zip(parts, floors, strict=True)
        if points
    ]
    return _short(sorted(shown, key=lambda part: -part.points))


def _short(shown: list[Shown]) -> list[Shown]:
    if len(shown) <= MAX_SHOWN:
        return shown
    by_weight = sorted(shown, key=lambda part: -abs(part.points))
    kept, rest = by_weight[: MAX_SHOWN - 1], by_weight[MAX_SHOWN - 1 :]
    others = Shown(rule=None, points=sum((part.points for part in rest), Decimal(0)), count=len(rest))
    return [*sorted(kept, key=lambda part: -part.points), others]


def number(points: Decimal) -> str:
    """`30` for 30.0, `29.5` for 29.5."""
    return f"{points:f}".removesuffix(".0")
