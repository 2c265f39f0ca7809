"""How much better a variant does than its baseline, as far as the counts tell.

The rates' posterior is Beta(1 + converted, 1 + exposed - converted), from a uniform prior. Its intervals and the
chance to beat the baseline hold for what is known now; they are no licence to stop when they look good. That is
what `personalization.anytime` is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from personalization.beta import Beta, probability, quantile, solve

LEVEL = 0.95
#: An interval's ends are looked for between the quantiles that this little is beyond, and found this closely.
FAR = 1e-4
PRECISION = 1e-7


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """From `low` to `high`; None: without bound."""

    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Arm:
    """Visitors exposed to one variant (or to the holdout), and how many of them reached the goal."""

    exposed: int
    converted: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A variant against its baseline: the uplift of the rate as observed, relative (0.1: a tenth more; None while
    nobody in the baseline has converted) and absolute (0.01: one visitor more in a hundred); their 95 % credible
    intervals, and the chance to beat the baseline, by the posterior.
    """

    relative: float | None
    relative_interval: Interval
    absolute: float | None
    absolute_interval: Interval
    chance: float


def posterior(arm: Arm) -> Beta:
    """What the counts say about the arm's rate."""
    return Beta(1.0 + arm.converted, 1.0 + max(0, arm.exposed - arm.converted))


def rate(arm: Arm) -> float | None:
    """The share that converted; None while nobody was exposed."""
    return arm.converted / arm.exposed if arm.exposed else None


def rate_interval(arm: Arm, level: float = LEVEL) -> Interval:
    """The credible interval of the arm's rate, equal tails."""
    beta, tail = posterior(arm), (1 - level) / 2
    return Interval(low=quantile(beta, tail), high=quantile(beta, 1 - tail))


def chance_to_beat(variant: Arm, baseline: Arm) -> float:
    """The posterior probability that the variant's rate is above the baseline's."""
    return 1 - probability(posterior(variant), posterior(baseline), lambda p: p, lambda p: p)


@lru_cache(maxsize=1024)
def compare(variant: Arm, baseline: Arm, level: float = LEVEL) -> Comparison:
    """Everything the counts say about the uplift, for one look at them."""
    one, other = rate(variant), rate(baseline)
    return Comparison(
        relative=one / other - 1 if one is not None and other else None,
        relative_interval=_relative(posterior(variant), posterior(baseline), level),
        absolute=one - other if one is not None and other is not None else None,
        absolute_interval=_absolute(posterior(variant), posterior(baseline), level),
        chance=chance_to_beat(variant, baseline),
    )


def _relative(one: Beta, other: Beta, level: float) -> Interval:
    def at_most(log_ratio: float) -> float:
        ratio = math.exp(log_ratio)
        return probability(one, other, lambda p: ratio * p, lambda p: p / ratio)

    low = math.log(quantile(one, FAR) / quantile(other, 1 - FAR))
    high = math.log(quantile(one, 1 - FAR) / quantile(other, FAR))
    found = _ends(at_most, low, high, level)
    return Interval(low=math.expm1(found[0]), high=math.expm1(found[1]))


def _absolute(one: Beta, other: Beta, level: float) -> Interval:
    def at_most(difference: float) -> float:
        return probability(one, other, lambda p: p + difference, lambda p: p - difference)

    low = quantile(one, FAR) - quantile(other, 1 - FAR)
    high = quantile(one, 1 - FAR) - quantile(other, FAR)
    found = _ends(at_most, low, high, level)
    return Interval(low=found[0], high=found[1])


def _ends(at_most: Callable[[float], float], low: float, high: float, level: float) -> tuple[float, float]:
    """Both ends of the interval of a quantity with this distribution function, known to lie in between."""
    below, above = (1 - level) / 2, (1 + level) / 2
    start = solve(lambda x: at_most(x) - below, low, high, tolerance=PRECISION)
    return start, solve(lambda x: at_most(x) - above, start, high, tolerance=PRECISION)
