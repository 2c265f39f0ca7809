"""What a site's experiences are worth: from the counters to a report. Pure, plain data throughout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from personalization.allocation import HOLDOUT, allocation, holdout_share, shares
from personalization.anytime import ratio_interval
from personalization.counters import Cell, Counts, Measure
from personalization.goals import Goal
from personalization.model import Experience
from personalization.sample_ratio import SampleRatio, sample_ratio
from personalization.uplift import LEVEL, Arm, Comparison, Interval, compare, rate, rate_interval

#: The arm of everybody who is not held out, whichever variant they saw.
ANY = "*"
#: A difference below a quarter, either way, is none: an interval that excludes more says "no difference seen".
NOTABLE = 0.25

Verdict = Literal["not_enough_data", "better", "worse", "no_difference", "unequal_arms"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Uplift:
    """A variant against the baseline. `safe` is the relative uplift's interval that holds at every look, and what
    the verdict follows from; all of a measurement's intervals hold together with 95 %. The rest is for one look.
    """

    safe: Interval
    now: Comparison
    verdict: Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmReport:
    """One arm and one goal. `arm` is a variant's id, "" for the holdout, `*` for everybody not held out; `share`
    the share of visitors it should get; `uplift` None for the baseline.
    """

    arm: str
    share: float
    exposed: int
    converted: int
    rate: float | None
    rate_interval: Interval
    uplift: Uplift | None


@dataclass(frozen=True, kw_only=True, slots=True)
class GoalReport:
    """What the arms did for one goal. The first arm is the baseline."""

    goal: str
    label: str
    window_ms: int
    arms: tuple[ArmReport, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One randomized comparison: an experience's choice for one audience ("": everyone), or (`audience` None) the
    whole experience against its holdout.

    `drifted` visitors saw two variants: they are in no arm, and 0 in normal running. `earlier` ones came under
    other shares. `has_baseline` is false where there is nothing to compare with.
    """

    experience: str
    audience: str | None
    allocation: str
    has_baseline: bool
    sample_ratio: SampleRatio
    drifted: int
    earlier: int
    goals: tuple[GoalReport, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All measurements of a site, in the site file's order."""

    site: str
    measurements: tuple[Measurement, ...]

    def plain(self) -> dict[str, Any]:
        """The report as JSON data."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def report(counts: Counts, *, site: str, experiences: Iterable[Experience], goals: Sequence[Goal]) -> Report:
    """Report on a site's experiences, as its published file has them now, from the totals so far."""
    found: list[Measurement] = []
    for experience in experiences:
        if len(experience.choices) > 1 and holdout_share(experience) > 0:
            found.append(_whole(counts, experience, goals))
        found += [
            measurement(counts, experience.id, choice.audience or "", shares(experience, choice), goals)
            for choice in experience.choices
        ]
    return Report(site=site, measurements=tuple(found))


def verdict(safe: Interval) -> Verdict:
    """What an interval that is safe at every look allows to say."""
    if safe.low is not None and safe.low > 0:
        return "better"
    if safe.high is not None and safe.high < 0:
        return "worse"
    known = safe.low is not None and safe.high is not None
    if known and safe.low >= 1 / (1 + NOTABLE) - 1 and safe.high <= NOTABLE:  # type: ignore[operator]
        return "no_difference"
    return "not_enough_data"


def measurement(
    counts: Counts, experience: str, audience: str, arms: Mapping[str, float], goals: Sequence[Goal]
) -> Measurement:
    """One randomized comparison, from the totals so far. `arms` are the shares of visitors they should get."""
    name = allocation(arms)

    def count(arm: str, measure: Measure, goal: str = "") -> int:
        return _count(counts, (experience, audience, name), arm, measure, goal)

    visitors = {arm: count(arm, "exposed") for arm in arms}
    reached = {goal.id: {arm: count(arm, "converted", goal.id) for arm in arms} for goal in goals}
    everyone = [cell for cell in counts if (cell.experience, cell.audience) == (experience, audience)]
    return _measure(
        experience, audience, name, arms, visitors, reached, goals,
        drifted=sum(counts[cell] for cell in everyone if (cell.measure, cell.allocation) == ("drifted", name)),
        earlier=sum(counts[cell] for cell in everyone if cell.measure == "exposed" and cell.allocation != name),
    )  # fmt: skip


def _whole(counts: Counts, experience: Experience, goals: Sequence[Goal]) -> Measurement:
    """Everybody once, where they first met the experience: free of whom the experience itself brought into an
    audience.
    """
    held_out = holdout_share(experience)
    arms = {HOLDOUT: held_out, ANY: 1 - held_out}
    names = {(c.audience or "", allocation(shares(experience, c))) for c in experience.choices}
    own = [cell for cell in counts if cell.experience == experience.id]
    now = [cell for cell in own if (cell.audience, cell.allocation) in names]

    def count(arm: str, measure: Measure, goal: str = "") -> int:
        cells = [cell for cell in now if (cell.measure, cell.goal) == (measure, goal)]
        return sum(counts[cell] for cell in cells if (cell.variant == HOLDOUT) == (arm == HOLDOUT))

    visitors = {arm: count(arm, "entered") for arm in arms}
    reached = {goal.id: {arm: count(arm, "entered_converted", goal.id) for arm in arms} for goal in goals}
    entered = sum(counts[cell] for cell in own if cell.measure == "entered")
    return _measure(
        experience.id, None, allocation(arms), arms, visitors, reached, goals,
        drifted=sum(counts[cell] for cell in now if cell.measure == "drifted"),
        earlier=entered - sum(visitors.values()),
    )  # fmt: skip


def _measure(
    experience: str, audience: str | None, name: str, arms: Mapping[str, float], visitors: Mapping[str, int],
    reached: Mapping[str, Mapping[str, int]], goals: Sequence[Goal], *, drifted: int, earlier: int,
) -> Measurement:  # fmt: skip
    ratio = sample_ratio(visitors, arms)
    used = [arm for arm, share in arms.items() if share > 0]
    return Measurement(
        experience=experience,
        audience=audience,
        allocation=name,
        has_baseline=len(used) > 1,
        sample_ratio=ratio,
        drifted=drifted,
        earlier=earlier,
        goals=tuple(
            GoalReport(
                goal=goal.id, label=goal.label, window_ms=goal.window_ms,
                arms=_arms({arm: Arm(visitors[arm], reached[goal.id][arm]) for arm in used}, arms, ratio),
            )
            for goal in goals
        ),
    )  # fmt: skip


def _arms(arms: Mapping[str, Arm], shares: Mapping[str, float], ratio: SampleRatio) -> tuple[ArmReport, ...]:
    """The first arm, the holdout where there is one, is the baseline of the others."""
    baseline = next(iter(arms))
    return tuple(
        ArmReport(
            arm=name, share=shares[name], exposed=arm.exposed, converted=arm.converted, rate=rate(arm),
            rate_interval=rate_interval(arm),
            uplift=None if name == baseline else _uplift(
                arm, arms[baseline], shares[name], shares[baseline], comparisons=len(arms) - 1, ratio=ratio
            ),
        )
        for name, arm in arms.items()
    )  # fmt: skip


def _uplift(
    arm: Arm, baseline: Arm, share: float, baseline_share: float, *, comparisons: int, ratio: SampleRatio
) -> Uplift:
    # Several variants against one baseline are as many chances to err: each gets its part of the error.
    alpha = (1 - LEVEL) / comparisons
    safe = ratio_interval(
        arm.converted, baseline.converted, share=share, baseline_share=baseline_share, alpha=alpha
    )
    said = "unequal_arms" if ratio.alarm else verdict(safe)
    return Uplift(safe=safe, now=compare(arm, baseline), verdict=said)


def _count(counts: Counts, place: tuple[str, str, str], arm: str, measure: Measure, goal: str) -> int:
    experience, audience, name = place
    cell = Cell(
        experience=experience, audience=audience, allocation=name, variant=arm, measure=measure, goal=goal
    )
    # A restored or partly lost store may hold what cannot be: the report still stands.
    return max(0, counts.get(cell, 0))
