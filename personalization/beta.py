"""The Beta distribution, tabulated: density, distribution function, quantiles, and comparisons of two.

The table is over the log-odds t = log(p / (1 - p)), where the density of Beta(a, b) is proportional to
p^a (1-p)^b: smooth, with one peak and tails that fall off exponentially. On such a function the trapezoidal rule
converges faster than any power of the step (Trefethen & Weideman 2014, "The Exponentially Convergent Trapezoidal
Rule", SIAM Review 56(3)); what is between two points is filled in by a cubic that fits density and slope.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

#: Points of the table, and how far down (in nats below the peak) it reaches: e^-36 is 2e-16.
POINTS = 513
DEPTH = 36.0
#: Every so many points are enough for an integral over the whole range, but where a distribution ends steeply at
#: 0 or 1 (its `a` or `b` is 1): there the integrand has a corner.
STRIDE = 4


class Beta(NamedTuple):
    """Beta(a, b); `a` and `b` are at least 1."""

    a: float
    b: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Beta(a, b) at evenly spaced log-odds from `start`, `step` apart: the density over log-odds, the
    distribution function, and the probabilities p themselves.
    """

    start: float
    step: float
    density: tuple[float, ...]
    below: tuple[float, ...]
    p: tuple[float, ...]


def mean(beta: Beta) -> float:
    """The expected value."""
    return beta.a / (beta.a + beta.b)


def cdf(beta: Beta, p: float) -> float:
    """The probability of at most `p`."""
    if p <= 0 or p >= 1:
        return 0.0 if p <= 0 else 1.0
    return _below(tabulate(beta), math.log(p) - math.log1p(-p))


def quantile(beta: Beta, q: float) -> float:
    """The p that a share `q` (0 < q < 1) of the distribution is below."""
    table = tabulate(beta)
    index = min(max(bisect_right(table.below, q) - 1, 0), POINTS - 2)
    low = table.start + index * table.step
    return _sigmoid(solve(lambda t: _below(table, t) - q, low, low + table.step))


def probability(
    of: Beta, other: Beta, limit: Callable[[float], float], back: Callable[[float], float]
) -> float:
    """The probability that a draw of `of` is at most `limit(p)`, where p is an independent draw of `other`.

    `limit` rises, and `back` undoes it. The integral runs over the narrower of the two: the other one's
    distribution function is then smooth between its points.
    """
    if tabulate(of).step < tabulate(other).step:
        return 1 - _integral(other, of, back)
    return _integral(of, other, limit)


def _integral(of: Beta, other: Beta, limit: Callable[[float], float]) -> float:
    table, outer = tabulate(of), tabulate(other)
    stride = 1 if 1 in (*of, *other) else STRIDE
    total = 0.0
    for density, p in zip(outer.density[::stride], outer.p[::stride], strict=True):
        bound = limit(p)
        if bound >= 1:
            total += density
        elif bound > 0:
            total += density * _below(table, math.log(bound) - math.log1p(-bound))
    return min(max(total * outer.step * stride, 0.0), 1.0)


def solve(function: Callable[[float], float], low: float, high: float, *, tolerance: float = 1e-10) -> float:
    """Where a rising `function` crosses 0 between `low` and `high` (regula falsi, Illinois; at most 100 steps)."""
    f_low, f_high = function(low), function(high)
    if f_low >= 0 or f_high <= 0:
        return low if f_low >= 0 else high
    side = 0
    for _ in range(100):
        middle = (low * f_high - high * f_low) / (f_high - f_low)
        value = function(middle)
        if abs(value) < tolerance or high - low < tolerance * max(1.0, abs(middle)):
            return middle
        if value < 0:
            low, f_low, f_high = middle, value, f_high / 2 if side < 0 else f_high
            side = -1
        else:
            high, f_high, f_low = middle, value, f_low / 2 if side > 0 else f_low
            side = 1
    return (low + high) / 2


@lru_cache(maxsize=256)
def tabulate(beta: Beta) -> Table:
    """The table of one distribution."""
    a, b = beta
    peak = math.log(a / b)
    top = _log_shape(a, b, peak)
    start = peak - _reach(lambda far: top - _log_shape(a, b, peak - far))
    end = peak + _reach(lambda far: top - _log_shape(a, b, peak + far))
    step = (end - start) / (POINTS - 1)
    odds = [start + i * step for i in range(POINTS)]
    shape = [math.exp(_log_shape(a, b, t) - top) for t in odds]
    scale = 1 / (math.fsum(shape) * step)
    density = [one * scale for one in shape]
    p = [_sigmoid(t) for t in odds]
    return Table(
        start=start, step=step, density=tuple(density), below=_accumulate(beta, density, p, step), p=tuple(p)
    )


def _accumulate(beta: Beta, density: list[float], p: list[float], step: float) -> tuple[float, ...]:
    """The distribution function at each point: the trapezoidal rule, corrected by the slopes at both ends."""
    slope = [one * (beta.a - (beta.a + beta.b) * at) for one, at in zip(density, p, strict=True)]
    below = [0.0]
    for i in range(POINTS - 1):
        area = step / 2 * (density[i] + density[i + 1]) + step * step / 12 * (slope[i] - slope[i + 1])
        below.append(below[-1] + area)
    return tuple(one / below[-1] for one in below)


def _below(table: Table, t: float) -> float:
    """The distribution function at log-odds `t`, between the points by a cubic."""
    place = (t - table.start) / table.step
    if place <= 0 or place >= POINTS - 1:
        return 0.0 if place <= 0 else 1.0
    i = int(place)
    u = place - i
    rise = table.below[i + 1] - table.below[i]
    at, to = table.density[i] * table.step, table.density[i + 1] * table.step
    return table.below[i] + u * (at + u * (3 * rise - 2 * at - to + u * (at + to - 2 * rise)))


def _reach(depth: Callable[[float], float]) -> float:
    """How far from the peak the density has fallen by DEPTH."""
    far = 1.0
    while depth(far) < DEPTH:
        far *= 2
    return solve(lambda x: depth(x) - DEPTH, 0.0, far, tolerance=1e-3)


def _log_shape(a: float, b: float, t: float) -> float:
    return a * log_sigmoid(t) + b * log_sigmoid(-t)


def log_sigmoid(t: float) -> float:
    """log(1 / (1 + e^-t)), without overflow."""
    return -math.log1p(math.exp(-t)) if t >= 0 else t - math.log1p(math.exp(t))


def _sigmoid(t: float) -> float:
    return math.exp(log_sigmoid(t))
