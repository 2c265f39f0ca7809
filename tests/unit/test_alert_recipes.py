"""The rules that docs/alerts.md shows, copied from there, and what each fires on: event by event, in memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alerts.budget import Budget
from alerts.rules import alert_id
from core.events import Event
from leads.accounts import facts_of
from sites.check import check_text
from sites.compile import compile_site
from sites.model import SiteFile
from sites.site import Site
from streams.outcome import Around
from streams.worker import BUDGET
from tests.factories import DAY, HOUR, MINUTE, T0, event, page
from tests.memory import Visitor

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
SNIPPETS = re.findall(r"```yaml\n(.*?)```", PAGE.partition("### Rules to copy")[2], re.DOTALL)
HEAD = """
site: demo
name: Demo
write_key: k
origins: ["https://example.com"]
timezone: Asia/Tokyo
scoring:
  bands: {warm: 20, high: 50}
  rules:
    - {id: visit, on: page, points: 10}
    - {id: order, on: order, points: -30}
"""


def a_site(rule: str) -> Site:
    """A site with the snippet of the docs that holds a rule of this id."""
    snippet = next(one for one in SNIPPETS if re.search(rf"id: {rule}\b", one))
    return checked(HEAD + snippet)


def checked(text: str) -> Site:
    found = check_text(text)
    assert isinstance(found, SiteFile), found
    return compile_site(found, revision=1, rule_versions={})


def fired(where: Site, events: list[Event]) -> list[tuple[str, str]]:
    """The rules that fired, each with its event. The visitors are nobody we know, but may be of one company."""
    visitors: dict[str, Visitor] = {}
    made = {alert_id("demo", rule.id, one.id): (rule.id, one.id) for rule in where.alerts for one in events}
    found = []
    for one in events:
        visitor = visitors.setdefault(one.visitor, Visitor())
        others = [other.profile for other in visitors.values() if other is not visitor and other.profile]
        colleagues = {profile.id: facts_of(profile, "") for profile in others if profile.group == "acme"}
        before = len(visitor.alerts)
        visitor.take(one, where, around=Around(colleagues=colleagues))
        found += [made[name] for name in visitor.alerts[before:]]
    return found


def download(number: int) -> Event:
    return event("whitepaper_download", id=f"d{number}", at=T0 + number * MINUTE)


def identify(employees: int) -> Event:
    return event("identify", at=T0 + employees * MINUTE - 1, props={"employees": employees})


def test_an_event_with_a_condition() -> None:
    events = [download(0), identify(49), download(49), identify(50), download(50)]
    assert fired(a_site("whitepaper"), events) == [("whitepaper", "d50")]


def views(*minutes: int, path: str = "/") -> list[Event]:
    return [page(path, id=f"p{minute}", at=T0 + minute * MINUTE) for minute in minutes]


def test_into_an_audience_and_out_of_it() -> None:
    spent = event("order", id="o", at=T0 + 6 * MINUTE)
    events = [*views(0, 1, 2, 3, 4, 5), spent, *views(7, 8), *views(60, 61)]
    # The second time is within the cooldown: listed, and not told.
    expected = [("became-hot", "p4"), ("cooled-down", "o"), ("became-hot", "p8")]
    assert fired(a_site("became-hot"), events) == expected


def test_the_score_crosses_eighty_each_time_it_comes_from_below() -> None:
    spent = event("order", id="o", at=T0 + 60 * MINUTE)
    events = [*views(*range(10)), spent, *views(*range(61, 65))]
    assert fired(a_site("score-80"), events) == [("score-80", "p7"), ("score-80", "p61")]


def test_points_that_fade_are_no_longer_there_when_the_score_comes_back() -> None:
    faded = HEAD.replace("  bands:", "  half_life: 1d\n  bands:")
    where = checked(faded + next(one for one in SNIPPETS if "score-80" in one))
    weeks_later = [page("/", id=f"q{n}", at=T0 + 20 * DAY + n * MINUTE) for n in range(10)]
    assert fired(where, [*views(*range(10)), *weeks_later]) == [("score-80", "p8"), ("score-80", "q8")]


def of_acme(name: str, days: float, path: str = "/") -> list[Event]:
    at = T0 + int(days * DAY)
    return [
        event("group", id=f"g{name}{days}", visitor=name, at=at, props={"groupId": "acme"}),
        page(path, id=f"{name}{days}", visitor=name, at=at + 1),
    ]


@pytest.mark.parametrize(
    ("rule", "path", "events"),
    [("whole-team", "/", "group"), ("team-on-pricing", "/pricing", "page")],
)
def test_three_people_of_a_company_in_a_week_are_told_once(rule: str, path: str, events: str) -> None:
    """Also where the others go on, and where one who was away comes back within the week."""
    seen = [
        *of_acme("ann", 0, path),
        *of_acme("ben", 1, path),
        *of_acme("ann", 2, path),
        *of_acme("cho", 3, path),
        *of_acme("ann", 4, path),
        *of_acme("ben", 4.5, path),
        *of_acme("dia", 5, path),
        *of_acme("cho", 6, path),
    ]
    found = [(name, by) for name, by in fired(a_site(rule), seen) if name == rule]
    assert found == [(rule, {"group": "gcho3", "page": "cho3"}[events])]


def test_three_people_of_a_company_over_more_than_a_week_are_not() -> None:
    seen = [*of_acme("ann", 0), *of_acme("ben", 1), *of_acme("cho", 8.5), *of_acme("dia", 9)]
    assert fired(a_site("whole-team"), seen) == []
    again = [*of_acme("ann", 0), *of_acme("ben", 1), *of_acme("cho", 2), *of_acme("ann", 30)]
    again += [*of_acme("ben", 31), *of_acme("cho", 32)]
    assert fired(a_site("whole-team"), again) == [("whole-team", "gcho2"), ("whole-team", "gcho32")]


def test_back_after_a_month() -> None:
    events = [
        *views(0, 1),
        page("/", id="week", at=T0 + 7 * DAY),
        page("/", id="month", at=T0 + 37 * DAY + HOUR),
        page("/", id="more", at=T0 + 37 * DAY + HOUR + MINUTE),
        page("/", id="tomorrow", at=T0 + 38 * DAY),
    ]
    # What the cooldown holds back is listed, once, and not told.
    assert fired(a_site("back"), events) == [("back", "month"), ("back", "more")]


def test_quiet_hours_are_those_of_the_example() -> None:
    (rule,) = a_site("office-hours").alerts
    assert [(one.start, one.end, one.days) for one in rule.quiet] == [
        (1200, 480, (0, 1, 2, 3, 4, 5, 6)),
        (0, 1440, (5, 6)),
    ]


def test_every_example_is_a_site_file() -> None:
    assert len(SNIPPETS) == 7
    with_holdout = checked(HEAD + SNIPPETS[-1])
    assert with_holdout.alerts[0].holdout == 0.2


def test_the_budget_of_the_docs_is_the_workers() -> None:
    assert Budget() == BUDGET
    minutes, apart = f"{BUDGET.window_s / 60:g}", f"{BUDGET.spacing_s:g}"
    assert f"**The budget: {BUDGET.limit} messages in {minutes} minutes per channel.**" in PAGE
    assert f"digests, {apart} seconds apart" in PAGE
    assert BUDGET.reserve * 4 == BUDGET.limit  # "a quarter"
