"""Looking as often as one likes: no more false alarms than promised, and the truth stays inside the interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate

import numpy as np
import pytest
from scipy import stats

from core.bucketing import bucket, choose
from personalization.anytime import log_evidence, ratio_interval
from personalization.sample_ratio import sample_ratio

RUNS, LOOKS = 1_000, 40
BOUND = math.log(1 / 0.05)

Counts = np.ndarray  # runs x looks x (variant, baseline)


def simulate(
    *, seed: int, share: float, rate: Callable[[int], float], uplift: float = 0.0, batch: int = 200
) -> tuple[Counts, Counts]:
    """Visitors and conversions of both arms so far, at every look. Conversions come up to nine batches late."""
    draw = np.random.default_rng(seed)
    variant = draw.binomial(batch, share, size=(RUNS, LOOKS))
    visitors = np.stack([variant, batch - variant], axis=2)
    rates = np.array([[rate(look) * (1 + uplift), rate(look)] for look in range(LOOKS)])
    won = draw.binomial(visitors, rates)
    delays = draw.multinomial(won, [0.4, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])
    converted = np.zeros_like(won)
    for late in range(delays.shape[-1]):
        converted[:, late:] += delays[:, : LOOKS - late, :, late]
    return visitors.cumsum(axis=1), converted.cumsum(axis=1)


def seasonal(look: int) -> float:
    return 0.06 + 0.05 * math.sin(look / 5)


DESIGNS = {
    "even, rare": {"share": 0.5, "rate": lambda _: 0.02},
    "even, common": {"share": 0.5, "rate": lambda _: 0.4},
    "even, with the season": {"share": 0.5, "rate": seasonal},
    "small holdout": {"share": 0.95, "rate": lambda _: 0.05, "batch": 1_000},
}


def excluded(converted: Counts, fair: float, odds: float) -> float:
    """The share of runs in which some look excludes the log-odds."""
    wrong = [
        any(log_evidence(int(k), int(m), fair=fair, odds=odds) >= BOUND for k, m in run) for run in converted
    ]
    return float(np.mean(wrong))


@pytest.mark.parametrize("design", DESIGNS)
def test_of_experiences_that_change_nothing_at_most_one_in_twenty_ever_looks_different(design: str) -> None:
    given = DESIGNS[design]
    fair = _odds(given["share"])
    _, converted = simulate(seed=1, **given)  # type: ignore[arg-type]
    assert excluded(converted, fair, fair) <= 0.05


def test_several_variants_together_err_no_more_often_than_one() -> None:
    """Three variants against one holdout: each pair's interval is at a third of the error."""
    draw = np.random.default_rng(6)
    visitors = draw.multinomial(300, [0.25] * 4, size=(RUNS, LOOKS))
    converted = draw.binomial(visitors, 0.1).cumsum(axis=1)
    wrong = [
        any(_excludes_none(int(k), int(run[look][0])) for look in range(LOOKS) for k in run[look][1:])
        for run in converted
    ]
    assert np.mean(wrong) <= 0.05


def _excludes_none(converted: int, baseline: int) -> bool:
    return log_evidence(converted, baseline, fair=0.0, odds=0.0) >= BOUND + math.log(3)


def test_a_test_for_one_look_would_fail_this() -> None:
    """The simulation can tell: the usual z-test, looked at as often, finds differences that are not there."""
    visitors, converted = simulate(seed=1, **DESIGNS["even, common"])  # type: ignore[arg-type]
    pooled = converted.sum(axis=2) / visitors.sum(axis=2)
    error = np.sqrt(pooled * (1 - pooled) * (1 / visitors[..., 0] + 1 / visitors[..., 1]))
    rates = converted / visitors
    z = np.abs(rates[..., 0] - rates[..., 1]) / error
    assert np.mean((z > 1.96).any(axis=1)) > 1 / 3


@pytest.mark.parametrize("uplift", [-0.4, 0.2, 1.0])
@pytest.mark.parametrize("design", ["even, rare", "even, common", "small holdout"])
def test_a_planted_uplift_stays_inside_the_interval_at_every_look(design: str, uplift: float) -> None:
    given = DESIGNS[design]
    fair = _odds(given["share"])
    _, converted = simulate(seed=2, uplift=uplift, **given)  # type: ignore[arg-type]
    assert excluded(converted, fair, fair + math.log1p(uplift)) <= 0.05


@pytest.mark.parametrize(("uplift", "better"), [(0.5, 0.8), (1.0, 0.99)])
def test_a_real_uplift_is_found(uplift: float, better: float) -> None:
    _, converted = simulate(seed=3, uplift=uplift, share=0.5, rate=lambda _: 0.05)
    found = [
        (ratio_interval(int(run[-1][0]), int(run[-1][1]), share=0.5, baseline_share=0.5).low or 0) > 0
        for run in converted
    ]
    assert np.mean(found) >= better


