"""The alert rules of a site file: what is taken, what is refused and where, and what they become."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.model import AlertRule, Escalation
from alerts.quiet import Quiet
from sites.check import check_text
from sites.compile import compile_site
from sites.model import SiteFile
from sites.schema import json_schema

HEAD = "site: s\nname: S\nwrite_key: k\norigins: [https://s.example]\naudiences: {hot: {score: {$gte: 50}}}\n"


def rule(text: str) -> AlertRule:
    found = check_text(f"{HEAD}alerts:\n  - {{id: a, on: x, {text}}}\n")
    assert isinstance(found, SiteFile), found
    return compile_site(found, revision=1, rule_versions={}).alerts[0]


def mistakes(text: str) -> list[tuple[str, str]]:
    found = check_text(f"{HEAD}alerts:\n  - {{id: a, on: x, {text}}}\n")
    assert isinstance(found, list)
    return [(one.field, one.message) for one in found]


def test_what_a_rule_says_when_it_says_little() -> None:
    made = rule('channel: "#a"')
    assert (made.channel, made.owner, made.routes, made.quiet, made.escalate) == ("#a", "", (), (), None)
    assert (made.urgent, made.holdout, made.episode_ms, made.cooldown_ms) == (
        False,
        0.0,
        43_200_000,
        1_800_000,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from: 20:00, to: 8:00", Quiet(start=1200, end=480)),
        ('from: "20:00", to: "08:30"', Quiet(start=1200, end=510)),
        (
            'from: "00:00", to: "24:00", days: [sat, sun], timezone: Asia/Tokyo',
            Quiet(start=0, end=1440, days=(5, 6), timezone="Asia/Tokyo"),
        ),
    ],
)
def test_quiet_hours(text: str, expected: Quiet) -> None:
    assert rule(f'channel: "#a", quiet: {{{text}}}').quiet == (expected,)
    assert rule(f'channel: "#a", quiet: [{{{text}}}, {{{text}}}]').quiet == (expected, expected)


def test_escalation_holdout_episode_and_urgency() -> None:
    made = rule('channel: "#a", escalate: {after: 15m, mention: U0123}, holdout: 0.1, episode: 2h')
    assert made.escalate == Escalation(after_ms=900_000, mention="U0123")
    assert (made.holdout, made.episode_ms) == (0.1, 7_200_000)
    assert rule('channel: "#a", urgent: true').urgent


@pytest.mark.parametrize(
    ("text", "routes", "channel", "owner"),
    [
        ('channel: "#a", owner: U0001', [], "#a", "U0001"),
        (
            'channel: "#a", owner: U0001, route: [{when: {intent: high}, channel: "#b"}]',
            [("#b", "U0001")],
            "#a",
            "U0001",
        ),
        (
            'route: [{when: {intent: high}, channel: "#b", owner: U0002}, {channel: "#c", owner: S0003}]',
            [("#b", "U0002")],
            "#c",
            "S0003",
        ),
        ('channel: "#a", route: [{when: {intent: high}, owner: U0002}]', [("#a", "U0002")], "#a", ""),
    ],
)
def test_routes(text: str, routes: list[tuple[str, str]], channel: str, owner: str) -> None:
    made = rule(text)
    assert [(one.channel, one.owner) for one in made.routes] == routes
    assert (made.channel, made.owner) == (channel, owner)
    for one in made.routes:
        assert one.when is not None
        assert (one.when({"intent": "high"}), one.when({"intent": "low"})) == (True, False)


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("cooldown: 1m", "alerts[0].channel", "is required"),
        (
            "route: [{when: {intent: high}, owner: U0001}, {channel: '#a'}]",
            "alerts[0].route[0].channel",
            "is required",
        ),
        (
            'channel: "#a", route: [{owner: U0001}, {when: {intent: high}, channel: "#b"}]',
            "alerts[0].route[0]",
            "nothing after it is reached",
        ),
        (
            'channel: "#a", route: [{when: {intnet: high}, channel: "#b"}]',
            "alerts[0].route[0].when.intnet",
            "did you mean `intent`",
        ),
        ('channel: "#a", owner: "@taro"', "alerts[0].owner", "Slack member id"),
        ('channel: "#a", quiet: {from: "25:00", to: "08:00"}', "alerts[0].quiet[0].from", "time of day"),
        ('channel: "#a", quiet: {from: 20:00, to: 20:00}', "alerts[0].quiet", "begins when it ends"),
        ('channel: "#a", quiet: {from: 0:00, to: 8:00, days: [monday]}', "alerts[0].quiet[0].days[0]", "mon,"),
        ('channel: "#a", quiet: {from: 20:00}', "alerts[0].quiet[0].to", "is required"),
        ('channel: "#a", escalate: {mention: U0001}', "alerts[0].escalate.after", "is required"),
        ('channel: "#a", holdout: 1.5', "alerts[0].holdout", "at most 1"),
        ('channel: "#a", holdout: 0.5, urgent: true', "alerts[0].holdout", "withholds nothing"),
        ('channel: "#a", quiet: {from: 20:00, to: 8:00}, urgent: true', "alerts[0].quiet", "no quiet hours"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, field: str, message: str) -> None:
    found = mistakes(text)
    assert [name for name, _ in found] == [field]
    assert message in found[0][1]


def a_file(rule: str) -> str:
    return f"{HEAD}alerts:\n  - {{id: a, channel: '#a'{rule}}}\n"


def test_a_condition_that_becomes_true() -> None:
    found = check_text(a_file(", becomes: {score: {$gte: 80}, account.people: {$gte: 3}}"))
    assert isinstance(found, SiteFile), found
    site = compile_site(found, revision=1, rule_versions={})
    (made,) = site.alerts
    assert made.becomes is not None
    assert [made.becomes({"score": score, "account": {"people": 3}}) for score in (79, 80)] == [False, True]
    assert (made.reads, site.asks_account) == ({"score", "account.people"}, True)
    assert "becomes" in json_schema()["$defs"]["AlertFile"]["properties"]


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("", "alerts[0]", "exactly one of `on`, `enters`, `leaves` and `becomes`"),
        (", on: x, becomes: {score: {$gte: 80}}", "alerts[0]", "exactly one of"),
        (
            ", becomes: {score: {$gte: eighty, $lt}}",
            "alerts[0].becomes.score.$lt",
            "must be a number or text",
        ),
        (", becomes: {scoer: {$gte: 80}}", "alerts[0].becomes.scoer", "did you mean `score`"),
        (", becomes: 80", "alerts[0].becomes", "must be a mapping"),
        (", becomes: {now.hour: 9}", "alerts[0].becomes", "ask for it in `when`"),
    ],
)
def test_what_is_refused_of_becomes(text: str, field: str, message: str) -> None:
    found = check_text(a_file(text))
    assert isinstance(found, list)
    assert [(one.line, one.field) for one in found] == [(7, field)]
    assert message in found[0].message


def test_the_example_in_the_docs_is_a_site_file() -> None:
    page = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0]
    found = check_text(HEAD.replace("hot: {score: {$gte: 50}}", "high_intent: {intent: high}") + example)
    assert isinstance(found, SiteFile), found
    assert [one.id for one in found.alerts] == ["whitepaper", "became-hot", "enquiry"]
