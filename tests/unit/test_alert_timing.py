"""Quiet hours, the budget of a channel, and what becomes of an alert whose turn it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from alerts.budget import Budget, Spent
from alerts.model import Alert
from alerts.quiet import Quiet, quiet_until, tomorrow_morning
from alerts.records import Stored
from alerts.settling import Pending
from alerts.standing import Post, Standing, Unfit, encode, parse_standing
from alerts.triage import judge
from alerts.waiting import Waiting

NIGHT = Quiet(start=20 * 60, end=8 * 60)
LUNCH = Quiet(start=12 * 60, end=13 * 60)
WEEKEND = Quiet(start=0, end=24 * 60, days=(5, 6))
FRIDAY_NIGHT = Quiet(start=20 * 60, end=8 * 60, days=(4,))
ZONE = "Europe/Berlin"


def at(text: str, zone: str = ZONE) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        ([NIGHT], "2026-11-20T19:59", None),
        ([NIGHT], "2026-11-20T20:00", "2026-11-21T08:00"),
        ([NIGHT], "2026-11-21T07:59", "2026-11-21T08:00"),
        ([NIGHT], "2026-11-21T08:00", None),
        ([LUNCH], "2026-11-20T12:30", "2026-11-20T13:00"),
        ([FRIDAY_NIGHT], "2026-11-21T03:00", "2026-11-21T08:00"),
        ([FRIDAY_NIGHT], "2026-11-21T21:00", None),
        ([WEEKEND], "2026-11-21T12:00", "2026-11-23T00:00"),
        ([NIGHT, WEEKEND], "2026-11-20T22:00", "2026-11-23T08:00"),  # Friday night to Monday morning
        ([], "2026-11-20T22:00", None),
        # The night the clocks go forward is an hour shorter, and ends at eight all the same.
        ([NIGHT], "2027-03-27T23:00", "2027-03-28T08:00"),
        ([Quiet(start=0, end=24 * 60)], "2026-11-20T12:00", "2026-12-22T00:00"),  # always quiet: not for ever
    ],
)
def test_quiet_hours(hours: list[Quiet], now: str, until: str | None) -> None:
    assert quiet_until(hours, at(now), ZONE) == (at(until) if until else None)


def test_quiet_hours_are_those_of_their_own_zone() -> None:
    tokyo = Quiet(start=20 * 60, end=8 * 60, timezone="Asia/Tokyo")
    noon = at("2026-11-20T12:00")  # 20:00 in Tokyo
    assert quiet_until([tokyo], noon, ZONE) == at("2026-11-21T08:00", "Asia/Tokyo")
    assert quiet_until([NIGHT], noon, ZONE) is None


def test_tomorrow_morning_is_nine_in_the_sites_zone() -> None:
    assert tomorrow_morning(at("2026-11-20T23:30"), ZONE) == at("2026-11-21T09:00")
    assert tomorrow_morning(at("2026-11-21T00:30"), ZONE) == at("2026-11-22T09:00")


# -- the budget


def run_budget(budget: Budget, seconds: int, *, urgent: Callable[[int], bool] = lambda _: False) -> list[str]:
    """A hot lead each second: what is posted in that second."""
    spent, posted = Spent(budget), []
    for now in range(seconds):
        what = ""
        if spent.single_wait(now) == 0:
            what = "single"
        elif urgent(now) and spent.urgent_wait(now) == 0:
            what = "urgent"
        elif spent.digest_wait(now) == 0:
            what = "digest"
        if what:
            spent.add(now, digest=what == "digest")
        posted.append(what)
    return posted


def test_a_burst_stays_within_the_budget_and_nobody_waits_long() -> None:
    posted = run_budget(Budget(limit=20, window_s=600), 1_800)
    for start in range(1_200):
        assert sum(map(bool, posted[start : start + 600])) <= 20
    told = [now for now, what in enumerate(posted) if what]
    assert max(b - a for a, b in pairwise(told)) <= 120
    assert posted[:15] == ["single"] * 15
    assert posted[15] == "digest"


def test_urgent_ones_may_use_what_is_kept_for_digests() -> None:
    posted = run_budget(Budget(limit=20, window_s=600), 30, urgent=lambda now: now >= 17)
    assert posted[17:21] == ["urgent"] * 4
    assert not any(posted[21:])


def test_what_was_posted_before_a_restart_counts() -> None:
    spent = Spent(Budget(limit=4, window_s=100), ages_s=[10, -5, 99, 5_000], now=1_000.0)
    assert spent.urgent_wait(1_000.0) == 0.0  # the last is long over
    assert spent.single_wait(1_000.0) == pytest.approx(1.0)
    assert spent.single_wait(1_001.0) == 0.0


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_small_budget_holds_too(limit: int) -> None:
    posted = run_budget(Budget(limit=limit, window_s=50), 200)
    assert all(0 < sum(map(bool, posted[start : start + 50])) <= limit for start in range(150))


# -- whose turn it is

NOW = at("2026-11-20T22:00")
ALERT = Alert(
    id="a", site="s", site_name="S", rule="r", visitor="v", channel="#c", at=NOW, event="e", cause="c",
    timezone=ZONE,
)  # fmt: skip
SLEEPING = Standing(snoozed_by="U1", snoozed_until=NOW + 1)


@pytest.mark.parametrize(
    ("alert", "standing", "fate", "why"),
    [
        ({}, Standing(), "tell", ""),
        ({"quiet": (NIGHT,)}, Standing(), "hold", "quiet hours"),
        ({"quiet": (LUNCH,)}, Standing(), "tell", ""),
        ({"quiet": (NIGHT,), "urgent": True}, Standing(), "tell", ""),
        ({"quiet": (NIGHT,), "test": True}, Standing(), "tell", ""),
        ({}, SLEEPING, "hold", "snoozed (U1)"),
        ({"urgent": True}, SLEEPING, "tell", ""),
        ({}, Standing(snoozed_by="U1", snoozed_until=NOW), "tell", ""),
        ({}, Standing(unfit=Unfit(by="U2", at=NOW - 1)), "suppress", "not a fit (U2)"),
        ({}, Standing(unfit=Unfit(by="U2", at=NOW - 31 * 86_400_000)), "tell", ""),
        ({"urgent": True}, Standing(unfit=Unfit(by="U2", at=NOW - 1)), "tell", ""),
        ({"reminder": True}, Standing(owner="U1"), "suppress", "claimed"),
        ({"reminder": True}, Standing(), "tell", ""),
        ({}, Standing(owner="U1"), "tell", ""),
    ],
)
def test_what_becomes_of_an_alert(alert: dict[str, Any], standing: Standing, fate: str, why: str) -> None:
    verdict = judge(Stored(alert=replace(ALERT, **alert)), standing, NOW)
    assert (verdict.fate, verdict.why) == (fate, why)
    assert (verdict.until > NOW) == (fate == "hold")


def test_a_settled_or_exhausted_alert_is_not_told() -> None:
    assert judge(Stored(alert=ALERT, outcome="sent"), Standing(), NOW).fate == "drop"
    assert judge(Stored(alert=ALERT, unanswered=2), Standing(), NOW).fate == "fail"


def test_a_standing_is_read_as_it_is_kept() -> None:
    post = Post(channel="C1", ts="1.2", alerts=("a", "b"))
    fields = {b"owner": b"U1", b"owner_at": b"5", b"post:#hot": encode(post), b"site": b"s"}
    read = parse_standing(fields, encode(Unfit(by="U2", at=7)))
    assert read == Standing(owner="U1", owner_at=5, unfit=Unfit(by="U2", at=7), posts={"#hot": post})


# -- the queue


def pending(name: str, episode: str, **more: Any) -> Pending:
    return Pending(entry=name, alert_id=name, at=0, queued_at=0, episode=episode, **more)


def test_an_episodes_alerts_wait_together_and_follow_its_message() -> None:
    waiting = Waiting()
    for name, episode in (("1", "x"), ("2", "y"), ("3", "x")):
        waiting.put(pending(name, episode))
    assert [one.entry for one in waiting.first(waiting.fresh)] == ["1", "3"]
    waiting.settled(frozenset({"1"}), waiting.fresh, ["x"])
    waiting.posted("x")
    waiting.put(pending("4", "x"))
    assert [one.entry for one in waiting.first(waiting.updates)] == ["3", "4"]
    assert list(waiting.fresh) == ["y"]
    waiting.put(pending("5", "y", urgent=True))
    assert [one.entry for one in waiting.first(waiting.urgent)] == ["2", "5"]
    assert not waiting.fresh


@pytest.mark.parametrize(("together", "groups"), [(True, 1), (False, 3)])
def test_a_program_gets_each_alert_by_itself(together: bool, groups: int) -> None:
    waiting = Waiting(together=together)
    for name in "123":
        waiting.put(pending(name, "x", posted=not together))
    assert len(waiting.fresh) == groups
    assert not waiting.updates
