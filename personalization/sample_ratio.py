"""Whether the arms got the shares of visitors that they should: if not, something is wrong with the counting,
and no comparison of the arms can be trusted.

Fabijan et al. 2019, "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from personalization.anytime import log_evidence_of_shares, p_value

#: How often the alarm may ever sound for an experience in which nothing is wrong.
ALARM = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRatio:
    """`visitors` per arm against those `expected` from the shares. `p_value` is the chi-square test's, right for
    one look only; `p_value_anytime` holds for all looks together, and below 0.01 it is an `alarm`.
    """

    visitors: Mapping[str, int]
    expected: Mapping[str, float]
    p_value: float
    p_value_anytime: float
    alarm: bool


def sample_ratio(counts: Mapping[str, int], shares: Mapping[str, float]) -> SampleRatio:
    """Check the visitors per arm against their shares, which sum to 1. A visitor in an arm without a share is
    always an alarm.
    """
    counts = {arm: max(0, counts.get(arm, 0)) for arm in shares}
    total = sum(counts.values())
    always = p_value(log_evidence_of_shares(counts, shares))
    return SampleRatio(
        visitors=counts,
        expected={arm: share * total for arm, share in shares.items()},
        p_value=_chi_square_test(counts, shares, total),
        p_value_anytime=always,
        alarm=always < ALARM,
    )


def _chi_square_test(counts: Mapping[str, int], shares: Mapping[str, float], total: int) -> float:
    if any(counts[arm] for arm, share in shares.items() if share <= 0):
        return 0.0
    used = [arm for arm, share in shares.items() if share > 0]
    if total == 0 or len(used) < 2:
        return 1.0
    chi = sum((counts[arm] - shares[arm] * total) ** 2 / (shares[arm] * total) for arm in used)
    return chi_square_above(chi, len(used) - 1)


def chi_square_above(x: float, freedom: int) -> float:
    """The probability of a chi-square value above `x`, with whole degrees of freedom (at least 1).

    By the incomplete gamma function's recurrence, Q(s + 1, y) = Q(s, y) + y^s e^-y / Gamma(s + 1) (DLMF 8.8.6).
    """
    if x <= 0:
        return 1.0
    y = x / 2
    s, above = (0.5, math.erfc(math.sqrt(y))) if freedom % 2 else (1.0, math.exp(-y))
    while s < freedom / 2:
        above += math.exp(s * math.log(y) - y - math.lgamma(s + 1))
        s += 1
    return min(1.0, above)
