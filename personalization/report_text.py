"""A report as text, in English and Japanese: aligned on a terminal, where a Japanese character is two wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from core.events import DAY_MS
from personalization.report import ANY, ArmReport, GoalReport, Measurement, Report, Uplift
from personalization.uplift import Interval

Words = Mapping[str, str]

_EN: Words = {
    "head": "arm|visitors|reached|rate (95 %)|uplift|safe at every look|chance to beat|verdict",
    "": "holdout",
    ANY: "any variant",
    "whole": "everyone who met it",
    "everyone": "everyone",
    "audience": "audience {}",
    "goal": "goal: {} (within {})",
    "d": "{} d",
    "h": "{} h",
    "min": "{} min",
    "baseline": "baseline",
    "not_enough_data": "not enough data yet",
    "better": "better",
    "worse": "worse",
    "no_difference": "no difference seen",
    "unequal_arms": "do not trust: arms of the wrong size",
    "alarm": "! The arms do not have the sizes they should: {} (p {}). Something is wrong with the counting.",
    "arm_size": "{} {:,} instead of {:,.0f}",
    "drifted": "! {:,} visitors saw two variants. They are left out.",
    "earlier": "{:,} visitors who came under earlier shares are not in here.",
    "no_baseline": "Nothing to compare with: give the experience a holdout.",
    "no_goals": "The site has no goals to measure by.",
    "none": "No experiences.",
}
#: What reads otherwise in a report on alerts.
_ALERTS_EN: Words = {
    "": "held out",
    "told": "told",
    "everyone": "visitors it fired for",
    "drifted": "! {:,} visitors were held out once and told of once. They are left out.",
    "earlier": "{:,} visitors it fired for under another holdout are not in here.",
    "no_baseline": "Nothing to compare with: this rule tells of nobody.",
    "none": "No alert rule has a holdout: with `holdout: 0.1` a rule keeps a tenth to itself, and what its alerts "
    "are worth shows here.",
}
_JA: Words = {
    "head": "案|訪問者|達成|達成率（95 %）|効果|いつ見ても確かな範囲|上回る確率|判定",
    "": "ホールドアウト",
    ANY: "いずれかの案",
    "whole": "全体",
    "everyone": "全員",
    "audience": "オーディエンス {}",
    "goal": "ゴール: {}（{}以内）",
    "d": "{}日",
    "h": "{}時間",
    "min": "{}分",
    "baseline": "基準",
    "not_enough_data": "まだデータが足りません",
    "better": "良い",
    "worse": "悪い",
    "no_difference": "差は見られません",
    "unequal_arms": "人数の割合が異常: 信用しないでください",
    "alarm": "! 人数の割合が設定と違います: {}（p {}）。計測に問題があります。",
    "arm_size": "{} {:,}人（本来 {:,.0f}人）",
    "drifted": "! {:,}人が2つの案を見ました。集計から除いています。",
    "earlier": "配分の変更前に来た{:,}人は含みません。",
    "no_baseline": "比べる相手がありません。ホールドアウトを設定してください。",
    "no_goals": "ゴールが設定されていません。",
    "none": "エクスペリエンスがありません。",
}
_ALERTS_JA: Words = {
    "": "通知しない",
    "told": "通知した",
    "everyone": "ルールに当てはまった訪問者",
    "drifted": "! {:,}人が、通知されたこともされなかったこともあります。集計から除いています。",
    "earlier": "ホールドアウトの変更前に当てはまった{:,}人は含みません。",
    "no_baseline": "比べる相手がありません。このルールは誰も通知しません。",
    "none": "ホールドアウトのあるアラートルールがありません。`holdout: 0.1` とすると1割を通知せず、"
    "アラートの効果をここで確かめられます。",
}
_RIGHT = frozenset({1, 2, 3, 4, 5, 6})


def render_text(report: Report, locale: str, *, alerts: bool = False) -> str:
    """The report for a terminal, in Japanese for `ja`, in English for all others. `alerts`: on alert rules."""
    words, others = (_JA, _ALERTS_JA) if locale.split("-")[0] == "ja" else (_EN, _ALERTS_EN)
    words = {**words, **others} if alerts else words
    blocks = [_measurement(one, words) for one in report.measurements]
    return "\n\n".join(blocks or [words["none"]]) + "\n"


def _measurement(one: Measurement, words: Words) -> str:
    said = words["whole"] if one.audience is None else words["everyone"]
    who = words["audience"].format(one.audience) if one.audience else said
    lines = [f"{one.experience} — {who}"]
    for goal in one.goals:
        lines += [f"  {words['goal'].format(goal.label or goal.goal, _time(goal.window_ms, words))}"]
        lines += [f"    {row}" for row in _table(goal, words)]
    lines += [f"  {note}" for note in _notes(one, words)]
    return "\n".join(lines)


def _table(goal: GoalReport, words: Words) -> list[str]:
    rows: list[Sequence[str]] = [words["head"].split("|"), *(_row(arm, words) for arm in goal.arms)]
    widths = [max(width(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(pad(cell, widths[i], right=i in _RIGHT) for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def _row(arm: ArmReport, words: Words) -> list[str]:
    counts = [_arm(arm.arm, words), f"{arm.exposed:,}", f"{arm.converted:,}", _rate(arm)]
    if arm.uplift is None:
        return [*counts, "", "", "", words["baseline"]]
    return [*counts, *_uplift(arm.uplift), words[arm.uplift.verdict]]


def _uplift(uplift: Uplift) -> list[str]:
    relative = uplift.now.relative
    return [
        "—" if relative is None else _change(relative),
        _interval(uplift.safe),
        f"{_bounded(uplift.now.chance)} %",
    ]


def _notes(one: Measurement, words: Words) -> list[str]:
    notes = [] if one.goals else [words["no_goals"]]
    if not one.has_baseline:
        notes.append(words["no_baseline"])
    if one.sample_ratio.alarm:
        notes.append(_alarm(one, words))
    notes += [words["drifted"].format(one.drifted)] if one.drifted else []
    notes += [words["earlier"].format(one.earlier)] if one.earlier else []
    return notes


def _alarm(one: Measurement, words: Words) -> str:
    ratio = one.sample_ratio
    sizes = (
        words["arm_size"].format(_arm(arm, words), ratio.visitors[arm], expected)
        for arm, expected in ratio.expected.items()
    )
    return words["alarm"].format(", ".join(sizes), f"{ratio.p_value_anytime:.1g}")


def _rate(arm: ArmReport) -> str:
    if arm.rate is None:
        return "—"
    low, high = arm.rate_interval.low or 0, arm.rate_interval.high or 0
    return f"{arm.rate * 100:.1f} % ({low * 100:.1f}–{high * 100:.1f})"


def _interval(interval: Interval) -> str:
    low = "−100 %" if interval.low is None else _change(interval.low)
    return f"{low} … {'∞' if interval.high is None else _change(interval.high)}"


def _change(value: float) -> str:
    """A relative change: `+12 %`, `−3.4 %`."""
    percent = value * 100
    if percent > 999:
        return "> +999 %"
    text = f"{abs(percent):.1f}" if abs(percent) < 9.95 else f"{abs(percent):.0f}"
    return f"{'−' if percent < 0 else '+'}{text} %"


def _bounded(chance: float) -> str:
    """A chance in percent, never said to be sure."""
    percent = chance * 100
    return "< 0.1" if percent < 0.1 else "> 99.9" if percent > 99.9 else f"{percent:.1f}"


def _arm(arm: str, words: Words) -> str:
    # A variant may be called `told`: only a report on alerts has a word for it.
    return words.get(arm, arm) if arm in ("", ANY, "told") else arm


def _time(ms: int, words: Words) -> str:
    for unit, size in (("d", DAY_MS), ("h", 3_600_000)):
        if ms % size == 0:
            return words[unit].format(ms // size)
    return words["min"].format(ms // 60_000)


def width(text: str) -> int:
    """The columns of a terminal that `text` takes: East Asian wide characters two (UAX #11), combining none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """`text` filled up with spaces to so many columns, at its left where it stands `right`."""
    space = " " * max(0, columns - width(text))
    return space + text if right else text + space
