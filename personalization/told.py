"""Alert rules that withhold a random share, measured as experiences are: the told against the held out. Pure.

A rule that fires for a visitor is met by them at that moment, whether people are told or not: both arms begin
with the same kind of moment, and what follows is the alert's doing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.exposures import Measured
from personalization.allocation import HOLDOUT, allocation
from personalization.counters import Counts
from personalization.exposure import Exposure, expose
from personalization.goals import Goal
from personalization.report import Report, measurement

#: The arm of those that people are told of.
TOLD = "told"
#: No experience's id holds a colon.
_PREFIX = "alert:"


def arms(holdout: float) -> dict[str, float]:
    """The shares of visitors held out and told of."""
    return {HOLDOUT: holdout, TOLD: 1 - holdout}


def fired(
    measured: Measured,
    *,
    rule: str,
    holdout: float,
    held_out: bool,
    visitor: str,
    revision: int,
    at: int,
    goals: Sequence[Goal],
) -> Measured:
    """The state after a rule with this `holdout` fired for a visitor at `at` (epoch ms). The first time counts."""
    met = Exposure(
        experience=f"{_PREFIX}{rule}",
        variant=HOLDOUT if held_out else TOLD,
        allocation=allocation(arms(holdout)),
        revision=revision,
        visitor=visitor,
        at=at,
    )
    return expose(measured, met, goals)


def remembered(known: Measured, anew: Measured) -> Measured:
    """`anew`, folded again with a late event among the others, and the alerts of `known` that did not fire this
    time: people were told of them all the same, and each counts once.
    """
    there = {(one.experience, one.audience) for one in anew.exposed}
    lost = [
        one
        for one in known.exposed
        if one.experience.startswith(_PREFIX) and (one.experience, one.audience) not in there
    ]
    if not lost:
        return anew
    both = sorted((*anew.exposed, *lost), key=lambda one: (one.experience, one.audience))
    return Measured(exposed=tuple(both), reached=anew.reached)


def told_report(counts: Counts, *, site: str, holdouts: Mapping[str, float], goals: Sequence[Goal]) -> Report:
    """Report on the rules of `holdouts` (rule -> share held out), from the totals so far. A measurement's
    `experience` is the rule's id.
    """
    found = (
        measurement(counts, f"{_PREFIX}{rule}", "", arms(holdout), goals)
        for rule, holdout in holdouts.items()
        if holdout > 0
    )
    named = (replace(one, experience=one.experience.removeprefix(_PREFIX)) for one in found)
    return Report(site=site, measurements=tuple(named))


def plain(report: Report) -> dict[str, Any]:
    """The report as JSON data: `{"site", "rules": [{"rule", …}]}`, each as a measurement of an experience."""
    found = report.plain()
    rules = [
        {"rule": one.pop("experience")} | {name: value for name, value in one.items() if name != "audience"}
        for one in found["measurements"]
    ]
    return {"site": found["site"], "rules": rules}