@pytest.mark.parametrize(
    ("converted", "baseline", "share"),
    [
        (30, 20, 0.5),
        (300, 20, 0.95),
        (600, 20, 0.95),
        (0, 9, 0.5),
        (9, 0, 0.5),
        (0, 0, 0.5),
        (40_000, 2_100, 0.95),
    ],
)
def test_the_intervals_ends_are_where_the_evidence_reaches_its_bound(
    converted: int, baseline: int, share: float
) -> None:
    found = ratio_interval(converted, baseline, share=share, baseline_share=1 - share)
    for end, counted in ((found.low, converted), (found.high, baseline)):
        if counted == 0:
            assert end in (-1.0, None)
            continue
        assert end is not None
        odds = _odds(share) + math.log1p(end)
        assert log_evidence(converted, baseline, fair=_odds(share), odds=odds) == pytest.approx(
            BOUND, abs=1e-6
        )


def test_the_evidence_is_a_fair_bet() -> None:
    """Over every outcome of 40 conversions, the winnings of a bet on the truth average to the stake."""
    fair, truth = _odds(0.8), _odds(0.7)
    chance = stats.binom(40, 0.7)
    mean = sum(chance.pmf(k) * math.exp(log_evidence(k, 40 - k, fair=fair, odds=truth)) for k in range(41))
    assert mean == pytest.approx(1.0, abs=1e-9)


SPLITS = [{"": 0.5, "a": 0.5}, {"": 0.05, "a": 0.95}, {"": 0.1, "a": 0.3, "b": 0.3, "c": 0.3}]


@pytest.mark.parametrize("shares", SPLITS, ids=lambda shares: f"{len(shares)} arms, holdout {shares['']}")
def test_the_sample_ratio_alarm_sounds_falsely_in_at_most_one_of_a_hundred(shares: dict[str, float]) -> None:
    draw = np.random.default_rng(4)
    batches = draw.multinomial(100, list(shares.values()), size=(RUNS, LOOKS)).cumsum(axis=1)
    alarms = [any(_alarm(shares, look) for look in run) for run in batches]
    assert np.mean(alarms) <= 0.01


@pytest.mark.parametrize(
    ("shares", "real", "visitors"),
    [
        ({"": 0.5, "a": 0.5}, [0.47, 0.53], 20_000),
        ({"": 0.05, "a": 0.95}, [0.03, 0.97], 5_000),
        ({"": 0.1, "a": 0.45, "b": 0.45}, [0.1, 0.5, 0.4], 5_000),
        ({"": 0.5, "a": 0.5}, [0.0, 1.0], 200),
    ],
)
def test_wrong_shares_sound_the_alarm(shares: dict[str, float], real: list[float], visitors: int) -> None:
    draw = np.random.default_rng(5)
    runs = draw.multinomial(visitors, real, size=300)
    assert np.mean([_alarm(shares, run) for run in runs]) >= 0.95


def _alarm(shares: dict[str, float], counts: np.ndarray) -> bool:
    visitors = dict(zip(shares, map(int, counts), strict=True))
    return sample_ratio(visitors, shares).alarm


@pytest.mark.parametrize(
    ("counts", "shares", "p"),
    [
        ({"": 4_900, "a": 5_100}, {"": 0.5, "a": 0.5}, stats.chisquare([4_900, 5_100]).pvalue),
        ({"": 60, "a": 900, "b": 1_040}, {"": 0.04, "a": 0.48, "b": 0.48}, None),
        ({"": 0, "a": 90}, {"": 0.0, "a": 1.0}, 1.0),
        ({"": 3, "a": 90}, {"": 0.0, "a": 1.0}, 0.0),
        ({}, {"": 0.5, "a": 0.5}, 1.0),
    ],
)
def test_the_sample_ratio(counts: dict[str, int], shares: dict[str, float], p: float | None) -> None:
    found = sample_ratio(counts, shares)
    if p is None:
        expected = [share * sum(counts.values()) for share in shares.values()]
        p = stats.chisquare(list(counts.values()), expected).pvalue
    assert found.p_value == pytest.approx(p, rel=1e-9)
    assert found.alarm == (found.p_value_anytime < 0.01)
    assert found.p_value_anytime >= min(found.p_value, 1) or p == 0


def test_the_stable_hash_gives_the_shares_it_should() -> None:
    counts = dict.fromkeys(("", "a", "b"), 0)
    for number in range(20_000):
        visitor = f"v-{number:x}"
        held_out = bucket("top-hero:holdout", visitor) < 0.1
        counts["" if held_out else "ab"[choose(bucket("top-hero", visitor), [0.5, 0.5])]] += 1
    assert not sample_ratio(counts, {"": 0.1, "a": 0.45, "b": 0.45}).alarm


def test_more_conversions_narrow_the_interval() -> None:
    widths = []
    for total in accumulate([20] * 10, lambda a, b: a * 2):
        found = ratio_interval(total, total, share=0.5, baseline_share=0.5)
        assert found.low is not None
        assert found.high is not None
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.1


def _odds(share: float) -> float:
    return math.log(share / (1 - share))
