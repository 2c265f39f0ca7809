"""The report: from counters, and from simulated visitors all the way, to what a marketer reads."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.bucketing import bucket, choose
from personalization.allocation import allocation, shares
from personalization.counters import Cell, Measure, deltas
from personalization.exposure import NOTHING, Exposure, expose, reach
from personalization.goals import Goal
from personalization.model import Choice, Experience, Variant
from personalization.report import ANY, ArmReport, Measurement, Report, Uplift, report, verdict
from personalization.report_text import pad, render_text, width
from personalization.uplift import Interval
from tests.factories import DAY, HOUR, T0

QUOTE = Goal(id="quote", on="quote", window_ms=DAY)


def variants(*names: str) -> tuple[Variant, ...]:
    return tuple(Variant(id=name, weight=1, render=str) for name in names)


def experience(*choices: Choice, id: str = "hero", holdout: float = 0.5) -> Experience:
    return Experience(id=id, slot=id, choices=choices, holdout=holdout)


def everyone(*names: str) -> Choice:
    return Choice(audience=None, variants=variants(*names))


def totals(of: Experience, arms: dict[str, tuple[int, int]], audience: str = "") -> dict[Cell, int]:
    """Counters of one choice: arm -> (visitors, conversions)."""
    choice = next(one for one in of.choices if (one.audience or "") == audience)
    name = allocation(shares(of, choice))
    counts: dict[Cell, int] = {}

    def put(arm: str, measure: Measure, by: int, goal: str = "") -> None:
        cell = Cell(
            experience=of.id, audience=audience, allocation=name, variant=arm, measure=measure, goal=goal
        )
        counts[cell] = by

    for arm, (visitors, converted) in arms.items():
        put(arm, "exposed", visitors)
        put(arm, "entered", visitors)
        put(arm, "converted", converted, "quote")
        put(arm, "entered_converted", converted, "quote")
    return counts


def of(counts: dict[Cell, int], *experiences: Experience, goals: tuple[Goal, ...] = (QUOTE,)) -> Report:
    return report(counts, site="demo", experiences=experiences, goals=goals)


def arms(one: Measurement) -> dict[str, ArmReport]:
    return {arm.arm: arm for arm in one.goals[0].arms}


def uplift(arm: ArmReport) -> Uplift:
    assert arm.uplift is not None
    return arm.uplift


HERO = experience(everyone("a"))


@pytest.mark.parametrize(
    ("holdout", "variant", "said"),
    [
        ((0, 0), (0, 0), "not_enough_data"),
        ((100, 2), (100, 6), "not_enough_data"),
        ((10_000, 200), (10_000, 320), "better"),
        ((10_000, 320), (10_000, 200), "worse"),
        ((100_000, 5_000), (100_000, 5_050), "no_difference"),
        ((9_000, 200), (11_000, 320), "unequal_arms"),
    ],
)
def test_the_verdict(holdout: tuple[int, int], variant: tuple[int, int], said: str) -> None:
    (one,) = of(totals(HERO, {"": holdout, "a": variant}), HERO).measurements
    found = arms(one)
    assert list(found) == ["", "a"]
    assert (found[""].exposed, found[""].converted) == holdout
    assert (found["a"].exposed, found["a"].converted) == variant
    assert found[""].uplift is None
    assert uplift(found["a"]).verdict == said
    assert one.sample_ratio.alarm == (said == "unequal_arms")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.5, "better"),
        (0.01, None, "better"),
        (-0.5, -0.01, "worse"),
        (-1.0, None, "not_enough_data"),
        (-0.199, 0.25, "no_difference"),
        (-0.21, 0.1, "not_enough_data"),
        (-0.1, 0.26, "not_enough_data"),
        (0.0, 0.1, "no_difference"),
    ],
)
def test_what_a_safe_interval_allows_to_say(low: float, high: float | None, said: str) -> None:
    assert verdict(Interval(low=low, high=high)) == said


def test_without_a_holdout_the_first_variant_is_the_baseline() -> None:
    both = experience(everyone("a", "b"), holdout=0)
    (one,) = of(totals(both, {"a": (5_000, 100), "b": (5_000, 190)}), both).measurements
    assert [(arm.arm, arm.uplift is None) for arm in one.goals[0].arms] == [("a", True), ("b", False)]
    assert uplift(arms(one)["b"]).verdict == "better"


def test_one_variant_without_a_holdout_has_nothing_to_compare_with() -> None:
    alone = experience(everyone("a"), holdout=0)
    (one,) = of(totals(alone, {"a": (5_000, 100)}), alone).measurements
    assert not one.has_baseline
    assert arms(one)["a"].uplift is None
    assert "give the experience a holdout" in render_text(of({}, alone), "en")


def test_more_variants_make_each_interval_wider() -> None:
    counts = {"": (5_000, 100), "a": (5_000, 150)}
    two = experience(everyone("a"), holdout=0.5)
    three = experience(everyone("a", "b"), holdout=1 / 3)
    (alone,) = of(totals(two, counts), two).measurements
    (among,) = of(totals(three, counts | {"b": (5_000, 100)}), three).measurements
    narrow, wide = uplift(arms(alone)["a"]).safe, uplift(arms(among)["a"]).safe
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low < narrow.low - 0.02
    assert uplift(arms(alone)["a"]).now == uplift(arms(among)["a"]).now


def test_the_whole_experience_is_measured_where_visitors_first_met_it() -> None:
    hero = experience(Choice(audience="new", variants=variants("a")), everyone("b"))
    counts = totals(hero, {"": (1_000, 20), "a": (1_000, 30)}, "new") | totals(
        hero, {"": (500, 5), "b": (500, 9)}
    )
    whole, new, rest = of(counts, hero).measurements
    assert [one.audience for one in (whole, new, rest)] == [None, "new", ""]
    assert {arm: (one.exposed, one.converted) for arm, one in arms(whole).items()} == {
        "": (1_500, 25),
        ANY: (1_500, 39),
    }


def test_visitors_under_earlier_shares_are_told_apart() -> None:
    before = experience(everyone("a"), holdout=0.2)
    counts = totals(before, {"": (200, 2), "a": (800, 9)}) | totals(HERO, {"": (50, 1), "a": (50, 2)})
    (one,) = of(counts, HERO).measurements
    assert one.earlier == 1_000
    assert {arm: found.exposed for arm, found in arms(one).items()} == {"": 50, "a": 50}


def test_drift_is_reported() -> None:
    counts = totals(HERO, {"": (500, 5), "a": (500, 9)})
    name = next(iter(counts)).allocation
    counts[Cell(experience="hero", allocation=name, variant="a", measure="drifted")] = 3
    (one,) = of(counts, HERO).measurements
    assert one.drifted == 3
    assert "! 3 visitors saw two variants" in render_text(of(counts, HERO), "en")


def test_the_report_is_plain_data() -> None:
    counts = totals(HERO, {"": (500, 0), "a": (500, 9)})
    plain = msgspec.json.decode(msgspec.json.encode(of(counts, HERO).plain()))
    (one,) = plain["measurements"]
    assert (plain["site"], one["experience"], one["drifted"]) == ("demo", "hero", 0)
    baseline, variant = one["goals"][0]["arms"]
    assert (baseline["arm"], baseline["converted"], baseline["uplift"]) == ("", 0, None)
    assert variant["uplift"]["safe"]["high"] is None
    assert variant["uplift"]["now"]["relative"] is None
    assert variant["uplift"]["verdict"] in ("better", "not_enough_data")


TEXT_EN = """\
hero — everyone
  goal: quote (within 1 d)
    arm      visitors  reached      rate (95 %)  uplift  safe at every look  chance to beat  verdict
    holdout    10,000      200  2.0 % (1.7–2.3)                                              baseline
    a          10,000      320  3.2 % (2.9–3.6)   +60 %      +20 % … +115 %        > 99.9 %  better
