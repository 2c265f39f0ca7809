"""Which rules fire, when they may fire again, and what an alert holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from alerts.episodes import continued, rejoined
from alerts.model import Alert, AlertRule, Place, Route
from alerts.rules import FADED, fire
from alerts.sample import sample
from alerts.words import duration, happened, moved
from core.bucketing import bucket
from core.events import Event
from core.profiles import Episode, PageVisit, Profile, Session, Source, Tally, TopicStat

MINUTE = 60_000
AT = 1_763_780_645_000


def an_event(name: str = "whitepaper_download", **changes: Any) -> Event:
    event = Event(
        id="e1",
        site="demo",
        visitor="v1",
        type="track",
        name=name,
        at=AT,
        received_at=AT,
        props={"title": "ERP"},
    )
    return replace(event, **changes)


def a_profile(**changes: Any) -> Profile:
    return replace(Profile(id="v1", site="demo", first_at=AT - MINUTE, last_at=AT, score=0), **changes)


def fired(
    *rules: AlertRule,
    before: Profile | None = None,
    after: Profile | None = None,
    event: Event | None = None,
    attributes: Mapping[str, Any] | None = None,
    earlier: Mapping[str, Any] | None = None,
    locale: str = "en",
    **more: Any,
) -> tuple[list[Alert], dict[str, int]]:
    return fire(
        rules,
        before=before,
        after=after or a_profile(),
        event=event or an_event(),
        attributes=attributes or {},
        earlier=lambda: earlier or {},
        place=Place(site="demo", name="Acme ERP", locale=locale, timezone="Asia/Tokyo", **more),
    )


def is_warm(attributes: Mapping[str, Any]) -> bool:
    return bool(attributes.get("score", 0) >= 20)


ON = AlertRule(id="wp", channel="#hot", on="whitepaper_download")
ENTERS = AlertRule(id="hot", channel="#hot", enters="high_intent")
LEAVES = AlertRule(id="cold", channel="#hot", leaves="high_intent")
WHEN = AlertRule(id="warm", channel="#hot", on="whitepaper_download", when=is_warm)
BOTH = AlertRule(id="both", channel="#hot", on="whitepaper_download", enters="high_intent")
NEITHER = AlertRule(id="neither", channel="#hot")
IN = ("returning", "high_intent")


@pytest.mark.parametrize(
    ("rule", "name", "was", "now", "score", "fires"),
    [
        (ON, "whitepaper_download", (), (), 0, True),
        (ON, "page", (), (), 0, False),
        (ENTERS, "page", None, IN, 0, True),
        (ENTERS, "page", (), IN, 0, True),
        (ENTERS, "page", IN, IN, 0, False),
        (ENTERS, "page", IN, (), 0, False),
        (LEAVES, "page", IN, ("returning",), 0, True),
        (LEAVES, "page", None, (), 0, False),
        (LEAVES, "page", (), IN, 0, False),
        (WHEN, "whitepaper_download", (), (), 20, True),
        (WHEN, "whitepaper_download", (), (), 19, False),
        (BOTH, "whitepaper_download", (), IN, 0, True),
        (BOTH, "page", (), IN, 0, False),
        (BOTH, "whitepaper_download", IN, IN, 0, False),
        (NEITHER, "page", (), IN, 0, False),
    ],
)
def test_what_fires(
    rule: AlertRule, name: str, was: tuple[str, ...] | None, now: tuple[str, ...], score: int, fires: bool
) -> None:
    alerts, alerted = fired(
        rule,
        before=None if was is None else a_profile(audiences=was),
        after=a_profile(audiences=now),
        event=an_event(name),
        attributes={"score": score},
    )
    assert [alert.rule for alert in alerts] == ([rule.id] if fires else [])
    assert alerted == ({rule.id: AT} if fires else {})


@pytest.mark.parametrize(
    ("was", "now", "fires"),
    [(19, 20, True), (20, 21, False), (19, 19, False), (25, 10, False), (None, 20, True), (None, 5, False)],
)
def test_a_condition_becomes_true_once(was: int | None, now: int, fires: bool) -> None:
    rule = AlertRule(id="warm", channel="#hot", becomes=is_warm)
    earlier = {} if was is None else {"score": was}
    alerts, _ = fired(rule, attributes={"score": now}, earlier=earlier)
    assert [one.rule for one in alerts] == (["warm"] if fires else [])


@pytest.mark.parametrize(
    ("reads", "facts", "english", "japanese"),
    [
        ({"score"}, {"score": 82.5}, "The score came to 82.5", "スコアが82.5になりました"),
        (
            {"account.people", "score"},
            {"account": {"people": 3, "name": "Acme"}},
            "3 people of Acme came within 7 days",
            "この7日間にAcmeの3人が訪れました",
        ),
        (
            {"account.people"},
            {"account": {"people": 3}},
            "3 people of one company came within 7 days",
            "この7日間に同じ会社の3人が訪れました",
        ),
        ({"traits.plan"}, {}, "Became “big fish”", "「big fish」に当てはまりました"),
    ],
)
def test_why_where_a_condition_became_true(
    reads: set[str], facts: dict[str, Any], english: str, japanese: str
) -> None:
    rule = AlertRule(id="big-fish", channel="#c", becomes=bool, reads=frozenset(reads))
    for locale, said in (("en", english), ("ja", japanese)):
        (alert,), _ = fired(rule, attributes={"any": 1} | facts, locale=locale)
        assert alert.why == said
        shown = sample(rule, site="s", site_name="S", locale=locale, timezone="UTC", now=AT)
        assert shown.why != ""


@pytest.mark.parametrize(
    ("last", "cooldown", "fires", "remembered"),
    [
        (None, 30 * MINUTE, True, AT),
        (AT - 30 * MINUTE, 30 * MINUTE, True, AT),
        (AT - 30 * MINUTE + 1, 30 * MINUTE, False, AT - 30 * MINUTE + 1),
        (AT + 30 * MINUTE - 1, 30 * MINUTE, False, AT + 30 * MINUTE - 1),  # the event came late
        (AT + 30 * MINUTE, 30 * MINUTE, True, AT + 30 * MINUTE),
        (AT, 0, True, AT),
    ],
)
def test_cooldown(last: int | None, cooldown: int, fires: bool, remembered: int) -> None:
    rule = AlertRule(id="wp", channel="#hot", on="whitepaper_download", cooldown_ms=cooldown)
    before = {"other": 5} | ({} if last is None else {"wp": last})
    # It was received an hour after it happened.
    event = an_event(received_at=AT + 60 * MINUTE)
    alerts, alerted = fired(rule, after=a_profile(alerted=before), event=event)
    assert [alert.withheld for alert in alerts] == ["" if fires else "cooldown"]
    reported = {} if fires else {"wp~": remembered}
    assert alerted == {"other": 5, "wp": remembered} | reported
    assert fires or fired(rule, after=a_profile(alerted=alerted), event=event) == ([], alerted)


@pytest.mark.parametrize(
    ("back", "why"),
    [
        (29 * MINUTE, "cooldown"),
        (2 * 60 * MINUTE, "cooldown"),
        (23 * 60 * MINUTE, "cooldown"),
        (25 * 60 * MINUTE, ""),  # the clock had been wrong before: no rule is silent for a year
    ],
)
def test_a_cooldown_holds_when_the_servers_clock_is_set_back(back: int, why: str) -> None:
    rule = AlertRule(id="wp", channel="#hot", on="whitepaper_download", cooldown_ms=30 * MINUTE)
    _, alerted = fired(rule)
    (again,), _ = fired(
        rule, after=a_profile(alerted=alerted), event=an_event(id="e2", at=AT - back, received_at=AT - back)
    )
    assert again.withheld == why


# -- who is told, where, and who is not


def test_a_holdout_withholds_the_share_that_anyone_can_recompute() -> None:
    rule = AlertRule(id="wp", channel="#hot", on="whitepaper_download", holdout=0.25)
    told = []
    for number in range(1_000):
        (alert,), alerted = fired(rule, after=a_profile(id=f"v{number}"))
        assert alert.withheld == ("holdout" if bucket("alert:wp", f"v{number}") < 0.25 else "")
        assert alerted == {"wp": AT}
        told.append(not alert.withheld)
    assert 700 < sum(told) < 800


@pytest.mark.parametrize(
    ("event", "urgent", "withheld"),
    [
        (an_event(), False, "holdout"),
        (an_event(), True, ""),
        (an_event(props={"message": "Please call"}), False, ""),
        (an_event("identify", type="identify", props={"inquiry": "Please call"}), False, ""),
        (an_event(props={"message": "  ", "question": 5}), False, "holdout"),
    ],
)
def test_an_enquiry_is_urgent_and_never_withheld(event: Event, urgent: bool, withheld: str) -> None:
    rule = AlertRule(
        id="wp", channel="#hot", on=event.name, holdout=1.0, urgent=urgent, cooldown_ms=30 * MINUTE
    )
    (alert,), alerted = fired(rule, event=event)
    assert alert.withheld == withheld
    assert (alert.urgent, bool(alert.enquiry)) == (withheld == "", "Please call" in event.props.values())
    again, _ = fired(rule, after=a_profile(alerted=alerted), event=replace(event, id="e2", at=AT + 1))
    assert [one.withheld for one in again] == ["" if alert.enquiry else "cooldown"]


@pytest.mark.parametrize(
    ("region", "channel", "owner"),
    [("east", "#east", "U1"), ("west", "#west", "U0"), ("north", "#hot", "U0")],
)
def test_the_first_route_that_holds_says_where_to(region: str, channel: str, owner: str) -> None:
    rule = AlertRule(
        id="wp",
        channel="#hot",
        owner="U0",
        on="whitepaper_download",
        routes=(
            Route(channel="#east", owner="U1", when=lambda facts: facts["region"] == "east"),
            Route(channel="#west", owner="U0", when=lambda facts: facts["region"] == "west"),
            Route(channel="#never", when=lambda facts: facts["region"] == "west"),
        ),
    )
    (alert,), _ = fired(rule, attributes={"region": region})
    assert (alert.channel, alert.owner) == (channel, owner)


# -- episodes

EPISODE = 60 * MINUTE


def told_at(*minutes: int, rules: int = 1) -> list[tuple[str, bool]]:
    """The episode of each alert, and whether it began it, for events at those minutes."""
    every = [
        AlertRule(id=f"r{i}", channel="#hot", on="whitepaper_download", episode_ms=EPISODE)
        for i in range(rules)
    ]
    profile, alerts = a_profile(), []
    for minute in minutes:
        at = AT + minute * MINUTE
        event = an_event(id=f"e{minute}", at=at, received_at=at)
        told, alerted = fired(*every, after=profile, event=event)
        profile = replace(profile, alerted=alerted, episode=continued(profile.episode, told))
        alerts += told
    return [(alert.episode, alert.first) for alert in alerts]


def test_an_episode_goes_on_until_nothing_is_told_for_long() -> None:
    first, second, third, fourth = told_at(0, 59, 118, 178)
    assert [one[1] for one in (first, second, third, fourth)] == [True, False, False, True]
    assert first[0] == second[0] == third[0] != fourth[0]
    assert told_at(0, 59, 118, 178) == [first, second, third, fourth]


def test_two_rules_fired_by_one_event_are_one_episode() -> None:
    assert [first for _, first in told_at(0, 5, rules=2)] == [True, False, False, False]
    assert len({episode for episode, _ in told_at(0, 5, rules=2)}) == 1


def test_what_nobody_is_told_neither_begins_nor_lengthens_an_episode() -> None:
    rule = AlertRule(
        id="wp", channel="#hot", on="whitepaper_download", cooldown_ms=45 * MINUTE, episode_ms=EPISODE
    )
    profile, known = a_profile(), []
    for minute in (0, 40, 70):
        at = AT + minute * MINUTE
        alerts, alerted = fired(rule, after=profile, event=an_event(id=f"e{minute}", at=at, received_at=at))
        profile = replace(profile, alerted=alerted, episode=continued(profile.episode, alerts))
        known.append((alerts[0].withheld, profile.episode.last_at if profile.episode else None))
    assert known == [("", AT), ("cooldown", AT), ("", AT + 70 * MINUTE)]


def test_an_episode_that_people_know_keeps_its_id_when_a_late_event_begins_it_earlier() -> None:
    told = Episode(id="known", first_at=AT, last_at=AT + 5)
    again = Episode(id="anew", first_at=AT - 10, last_at=AT + 5)
    late = replace(fired(ON)[0][0], episode="anew", first=True)
    kept, (alert,) = rejoined(told, again, [late])
    assert kept == Episode(id="known", first_at=AT - 10, last_at=AT + 5)
    assert (alert.episode, alert.first) == ("known", False)
    later = Episode(id="next", first_at=AT + 6, last_at=AT + 9)
    assert rejoined(told, later, [late]) == (later, [late])
    assert rejoined(None, again, []) == (again, [])


def test_two_rules_fire_and_a_replay_makes_the_same_ids() -> None:
    first, _ = fired(ON, ENTERS, after=a_profile(audiences=IN))
    again, _ = fired(ON, ENTERS, after=a_profile(audiences=IN, score=12))
    other, _ = fired(ON, event=an_event(id="e2"))
    ids = [alert.id for alert in first]
    assert ids == [alert.id for alert in again]
    assert len({*ids, other[0].id}) == 3
    assert all(len(name) == 20 and int(name, 16) >= 0 for name in ids)


@pytest.mark.parametrize(
    ("tallies", "score", "parts"),
    [
        ({"a": Tally(points=30, count=1), "b": Tally(points=15, count=3)}, 45, [("a", 30), ("b", 15)]),
        ({"a": Tally(points=5), "b": Tally(points=0), "c": Tally(points=-30)}, -25, [("a", 5), ("c", -30)]),
        ({}, 0, []),
        ({"a": Tally(points=30), "b": Tally(points=10)}, 35, [("a", 30), ("b", 10), (FADED, -5)]),
        ({"a": Tally(points=0.1), "b": Tally(points=0.2)}, 0.3, [("b", 0.2), ("a", 0.1)]),
        ({"a": Tally(points=1 / 3), "b": Tally(points=1 / 7)}, 0.47619, [("a", 0.333333), ("b", 0.142857)]),
    ],
)
def test_parts_sum_exactly_to_the_score(
    tallies: dict[str, Tally], score: float, parts: list[tuple[str, float]]
) -> None:
    (alert,), _ = fired(ON, after=a_profile(points=tallies, score=score))
    assert [(p.rule, pytest.approx(p.points, abs=1e-5)) for p in alert.parts] == parts
    assert math.fsum(p.points for p in alert.parts) == score


def test_parts_fade_with_the_half_life() -> None:
    tallies = {"old": Tally(points=40, as_of=AT - 100, count=1), "new": Tally(points=10, as_of=AT, count=1)}
    (alert,), _ = fired(ON, after=a_profile(points=tallies, score=30), half_life_ms=100)
    assert [(p.rule, p.points) for p in alert.parts] == [("old", 20), ("new", 10)]


def test_an_alert_holds_what_a_salesperson_needs() -> None:
    visits = [
        PageVisit(
            event="1", at=1, url="u", path="/pricing", title="Pricing", topic="pricing", engaged_ms=5_000
        ),
        PageVisit(event="2", at=2, url="u", path="/", title="Top", engaged_ms=1_000),
        PageVisit(event="3", at=3, url="u", path="/pricing", title="Price list", engaged_ms=7_000),
    ]
    source = Source(utm_source="google", referrer_class="search", referrer_host="google.com")
    after = a_profile(
        traits={"name": "Taro", "company": {"name": "Acme"}},
        pages=tuple(visits),
        topics={"a": TopicStat(views=1), "pricing": TopicStat(views=2, engaged_ms=1)},
        session=Session(started_at=1, last_at=2, landing_path="/lp", source=source),
        session_count=3,
        page_count=3,
        engaged_ms=13_000,
        intent="high",
    )
    rule = replace_rule(ON, instruction="Call now")
    (alert,), _ = fired(rule, after=after)
    assert [(p.path, p.title, p.topic, p.engaged_ms) for p in alert.pages] == [
        ("/", "Top", "", 1_000),
        ("/pricing", "Price list", "pricing", 12_000),
    ]
    assert alert.source == {
        "utm_source": "google",
        "referrer_host": "google.com",
        "referrer_class": "search",
        "landing_path": "/lp",
    }
    assert list(alert.topics.items()) == [("pricing", 2), ("a", 1)]
    assert (alert.company, alert.instruction, alert.channel) == ("Acme", "Call now", "#hot")
    assert (alert.session_count, alert.engaged_ms, alert.intent, alert.at) == (3, 13_000, "high", AT)


def replace_rule(rule: AlertRule, *, instruction: str) -> AlertRule:
    return AlertRule(id=rule.id, channel=rule.channel, on=rule.on, instruction=instruction)


@pytest.mark.parametrize(
    ("traits", "attributes", "group", "company"),
    [
        ({"company": "Acme"}, {"account": {"domain": "acme.jp"}}, "g", "Acme"),
        ({}, {"account": {"domain": "acme.jp"}}, "g", "acme.jp"),
        ({"company": 5}, {}, "g", "g"),
        ({}, {"account": None}, "", ""),
    ],
)
def test_company(traits: dict[str, Any], attributes: dict[str, Any], group: str, company: str) -> None:
    (alert,), _ = fired(ON, after=a_profile(traits=traits, group=group), attributes=attributes)
    assert alert.company == company


@pytest.mark.parametrize(
    ("name", "english", "japanese"),
    [
        ("whitepaper_download", "Downloaded a whitepaper", "ホワイトペーパーをダウンロードしました"),
        ("case-study-download", "Downloaded a case study", "導入事例をダウンロードしました"),
        ("requestDemo", "Requested a demo", "デモを依頼しました"),
        ("email_open", "Opened an email", "メールを開きました"),
        ("pricing_view", "Viewed pricing", "料金を見ました"),
        ("Order Completed", "Order completed", "「Order Completed」しました"),
        ("download", "Download", "「download」しました"),
        ("identify", "Told us who they are", "連絡先を入力しました"),
    ],
)
def test_event_names_in_words(name: str, english: str, japanese: str) -> None:
    assert happened(name, {}, "en") == english
    assert happened(name, {}, "ja-JP") == japanese


def test_why_in_both_languages() -> None:
    after = a_profile(
        audiences=IN, pages=(PageVisit(event="p", at=1, url="u", path="/p", engaged_ms=95_000),)
    )
    page, engage = an_event("page", type="page", title="Pricing"), an_event("engage", type="engage")
    on_page = AlertRule(id="p", channel="#c", on="page")
    on_engage = AlertRule(id="g", channel="#c", on="engage")
    cases = [
        (ON, an_event(), "Downloaded a whitepaper: ERP", "ホワイトペーパーをダウンロードしました（ERP）"),
        (ENTERS, an_event(), "Entered the “high intent” audience", "高意欲オーディエンスに入りました"),
        (on_page, page, "Viewed “Pricing”", "「Pricing」のページを見ました"),
        (on_engage, engage, "Spent 1 min 35 s on “/p”", "「/p」を1分35秒読みました"),
    ]
    for rule, event, english, japanese in cases:
        assert [a.why for a in fired(rule, after=after, event=event)[0]] == [english]
        assert [a.why for a in fired(rule, after=after, event=event, locale="ja")[0]] == [japanese]
    assert moved("vip_list", "ja", entered=False) == "「vip_list」オーディエンスから外れました"


@pytest.mark.parametrize(
    ("ms", "english", "japanese"),
    [
        (0, "0 s", "0秒"),
        (999, "0 s", "0秒"),
        (80_000, "1 min 20 s", "1分20秒"),
        (480_000, "8 min", "8分"),
        (3_660_500, "1 h 1 min", "1時間1分"),
        (-5, "0 s", "0秒"),
    ],
)
def test_durations(ms: int, english: str, japanese: str) -> None:
    assert (duration(ms, "en"), duration(ms, "ja")) == (english, japanese)
