"""Lengths of time as people write them: `90s`, `30m`, `6h`, `180d`."""

from __future__ import annotations

import re

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SHAPE = re.compile(r"([1-9][0-9]{0,6})([smhd])")
MAX_DAYS = 3650


def milliseconds(text: str) -> int:
    """`30m` -> 1800000. Raises ValueError for anything else than a whole number and s, m, h or d."""
    found = _SHAPE.fullmatch(text)
    if not found:
        raise ValueError("must be a length of time such as 90s, 30m, 6h or 180d")
    length = int(found[1]) * _UNITS[found[2]]
    if length > MAX_DAYS * _UNITS["d"]:
        raise ValueError(f"must be at most {MAX_DAYS}d")
    return length
