"""Points that fade: half their worth is gone after each half-life."""

from __future__ import annotations


def faded(points: float, age_ms: int, half_life_ms: int | None) -> float:
    """What `points` given `age_ms` ago are worth now. Without a half-life they never fade."""
    if half_life_ms is None or age_ms <= 0 or points == 0:
        return points
    return float(points * 2.0 ** (-age_ms / half_life_ms))