"""
TEXT_JA = """\
hero — 全員
  ゴール: quote（1日以内）
    案              訪問者  達成   達成率（95 %）   効果  いつ見ても確かな範囲  上回る確率  判定
    ホールドアウト  10,000   200  2.0 % (1.7–2.3)                                           基準
    a               10,000   320  3.2 % (2.9–3.6)  +60 %        +20 % … +115 %    > 99.9 %  良い
"""


@pytest.mark.parametrize(
    ("locale", "text"), [("en", TEXT_EN), ("ja", TEXT_JA), ("ja-JP", TEXT_JA), ("fr", TEXT_EN)]
)
def test_the_text(locale: str, text: str) -> None:
    counts = totals(HERO, {"": (10_000, 200), "a": (10_000, 320)})
    assert render_text(of(counts, HERO), locale) == text


def test_the_documents_example_is_what_is_printed() -> None:
    assert TEXT_EN in (Path(__file__).parents[2] / "docs/uplift.md").read_text()


@pytest.mark.parametrize("locale", ["en", "ja"])
def test_the_columns_line_up(locale: str) -> None:
    many = experience(everyone("a", "資料", "ｶﾅ"), holdout=0.25)
    counts = totals(many, {"": (1_000, 0), "a": (99, 7), "資料": (1_234_567, 400), "ｶﾅ": (3, 0)})
    lines = render_text(of(counts, many), locale).splitlines()[2:7]
    # The second column stands right: every visitor count ends in the same place.
    label = "visitors" if locale == "en" else "訪問者"
    marks = [label, "1,000", "99", "1,234,567", "3"]
    ends = {
        width(line[: line.index(f" {mark} ") + 1 + len(mark)])
        for line, mark in zip(lines, marks, strict=True)
    }
    assert len(ends) == 1


@pytest.mark.parametrize(
    ("locale", "said"), [("en", "No experiences."), ("ja", "エクスペリエンスがありません。")]
)
def test_a_site_without_experiences(locale: str, said: str) -> None:
    assert render_text(of({}), locale) == f"{said}\n"


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        (
            "en",
            "! The arms do not have the sizes they should: holdout 9,000 instead of 10,000, a 11,000 instead of",
        ),
        ("ja", "! 人数の割合が設定と違います: ホールドアウト 9,000人（本来 10,000人）"),
    ],
)
def test_the_alarm_names_the_arms(locale: str, said: str) -> None:
    assert said in render_text(of(totals(HERO, {"": (9_000, 200), "a": (11_000, 320)}), HERO), locale)


@pytest.mark.parametrize(
    ("ms", "said"), [(DAY, "(within 1 d)"), (6 * HOUR, "(within 6 h)"), (90 * 60_000, "(within 90 min)")]
)
def test_the_window_in_words(ms: int, said: str) -> None:
    assert said in render_text(of({}, HERO, goals=(Goal(id="g", on="g", window_ms=ms),)), "en")


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("資料", 4), ("ｶﾅ", 2), ("か\u3099", 2), ("é", 1), ("e\u0301", 1), ("", 0)],
)
def test_how_wide_text_is(text: str, columns: int) -> None:
    assert width(text) == columns
    assert width(pad(text, 6)) == width(pad(text, 6, right=True)) == 6


def simulated(seed: int, effect: float, visitors: int = 6_000) -> Report:
    """Visitors assigned by the stable hash, counted as the worker does, in random order of arrival."""
    draw, hero = random.Random(seed), experience(everyone("a", "b"), holdout=0.4)
    name = allocation(shares(hero, hero.choices[0]))
    counts: Counter[Cell] = Counter()
    for number in range(visitors):
        visitor = f"v{seed}-{number}"
        held_out = bucket("hero:holdout", visitor) < hero.holdout
        variant = "" if held_out else ("a", "b")[choose(bucket("hero", visitor), [0.5, 0.5])]
        facts: list[Any] = [T0 + draw.randrange(HOUR) for _ in range(draw.randint(1, 2))]
        if draw.random() < 0.1 * (1 + effect * (variant == "a")):
            facts.append("quote")
        draw.shuffle(facts)
        state = NOTHING
        for fact in facts:
            before = state
            if fact == "quote":
                state = reach(state, QUOTE, T0 + 2 * HOUR)
            else:
                met = Exposure(experience="hero", variant=variant, allocation=name, visitor=visitor, at=fact)
                state = expose(state, met, [QUOTE])
            counts.update({delta.cell: delta.by for delta in deltas(before, state)})
    return of(counts, hero)


def test_simulated_visitors_with_a_planted_uplift() -> None:
    (one,) = simulated(7, effect=1.0).measurements
    found = arms(one)
    assert sum(arm.exposed for arm in found.values()) == 6_000
    assert (one.drifted, one.earlier, one.sample_ratio.alarm) == (0, 0, False)
    assert uplift(found["a"]).verdict == "better"
    assert uplift(found["b"]).verdict == "not_enough_data"
    safe = uplift(found["a"]).safe
    assert safe.low is not None
    assert safe.high is not None
    assert safe.low < 1.0 < safe.high


def test_the_same_visitors_give_the_same_report() -> None:
    first = simulated(8, effect=0.0, visitors=500).plain()
    assert first == simulated(8, effect=0.0, visitors=500).plain()
    assert first != simulated(9, effect=0.0, visitors=500).plain()
