"""One living message per buying episode: updated, claimed, snoozed, escalated; and nobody's spam."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count, pairwise

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from alerts.budget import Budget
from alerts.clicks import Clicks
from alerts.model import Alert, Escalation
from alerts.outbox import Outbox
from alerts.quiet import Quiet
from alerts.sinks.base import Message, Sent
from alerts.sinks.memory import MemorySink
from alerts.sinks.webhook import WebhookSink
from storage import keys
from storage.keys import LATER, episode, unfit
from tests.integration.alert_helpers import (
    HOUR,
    LINKS,
    MINUTE,
    actions,
    an_alert,
    dispatching,
    enqueue,
    now_ms,
    settled,
    shown,
    slack_sink,
    states,
    until,
)
from tests.slack_server import Answer, SlackServer


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead


def quiet_now(*, for_ms: int = HOUR) -> Quiet:
    """Quiet hours that are now, and over after `for_ms` (rounded to minutes)."""
    start = datetime.fromtimestamp(now_ms() / 1000 - 120, UTC)
    end = datetime.fromtimestamp((now_ms() + for_ms) / 1000, UTC)
    return Quiet(start=start.hour * 60 + start.minute, end=end.hour * 60 + end.minute, timezone="UTC")


# -- one message


async def test_later_alerts_update_the_message_and_stand_in_its_thread(
    redis: Redis, slack: SlackServer
) -> None:
    async with dispatching(redis, slack_sink(slack)) as dispatcher:
        await enqueue(redis, an_alert(1, episode="x"))
        await settled(redis)
        await enqueue(redis, an_alert(2, episode="x", first=False))
        await settled(redis)
        await enqueue(redis, an_alert(3))
        await settled(redis)
    assert [call.payload["text"] for call in slack.messages("#hot")] == [
        "Taro — Did thing 1. Score 1 (low)",
        "Taro — Did thing 3. Score 3 (low)",
    ]
    ts = "1700000000.000001"
    assert "*Did thing 2*" in shown(slack.shown[ts])
    assert re.search(r"\*Earlier in this episode\*\n• \d\d:\d\d Did thing 1$", shown(slack.shown[ts]), re.M)
    assert ["*Did thing 2*" in shown(reply.payload) for reply in slack.replies(ts)] == [True]
    assert {name: state for name, (state, _) in (await states(redis)).items()} == {
        "a1": "sent",
        "a2": "updated",
        "a3": "sent",
    }
    assert dispatcher.counts == {"sent": 2, "updated": 1}
    at = [call.at for call in slack.calls]
    assert min(b - a for a, b in pairwise(at)) >= 1.0  # each call has its second


async def test_rules_fired_by_one_event_share_a_message_in_each_channel(
    redis: Redis, slack: SlackServer
) -> None:
    both = [replace(an_alert(n, episode="x"), event="e", rule=f"r{n}") for n in (1, 2)]
    async with dispatching(redis, slack_sink(slack)):
        await enqueue(redis, *both, an_alert(3, episode="x", channel="#other"))
        await settled(redis)
    assert len(slack.messages("#hot")) == len(slack.messages("#other")) == 1
    said = shown(slack.messages("#hot")[0].payload)
    assert "*Did thing 2*" in said
    assert "*Did thing 1*" in said
    assert set((await states(redis)).values()) == {("sent", "")}


async def test_a_message_that_somebody_deleted_is_posted_anew(redis: Redis, slack: SlackServer) -> None:
    async with dispatching(redis, slack_sink(slack)):
        await enqueue(redis, an_alert(1, episode="x"))
        await settled(redis)
        slack.shown.clear()
        await enqueue(redis, an_alert(2, episode="x"))
        await settled(redis)
        await enqueue(redis, an_alert(3, episode="x"))
        await settled(redis)
    assert len(slack.messages()) == 2
    assert {name: state for name, (state, _) in (await states(redis)).items()} == {
        "a1": "sent",
        "a2": "sent",
        "a3": "updated",
    }


@pytest.mark.parametrize(
    ("answers", "replies"),
    [
        ([Answer(kind="status", status=500)], [False]),
        ([Answer(), Answer(kind="reset", posted=True)], [False, True]),
        ([Answer(), Answer(kind="status", status=429, retry_after="1")], [False]),
    ],
    ids=["update-500", "reply-reset", "reply-429"],
)
async def test_trouble_with_an_update_makes_at_most_one_marked_copy_of_its_reply(
    redis: Redis, slack: SlackServer, answers: list[Answer], replies: list[bool]
) -> None:
    async with dispatching(redis, slack_sink(slack)):
        await enqueue(redis, an_alert(1, episode="x"))
        await settled(redis)
        slack.script("#hot", *answers)
        await enqueue(redis, an_alert(2, episode="x"))
        await settled(redis)
    assert len(slack.messages()) == 1
    marked = [call.payload["text"].startswith("[possible dup") for call in slack.replies("1700000000.000001")]
    assert marked == replies or marked == [True]  # a 500 may have been done in part, says Slack
    assert (await states(redis))["a2"][0] == "updated"


async def test_where_nothing_can_be_updated_a_short_follow_up_comes(redis: Redis, slack: SlackServer) -> None:
    async with dispatching(redis, WebhookSink(url=slack.webhook_url)):
        await enqueue(redis, an_alert(1, episode="x"))
        await settled(redis)
        await enqueue(redis, an_alert(2, episode="x"), an_alert(3, episode="x"))
        await settled(redis)
    first, second = slack.messages("webhook")
    assert not actions(first.payload)
    assert len(second.payload["blocks"]) == 1
    assert "*Did thing 2*" in shown(second.payload)
    assert "*Did thing 3*" in shown(second.payload)
    assert "/visitors/demo/v1?k=" in shown(second.payload)


# -- clicks


async def test_exactly_one_of_many_claims_wins_and_the_message_shows_who(
    redis: Redis, slack: SlackServer
) -> None:
    async with dispatching(redis, slack_sink(slack)):
        await enqueue(redis, an_alert(1, episode="x"))
        await settled(redis)
        assert actions(slack.shown["1700000000.000001"]) == ["claim", "snooze", "unfit", "open"]
        clicks = Clicks(redis)
        people = [f"U{n:04}" for n in range(30)]
        winners = await asyncio.gather(*(clicks.claim("a1", by=one, at=now_ms()) for one in people))
        await settled(redis)
        (winner,) = set(winners)
        assert f"<@{winner}> has this" in shown(slack.shown["1700000000.000001"])
        assert actions(slack.shown["1700000000.000001"]) == ["release", "snooze", "unfit", "open"]
        drawn = len(slack.calls)
        assert await clicks.claim("a1", by=winner or "", at=now_ms()) == winner
        await enqueue(redis, an_alert(2, episode="x"))
        await settled(redis)
    assert drawn == 2  # thirty clicks drew it once
    assert f"<@{winner}>" in shown(slack.replies("1700000000.000001")[0].payload)
    assert f"<@{winner}> has this" in shown(slack.shown["1700000000.000001"])


async def test_a_claim_shows_in_every_channel_the_episode_is_in(redis: Redis, slack: SlackServer) -> None:
    async with dispatching(redis, slack_sink(slack)):
        await enqueue(redis, an_alert(1, episode="x"), an_alert(2, episode="x", channel="#other"))
        await settled(redis)
        await Clicks(redis).claim("a1", by="U1", at=now_ms())
        await settled(redis)
    assert [("<@U1> has this" in shown(message)) for message in slack.shown.values()] == [True, True]


async def test_a_snooze_holds_updates_until_it_is_over_but_no_enquiry(redis: Redis) -> None:
    sink, clock = MemorySink(), Clock()
    async with dispatching(redis, sink, clock=clock):
        await enqueue(redis, an_alert(1, episode="x"))
        await settled(redis)
        at = now_ms()
        assert await Clicks(redis).snooze("a1", "1h", by="U1", at=at) == at + HOUR
        assert await Clicks(redis).snooze("a1", "4h", by="U2", at=at - 1) == at + HOUR  # an older click
        await settled(redis)
        assert "<@U1> snoozed this until" in shown(sink.shown["1"])
        await enqueue(redis, an_alert(2, episode="x"))
        await settled(redis)
        assert (await states(redis))["a2"] == ("held", "snoozed (U1)")
        assert len(sink.delivered) == 1
        await enqueue(redis, an_alert(3, episode="x", urgent=True, enquiry="Please call"))
        await settled(redis)
        assert "> Please call" in shown(sink.shown["1"])
        clock.ahead = HOUR + MINUTE

        async def told() -> bool:
            return (await states(redis))["a2"][0] == "updated" and not await redis.zcard(LATER)

        await until(told)
        await settled(redis)
    assert "snoozed" not in shown(sink.shown["1"])
    assert [one.thread for one in sink.delivered] == ["", "1", "1"]


@pytest.mark.parametrize(("length", "hours"), [("1h", 1), ("4h", 4), ("morning", None), ("for ever", 0)])
async def test_how_long_a_snooze_is(redis: Redis, length: str, hours: int | None) -> None:
    await enqueue(redis, an_alert(1, timezone="Asia/Tokyo"))
    at = 1_763_780_645_000  # 12:04 in Tokyo
    until_ms = await Clicks(redis).snooze("a1", length, by="U1", at=at)
    tomorrow = int(datetime(2025, 11, 23, 0, tzinfo=UTC).timestamp() * 1000)  # nine in Tokyo
    assert until_ms == (tomorrow if hours is None else at + hours * HOUR if hours else None)


async def test_not_a_fit_quiets_the_visitor_for_thirty_days_and_says_why(redis: Redis) -> None:
    sink = MemorySink()
    async with dispatching(redis, sink):
        await enqueue(redis, an_alert(1, episode="x"))
        await settled(redis)
        assert await Clicks(redis).not_a_fit("a1", by="U1", at=now_ms()) == "U1"
        assert await Clicks(redis).not_a_fit("a1", by="U2", at=now_ms()) == "U1"
        await enqueue(redis, an_alert(2, episode="x"), an_alert(3), an_alert(4, visitor="v2"))
        await enqueue(redis, an_alert(5, urgent=True))
        await settled(redis)
    assert "Not a fit, says <@U1>" in shown(sink.shown["1"])
    assert actions(sink.shown["1"]) == ["open"]
    found = await states(redis)
    assert found["a2"] == found["a3"] == ("suppressed", "not a fit (U1)")
    assert found["a4"] == found["a5"] == ("sent", "")
    assert 29 * 86_400 < await redis.ttl(unfit("demo", "v1")) <= 30 * 86_400


async def test_a_click_on_what_is_gone_changes_nothing(redis: Redis) -> None:
    clicks = Clicks(redis)
    assert await clicks.claim("a1", by="U1", at=1) is None
    assert await clicks.snooze("a1", "1h", by="U1", at=1) is None
    assert await clicks.not_a_fit("a1", by="U1", at=1) is None
    assert await redis.dbsize() == 0


# -- waiting


async def test_quiet_hours_hold_alerts_and_tell_them_together_when_they_end(redis: Redis) -> None:
    sink, clock = MemorySink(), Clock()
    quiet = (quiet_now(),)
    async with dispatching(redis, sink, clock=clock):
        await enqueue(redis, *(an_alert(n, visitor=f"v{n}", quiet=quiet) for n in range(5)))
        await enqueue(redis, an_alert(9, quiet=quiet, urgent=True))
        await settled(redis)
        assert [one.alert.id for one in sink.delivered] == ["a9"]
        assert {v for name, v in (await states(redis)).items() if name != "a9"} == {("held", "quiet hours")}
        held = (await Outbox(redis).get("a0") or {})["held_until"]
        assert held.endswith(":00.000Z")
        clock.ahead = HOUR + 2 * MINUTE

        async def woken() -> bool:
            return not await redis.zcard(LATER)

        await until(woken)
        await settled(redis)
    assert len(sink.delivered) == 2
    assert "5 alerts from the quiet hours" in shown(sink.delivered[1].message)
    assert set((await states(redis)).values()) == {("sent", "")}


async def test_an_unclaimed_alert_is_told_again_and_a_claimed_one_is_not(redis: Redis) -> None:
    sink, clock = MemorySink(), Clock()
    here = Escalation(after_ms=15 * MINUTE, mention="U0BOSS")
    there = Escalation(after_ms=15 * MINUTE, channel="#bosses")
    async with dispatching(redis, sink, clock=clock):
        await enqueue(
            redis,
            an_alert(1, escalate=here),
            an_alert(2, escalate=there),
            an_alert(3, escalate=there),
            an_alert(4, escalate=there),
        )
        await settled(redis)
        await Clicks(redis).claim("a3", by="U1", at=now_ms())
        clock.ahead = 16 * MINUTE

        async def woken() -> bool:
            return not await redis.zcard(LATER)

        await until(woken)
        await settled(redis)
        again = [one for one in sink.delivered if one.alert.reminder]
        assert sorted((one.alert.channel, one.thread) for one in again) == [
            ("#bosses", ""),
            ("#bosses", ""),
            ("#hot", "1"),
        ]
        assert all("Nobody has claimed this for 15 min" in shown(one.message) for one in again)
        assert "<@U0BOSS>" in shown(next(one.message for one in again if one.thread))
        (boss,) = [one.alert.id for one in again if one.alert.event == "e2"]
        await Clicks(redis).claim(boss, by="U0BOSS", at=now_ms())
        await settled(redis)
    both = [text for text in map(shown, sink.shown.values()) if "Did thing 2" in text]
    assert [("<@U0BOSS> has this" in text, "Nobody has claimed" in text) for text in both] == [
        (True, False)
    ] * 2


# -- never spam, never lost


class Timed(MemorySink):
    """Remembers when each message was sent (monotonic seconds)."""

    def __init__(self) -> None:
        super().__init__(pace_s=0.001)
        self.at: list[float] = []

    async def send(self, alert: Alert, message: Message, *, attempt: int) -> Sent:
        self.at.append(time.monotonic())
        return await super().send(alert, message, attempt=attempt)


@pytest.mark.parametrize("leads", [1_000, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_a_burst_stays_within_the_budget_and_every_lead_is_named(redis: Redis, leads: int) -> None:
    sink = Timed()
    alerts = [
        an_alert(n, visitor=f"v{n}", traits={"name": f"Lead{n}"}, urgent=n % 500 == 7) for n in range(leads)
    ]
    budget = Budget(limit=20, window_s=1)
    async with dispatching(redis, sink, budget=budget, lease_ms=10_000) as dispatcher:
        for start in range(0, leads, 500):
            await enqueue(redis, *alerts[start : start + 500])
        await settled(redis, 200)
    named = set[int]()
    for one in sink.delivered:
        named |= {int(number) for number in re.findall(r"Lead(\d+)\b", shown(one.message))}
    assert named == set(range(leads))
    assert dispatcher.counts["sent"] == leads
    assert max(sum(start <= one < start + 1 for one in sink.at) for start in sink.at) <= 20
    assert {state for state, _ in (await states(redis, leads)).values()} == {"sent"}


async def test_no_window_of_time_holds_more_messages_than_the_budget(
    redis: Redis, slack: SlackServer
) -> None:
    class Fast(type(slack_sink(slack))):  # type: ignore[misc]
        pace_s = 0.02

    sink = Fast(token=slack.token, api_url=slack.api_url)
    numbers, waiting = count(), set[str]()
    async with dispatching(redis, sink, budget=Budget(limit=8, window_s=3)):
        for _ in range(12):
            await enqueue(
                redis, *(an_alert(n, visitor=f"v{n}") for n, _ in zip(numbers, range(40), strict=False))
            )
            await asyncio.sleep(0.3)
            waiting |= {why for _, why in (await states(redis, 500)).values()}
        await settled(redis, 60)
    at = [call.at for call in slack.messages()]
    assert max(sum(start <= one < start + 3 for one in at) for start in at) <= 8
    assert waiting <= {"", "budget"}
    assert len(at) < 100  # of 480 alerts: the rest came in digests
    assert {state for state, _ in (await states(redis, 500)).values()} == {"sent"}


async def test_the_budget_outlives_the_process(redis: Redis) -> None:
    budget = Budget(limit=4, window_s=600)
    first, second = MemorySink(pace_s=0.001), MemorySink(pace_s=0.001)
    async with dispatching(redis, first, budget=budget):
        await enqueue(redis, *(an_alert(n, visitor=f"v{n}") for n in range(3)))
        await settled(redis)
    async with dispatching(redis, second, budget=budget):
        await enqueue(redis, *(an_alert(n, visitor=f"v{n}") for n in range(3, 6)))

        async def held() -> bool:
            return ("held", "budget") in (await states(redis)).values()

        async def told() -> bool:
            return len(second.delivered) == 1

        await until(told)
        await enqueue(redis, an_alert(7, visitor="v7"))
        await until(held)
    assert len(first.delivered) + len(second.delivered) == 4


async def test_updates_do_not_count_against_the_budget(redis: Redis) -> None:
    sink = MemorySink(pace_s=0.001)
    async with dispatching(redis, sink, budget=Budget(limit=2, window_s=600)):
        await enqueue(redis, an_alert(1, episode="x"))
        await settled(redis)
        for number in range(2, 8):
            await enqueue(redis, an_alert(number, episode="x"))
            await settled(redis)
    assert sink.updates == 6


async def test_what_is_withheld_is_recorded_and_not_sent(redis: Redis) -> None:
    sink = MemorySink()
    async with dispatching(redis, sink):
        await enqueue(redis, an_alert(1, withheld="cooldown"), an_alert(2, withheld="holdout"), an_alert(3))
        await settled(redis)
    assert await states(redis) == {
        "a1": ("suppressed", "cooldown"),
        "a2": ("suppressed", "holdout"),
        "a3": ("sent", ""),
    }
    assert (await Outbox(redis).get("a1") or {})["happened"] == "Did thing 1"
    assert [one.alert.id for one in sink.delivered] == ["a3"]


async def test_the_servers_clock_set_back_changes_no_pace(redis: Redis, slack: SlackServer) -> None:
    clock = Clock()
    async with dispatching(redis, slack_sink(slack), clock=clock, budget=Budget(limit=2, window_s=600)):
        await enqueue(redis, an_alert(1), an_alert(2))
        await settled(redis)
        clock.ahead = -HOUR
        await enqueue(redis, an_alert(3))

        async def held() -> bool:
            return (await states(redis))["a3"] == ("held", "budget")

        await until(held)
    assert len(slack.messages()) == 2
    assert slack.calls[1].at - slack.calls[0].at >= 1.0


# -- other places, and nobody's any more


class Program(MemorySink):
    """A place that programs read."""

    digests = False

    def channel(self, alert: object) -> str:
        return "program"


async def test_every_other_place_gets_a_copy_with_a_state_of_its_own(redis: Redis) -> None:
    people, program = MemorySink(), Program()
    program.failures.append(ValueError("odd"))
    quiet = (quiet_now(),)
    async with dispatching(redis, people, also={"program": program}):
        await enqueue(redis, *(an_alert(n, episode="x", quiet=quiet) for n in range(3)))
        await settled(redis)
    assert people.delivered == []
    assert [one.alert.event for one in program.delivered] == ["e1", "e2"] or [
        one.alert.event for one in program.delivered
    ] == ["e1"]
    copies = [one for one in await Outbox(redis).recent("demo") if one["channel"] == "program"]
    assert sorted(one["state"] for one in copies) == ["failed", "sent", "updated"]


async def test_a_copy_for_a_place_that_is_no_longer_set_up_fails_in_sight(redis: Redis) -> None:
    async with dispatching(redis, MemorySink()):
        await enqueue(redis, an_alert(1, sink="email"))
        await settled(redis)
    assert (await Outbox(redis).get("a1") or {})["error"] == "no email is set up"


async def test_erasing_a_visitor_leaves_nothing_that_was_told_of_them(redis: Redis) -> None:
    sink = MemorySink()
    async with dispatching(redis, sink):
        await enqueue(redis, an_alert(1, episode="x"), an_alert(2), an_alert(3, visitor="v2"))
        await settled(redis)
        await Clicks(redis).not_a_fit("a1", by="U1", at=now_ms())
        await settled(redis)
        await Outbox(redis).erase("demo", "v1")
    left = {name.decode() for name in await redis.keys("kz:*")} - {keys.DISPATCH_LEASE, keys.OUTBOX}
    assert left == {
        keys.alert("a3"),
        keys.alerts("demo"),
        keys.alerts_of("demo", "v2"),
        episode("ep3"),
    }
    assert await states(redis) == {"a3": ("sent", "")}


async def test_recent_shows_each_message_as_it_is_now(redis: Redis) -> None:
    await enqueue(redis, an_alert(1))
    await Clicks(redis).claim("a1", by="U1", at=now_ms())
    (one,) = await Outbox(redis, visitor_url=LINKS).recent("demo", messages=True)
    assert one["owner"] == "U1"
    assert "<@U1> has this" in shown(one["message"])
