"""The stable hash that puts a visitor into a holdout or a variant.

GrowthBook's hashing, version 2, and its bucket ranges, so that anyone can recompute who sees what
(https://docs.growthbook.io/lib/build-your-own).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache

_OFFSET = 0x811C9DC5


@lru_cache(maxsize=32_768)
def bucket(seed: str, value: str) -> float:
    """Where `value` (a visitor's id) falls in [0, 1), in steps of 1/10000; another `seed` shuffles anew.

    Remembered: a visitor is asked about again with every page view, and the hash goes over it byte by byte.
    """
    return (fnv1a32(str(fnv1a32(seed + value))) % 10_000) / 10_000


def choose(n: float, weights: Sequence[float], coverage: float = 1.0) -> int:
    """The index of the variant for bucket `n`, -1 for none.

    `weights` are shares of 1; shares that are negative, not finite or not about 1 in sum count as equal ones.
    Variant i's range starts at the sum of the shares before it; its width is its share times `coverage` (kept
    in 0..1), so lowering the coverage moves nobody to another variant.
    """
    return chosen(n, _shares(weights), min(max(coverage, 0.0), 1.0))


def chosen(n: float, shares: Sequence[float], coverage: float = 1.0) -> int:
    """As `choose`, of shares and a coverage that are known to be sound."""
    start = 0.0
    for index, share in enumerate(shares):
        if start <= n < start + coverage * share:
            return index
        start += share
    return -1


def _shares(weights: Sequence[float]) -> Sequence[float]:
    usable = all(math.isfinite(weight) and weight >= 0 for weight in weights)
    if usable and 0.99 <= sum(weights) <= 1.01:
        return weights
    return [1 / len(weights) for _ in weights]


def fnv1a32(text: str) -> int:
    """FNV-1a, 32 bits, over the UTF-8 of `text` (http://www.isthe.com/chongo/tech/comp/fnv/)."""
    value = _OFFSET
    for unit in _units(text):
        value = ((value ^ unit) * 0x01000193) & 0xFFFFFFFF  # the prime, in place: this is the inner loop
    return value


def _units(text: str) -> Iterable[int]:
    """GrowthBook hashes UTF-16 code units (JavaScript's characters), so an emoji counts as two."""
    if text.isascii():
        return text.encode()
    return (unit for (unit,) in struct.iter_unpack("<H", text.encode("utf-16-le", "surrogatepass")))
