"""Alerts withheld at random are measured: each visitor once, told of against held out, from event to report."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alerts.model import AlertRule
from core.bucketing import bucket
from core.events import Event
from core.exposures import Measured
from personalization.allocation import allocation
from personalization.counters import Cell, cells, deltas
from personalization.goals import Goal
from personalization.report import Report
from personalization.report_text import render_text
from personalization.told import TOLD, arms, plain, remembered, told_report
from sites.site import Site
from tests.factories import DAY, HOUR, MINUTE, T0, event, site
from tests.memory import Visitor

HOLDOUT = 0.4
GOALS = (Goal(id="order", on="order", window_ms=7 * DAY),)


def a_site(holdout: float = HOLDOUT, **more: Any) -> Site:
    rule = AlertRule(id="wp", channel="#hot", on="whitepaper_download", holdout=holdout, **more)
    return site(alerts=(rule,), goals=GOALS)


def held_out(visitor: str) -> bool:
    return bucket("alert:wp", visitor) < HOLDOUT


def a_visitor(which: bool) -> str:
    """A visitor who is held out, or one who is not."""
    return next(f"v{n}" for n in range(1_000) if held_out(f"v{n}") is which)


def download(visitor: str, at: int = T0, **fields: Any) -> Event:
    return event("whitepaper_download", visitor=visitor, at=at, **fields)


def order(visitor: str, at: int) -> Event:
    return event("order", visitor=visitor, at=at)


def counted(*visitors: Visitor) -> Counter[Any]:
    """The totals, as what the profiles add up to."""
    return Counter(
        cell for one in visitors if one.profile is not None for cell in cells(one.profile.measured)
    )


def reported(found: Report) -> dict[str, tuple[int, int]]:
    """arm -> (visitors, of these converted)."""
    (one,) = found.measurements
    return {arm.arm: (arm.exposed, arm.converted) for arm in one.goals[0].arms}


def report_of(totals: Counter[Any], holdout: float = HOLDOUT) -> Report:
    return told_report(totals, site="demo", holdouts={"wp": holdout}, goals=GOALS)


def test_from_events_to_the_report() -> None:
    """Sales calls those it is told of, which makes half of them buy instead of a fifth."""
    chance = random.Random(5)
    where, totals = a_site(cooldown_ms=30 * MINUTE), Counter[Any]()
    expected = {"": [0, 0], TOLD: [0, 0]}
    for number in range(800):
        name = f"v{number}"
        visitor, before = Visitor(), Measured()
        buys = chance.random() < (0.2 if held_out(name) else 0.5)
        events = [
            event("page", visitor=name),
            download(name, T0 + MINUTE),
            download(name, T0 + 2 * MINUTE),  # cooling down
            download(name, T0 + 2 * HOUR),
            *([order(name, T0 + DAY), order(name, T0 + 2 * DAY)] if buys else []),
        ]
        for one in [*events, events[-1]]:
            visitor.take(one, where)
            assert visitor.profile is not None
            for change in deltas(before, visitor.profile.measured):
                totals[change.cell] += change.by
            before = visitor.profile.measured
        arm = expected["" if held_out(name) else TOLD]
        arm[0] += 1
        arm[1] += buys
    found = report_of(totals)
    assert reported(found) == {name: tuple(pair) for name, pair in expected.items()}
    (one,) = found.measurements
    assert (one.experience, one.drifted, one.earlier, one.has_baseline) == ("wp", 0, 0, True)
    assert not one.sample_ratio.alarm
    uplift = one.goals[0].arms[1].uplift
    assert uplift is not None
    assert uplift.verdict == "better"
    assert uplift.now.relative is not None
    assert uplift.safe.low is not None
    assert 0 < uplift.safe.low < 1.5 < (uplift.safe.high or 99)


@pytest.mark.parametrize("out", [True, False])
@pytest.mark.parametrize(
    ("times", "converted"),
    [
        ([("order", -HOUR), ("download", 0)], 0),  # before it
        ([("download", 0), ("order", 0)], 0),  # with it
        ([("download", 0), ("order", 1)], 1),
        ([("download", 0), ("order", 7 * DAY)], 1),
        ([("download", 0), ("order", 7 * DAY + 1)], 0),
        ([("download", 0), ("download", 5 * DAY), ("order", 8 * DAY)], 0),  # counted from the first
        ([("order", HOUR), ("download", 0)], 1),  # the alert's event came late
    ],
)
def test_a_goal_counts_for_seven_days_from_the_first_firing(
    out: bool, times: list[tuple[str, int]], converted: int
) -> None:
    name, visitor = a_visitor(out), Visitor()
    for what, after in times:
        made = download(name, T0 + after) if what == "download" else order(name, T0 + after)
        visitor.take(made, a_site(), now=T0 + 30 * DAY)
    assert reported(report_of(counted(visitor))) == {
        "": (int(out), converted * out),
        TOLD: (int(not out), converted * (not out)),
    }


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ({}, {"props": {"message": "Please call"}}),  # an enquiry is told whoever makes it
        ({"urgent": True}, {}),
        ({"holdout": 0.0}, {}),
        ({}, {"imported": True}),
    ],
)
def test_what_is_in_neither_arm(rule: dict[str, Any], fields: dict[str, Any]) -> None:
    visitor, name = Visitor(), a_visitor(True)
    visitor.take(download(name, **fields), a_site(**rule))
    assert visitor.profile is not None
    assert visitor.profile.measured == Measured()


def test_an_enquiry_of_somebody_held_out_leaves_them_held_out() -> None:
    visitor, name = Visitor(), a_visitor(True)
    visitor.take(download(name), a_site())
    visitor.take(download(name, T0 + HOUR, props={"message": "Please call"}), a_site())
    visitor.take(order(name, T0 + DAY), a_site())
    assert reported(report_of(counted(visitor)))[""] == (1, 1)
    assert report_of(counted(visitor)).measurements[0].drifted == 0


def test_another_holdout_is_another_measurement_and_who_changed_sides_is_in_neither_arm() -> None:
    name = next(f"v{n}" for n in range(1_000) if HOLDOUT <= bucket("alert:wp", f"v{n}") < 0.6)
    stays = next(f"v{n}" for n in range(1_000) if bucket("alert:wp", f"v{n}") > 0.6)
    moved, same = Visitor(), Visitor()
    for visitor, who in ((moved, name), (same, stays)):
        visitor.take(download(who), a_site())
        visitor.take(download(who, T0 + DAY), a_site(holdout=0.6))
    was, now = report_of(counted(moved, same)), report_of(counted(moved, same), holdout=0.6)
    assert (reported(was), was.measurements[0].drifted) == ({"": (0, 0), TOLD: (1, 0)}, 1)
    assert (reported(now), now.measurements[0].earlier) == ({"": (0, 0), TOLD: (0, 0)}, 1)


def test_a_late_event_that_takes_a_firing_back_does_not_uncount_it() -> None:
    visitor, name = Visitor(), a_visitor(False)
    visitor.take(download(name), a_site())
    visitor.take(order(name, T0 + HOUR), a_site())
    assert visitor.profile is not None
    known = visitor.profile.measured
    nothing = Measured(reached=known.reached)
    assert remembered(known, nothing) == known
    assert deltas(known, remembered(known, nothing)) == ()
    assert remembered(nothing, known) is known


def test_the_report_as_data() -> None:
    visitors = [Visitor(), Visitor()]
    for visitor, out in zip(visitors, (True, False), strict=True):
        visitor.take(download(a_visitor(out)), a_site())
    found = plain(report_of(counted(*visitors)))
    (rule,) = found["rules"]
    assert (found["site"], rule["rule"], rule["drifted"], rule["earlier"]) == ("demo", "wp", 0, 0)
    assert "audience" not in rule
    told = rule["goals"][0]["arms"][1]
    assert (told["arm"], told["exposed"], told["uplift"]["verdict"]) == ("told", 1, "not_enough_data")
    assert rule["sample_ratio"]["visitors"] == {"": 1, "told": 1}


@pytest.mark.parametrize(
    ("locale", "said", "nothing"),
    [
        (
            "en",
            ["wp — visitors it fired for", "held out", "told", "not enough data yet"],
            "No alert rule has a holdout",
        ),
        (
            "ja",
            ["wp — ルールに当てはまった訪問者", "通知しない", "通知した", "まだデータが足りません"],
            "アラートルールがありません",
        ),
    ],
)
def test_the_report_as_text(locale: str, said: list[str], nothing: str) -> None:
    visitor = Visitor()
    visitor.take(download(a_visitor(True)), a_site())
    text = render_text(report_of(counted(visitor)), locale, alerts=True)
    assert [words for words in said if words not in text] == []
    assert nothing in render_text(report_of(Counter(), holdout=0), locale, alerts=True)


def test_the_table_in_the_docs_is_what_is_printed() -> None:
    totals: Counter[Any] = Counter()
    for arm, exposed, converted in (("", 1_000, 60), (TOLD, 4_000, 440)):
        place = {"experience": "alert:whitepaper", "allocation": allocation(arms(0.2)), "variant": arm}
        totals[Cell(**place, measure="exposed")] = exposed
        totals[Cell(**place, measure="converted", goal="order")] = converted
    goal = Goal(id="order", on="order", window_ms=30 * DAY)
    found = told_report(totals, site="demo", holdouts={"whitepaper": 0.2}, goals=(goal,))
    page = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
    assert f"```\n{render_text(found, 'en', alerts=True)}```" in page
