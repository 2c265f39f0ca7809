"""Decisions that hold however often, and whenever, somebody looks.

Of visitors that are assigned at random, each of those who reach a goal was in the variant with the probability
of the variant's share, as long as the variant changes nothing; in general with odds of (variant's share x rate)
to (baseline's share x rate). So the conversions, one after the other, are draws of a coin whose bias is known
under "no difference" and otherwise tells the ratio of the two rates. It does not matter when a visitor converts,
how the rate moves with the season, or that the latest visitors have had little time so far: these strike both
arms alike. Lindon & Malek 2022, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 35
(arXiv:2011.03567), sections on multinomial and on time-inhomogeneous Bernoulli processes.

A bet on the bias, averaged over a Beta prior (Robbins 1970), is a martingale that starts at 1 for the true bias:
by Ville's inequality it ever reaches 1 / alpha with probability at most alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from personalization.beta import log_sigmoid, solve
from personalization.uplift import Interval

#: Which uplifts the bet expects: a standard deviation of 0.4 in the log of the ratio, about half more or a third
#: less. It decides how soon a difference is seen, not whether the error rate holds.
SPREAD = 0.4
#: The same for shares of visitors: as if so many had been seen before.
WEIGHT = 500.0


def ratio_interval(
    converted: int, baseline: int, *, share: float, baseline_share: float, alpha: float = 0.05
) -> Interval:
    """The ratio of the variant's rate to the baseline's, minus 1 (0.1: a tenth more): the values that no look so
    far has excluded, at level 1 - `alpha` over all looks together.

    `converted` and `baseline` are the conversions of both arms, the shares those of visitors that each should get.
    """
    fair = math.log(share / baseline_share)
    bound = math.log(1 / alpha)

    def evidence(odds: float) -> float:
        return log_evidence(converted, baseline, fair=fair, odds=odds) - bound

    low = high = None
    best = math.log((converted + 0.5) / (baseline + 0.5))
    if converted:
        low = math.expm1(-solve(lambda x: evidence(-x), -best, -best + _far(evidence, best, -1)) - fair)
    if baseline:
        high = math.expm1(solve(evidence, best, best + _far(evidence, best, 1)) - fair)
    return Interval(low=-1.0 if low is None else low, high=high)


def log_evidence(converted: int, baseline: int, *, fair: float, odds: float) -> float:
    """The log of what the bet has won against the claim that a conversion is the variant's with log-odds `odds`.
    `fair` is the log-odds under "no difference".
    """
    fair_share = math.exp(log_sigmoid(fair))
    weight = 1 / (SPREAD * SPREAD * fair_share * (1 - fair_share))
    a, b = weight * fair_share, weight * (1 - fair_share)
    won = log_beta(a + converted, b + baseline) - log_beta(a, b)
    return won - converted * log_sigmoid(odds) - baseline * log_sigmoid(-odds)


def log_evidence_of_shares(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """The log of what the bet has won against the claim that visitors come to the arms by `shares`: the
    Dirichlet-multinomial mixture around them.
    """
    total = sum(counts.values())
    won = math.lgamma(WEIGHT) - math.lgamma(WEIGHT + total)
    for arm, share in shares.items():
        count = counts.get(arm, 0)
        if share <= 0:
            if count:
                return math.inf
            continue
        won += math.lgamma(WEIGHT * share + count) - math.lgamma(WEIGHT * share) - count * math.log(share)
    return won


def p_value(log_won: float) -> float:
    """The p-value that holds at any time: the inverse of what the bet has won, at most 1."""
    return min(1.0, math.exp(-log_won))


def log_beta(a: float, b: float) -> float:
    """The log of the Beta function."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _far(evidence: Callable[[float], float], best: float, direction: int) -> float:
    """A distance from `best` at which the evidence excludes the odds."""
    far = 1.0
    while evidence(best + direction * far) < 0:
        far *= 2
    return far
