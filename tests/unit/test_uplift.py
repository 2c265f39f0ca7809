"""The posterior against an independent oracle, and the uplift that follows from it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from personalization.beta import Beta, cdf, quantile, solve
from personalization.sample_ratio import chi_square_above
from personalization.uplift import Arm, Interval, chance_to_beat, compare, posterior, rate_interval

SHAPES = [(1, 1), (1, 2), (1, 101), (7, 1), (2, 5), (50, 1000), (400, 400), (1, 1e6), (3e4, 1e6), (1e6, 3e6)]
QUANTILES = (0.001, 0.025, 0.3, 0.5, 0.8, 0.975, 0.999)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_distribution_is_scipys(shape: tuple[float, float]) -> None:
    oracle, beta = stats.beta(*shape), Beta(*shape)
    for q in QUANTILES:
        at = oracle.ppf(q)
        assert cdf(beta, at) == pytest.approx(q, abs=1e-6)
        assert quantile(beta, q) == pytest.approx(at, rel=1e-4)
    assert [cdf(beta, p) for p in (-1, 0, 1, 2)] == [0, 0, 1, 1]


#: (exposed, converted) of the variant and of the baseline.
PAIRS = [
    ((1000, 30), (1000, 20)),
    ((19_000, 600), (1000, 20)),
    ((1_000_000, 30_000), (50_000, 1400)),
    ((10_000, 5), (10_000, 900)),
    ((5_000_000, 150_000), (300, 9)),
    ((300, 9), (5_000_000, 150_000)),
    ((10, 9), (10, 1)),
    ((100, 0), (100, 0)),
    ((9500, 300), (500, 0)),
    ((10, 10), (10, 1)),
]


@pytest.mark.parametrize(("variant", "baseline"), PAIRS)
def test_the_chance_to_beat_the_baseline_is_the_integral(
    variant: tuple[int, int], baseline: tuple[int, int]
) -> None:
    one, other = (stats.beta(1 + k, 1 + n - k) for n, k in (variant, baseline))
    low, high = other.ppf(1e-13), other.isf(1e-13)
    expected, _ = integrate.quad(
        lambda p: other.pdf(p) * one.sf(p), low, high, points=[other.median()], limit=500, epsabs=1e-12
    )
    assert chance_to_beat(Arm(*variant), Arm(*baseline)) == pytest.approx(expected, abs=1e-5)
    assert chance_to_beat(Arm(*baseline), Arm(*variant)) == pytest.approx(1 - expected, abs=1e-5)


@pytest.mark.parametrize(("variant", "baseline"), PAIRS)
def test_the_uplifts_intervals_are_the_posteriors_quantiles(
    variant: tuple[int, int], baseline: tuple[int, int]
) -> None:
    """The oracle: 20,000 equally likely values of one rate, scipy's distribution function of the other."""
    spread = stats.beta(*posterior(Arm(*variant))).ppf((np.arange(20_000) + 0.5) / 20_000)
    other = stats.beta(*posterior(Arm(*baseline)))
    found = compare(Arm(*variant), Arm(*baseline))
    for q, relative, absolute in zip(
        (0.025, 0.975), _bounds(found.relative_interval), _bounds(found.absolute_interval), strict=True
    ):
        assert np.mean(other.sf(spread / (1 + relative))) == pytest.approx(q, abs=5e-4)
        assert np.mean(other.sf(spread - absolute)) == pytest.approx(q, abs=5e-4)


def _bounds(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


@pytest.mark.parametrize(
    ("variant", "baseline", "relative", "absolute"),
    [
        (Arm(1000, 30), Arm(1000, 20), 0.5, 0.01),
        (Arm(1000, 0), Arm(1000, 20), -1.0, -0.02),
        (Arm(1000, 30), Arm(1000, 0), None, 0.03),
        (Arm(1000, 30), Arm(0, 0), None, None),
        (Arm(0, 0), Arm(0, 0), None, None),
    ],
)
def test_the_uplift_is_that_of_the_observed_rates(
    variant: Arm, baseline: Arm, relative: float | None, absolute: float | None
) -> None:
    found = compare(variant, baseline)
    assert (found.relative, found.absolute) == (pytest.approx(relative), pytest.approx(absolute))
    low, high = _bounds(found.relative_interval)
    assert -1 < low < high


def test_a_planted_uplift_is_covered_at_one_look() -> None:
    draw = np.random.default_rng(11)
    base, uplift, runs, covered, rates = 0.04, 0.3, 200, 0, 0
    for _ in range(runs):
        baseline = Arm(3000, int(draw.binomial(3000, base)))
        variant = Arm(6000, int(draw.binomial(6000, base * (1 + uplift))))
        low, high = _bounds(compare(variant, baseline).relative_interval)
        covered += low <= uplift <= high
        low, high = _bounds(rate_interval(baseline))
        rates += low <= base <= high
    # Of 200 intervals at 95 %, 190 are expected to cover, give or take 3.1.
    assert 180 <= covered <= 198
    assert 180 <= rates <= 198


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("x", [0, 0.1, 1, 5, 30, 300])
def test_the_chi_square_tail_is_scipys(x: float, freedom: int) -> None:
    assert chi_square_above(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(("target", "expected"), [(-8.0, -2.0), (0.0, 0.0), (1e-9, 1e-3), (27.0, 3.0)])
def test_solve_finds_the_crossing(target: float, expected: float) -> None:
    assert solve(lambda x: x**3 - target, -5, 7, tolerance=1e-13) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("low", "high", "expected"), [(1.0, 2.0, 1.0), (-2.0, -1.0, -1.0)])
def test_solve_gives_the_nearer_end_where_nothing_crosses(low: float, high: float, expected: float) -> None:
    assert solve(lambda x: x, low, high) == expected
