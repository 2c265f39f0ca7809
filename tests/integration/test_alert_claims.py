"""Claimed, released, claimed again; and the lines of a digest, which can be claimed one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio import Redis

from alerts.budget import Budget
from alerts.clicks import Clicks
from alerts.model import Escalation
from alerts.outbox import Outbox
from alerts.sinks.memory import MemorySink
from alerts.sinks.webhook import WebhookSink
from server import state
from server.admin import bearer_only
from server.claims import add_claims
from server.config import from_env
from server.errors import errors_as_json
from storage.keys import LATER
from tests.integration.alert_helpers import (
    HOUR,
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
from tests.slack_server import SlackServer

TS = "1700000000.000001"
ESCALATE = Escalation(after_ms=15 * MINUTE)


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = now_ms()

    def __call__(self) -> int:
        return self.now


async def owner_of(redis: Redis, number: int = 1) -> str:
    (standing,) = await Outbox(redis).standings([an_alert(number)])
    return standing.owner


# -- release


async def test_who_claimed_it_can_release_it_and_nobody_else(redis: Redis, slack: SlackServer) -> None:
    clicks, at = Clicks(redis), now_ms()
    async with dispatching(redis, slack_sink(slack)):
        await enqueue(redis, an_alert(1))
        await settled(redis)
        assert await clicks.release("a1", by="U1", at=at) is False
        await clicks.claim("a1", by="U1", at=at)
        await settled(redis)
        assert actions(slack.shown[TS]) == ["release", "snooze", "unfit", "open"]
        assert await clicks.release("a1", by="U2", at=at + 1) is False
        assert await clicks.release("a1", by="U1", at=at + 1) is True
        await settled(redis)
        assert actions(slack.shown[TS]) == ["claim", "snooze", "unfit", "open"]
        assert "has this" not in shown(slack.shown[TS])
        assert await clicks.claim("a1", by="U2", at=at + 2) == "U2"
        await settled(redis)
    assert "<@U2> has this" in shown(slack.shown[TS])
    assert len(slack.calls) == 4  # posted, and drawn anew for each click that changed something


async def test_old_clicks_sent_again_neither_claim_nor_release(redis: Redis) -> None:
    clicks, at = Clicks(redis), now_ms()
    await enqueue(redis, an_alert(1))
    await clicks.claim("a1", by="U1", at=at)
    await clicks.release("a1", by="U1", at=at + 10)
    assert await clicks.claim("a1", by="U1", at=at) is None
    assert await owner_of(redis) == ""
    assert await clicks.claim("a1", by="U1", at=at + 20) == "U1"
    assert await clicks.release("a1", by="U1", at=at + 10) is False
    assert await clicks.release("a1", by="", at=at + 10) is False
    assert await owner_of(redis) == "U1"
    # Far older than Slack's signature is good for: the server's clock was set back, and people click all the same.
    await clicks.release("a1", by="U1", at=at + 30)
    assert await clicks.claim("a1", by="U2", at=at - HOUR) == "U2"


async def test_of_many_who_release_and_claim_at_once_one_has_it(redis: Redis) -> None:
    clicks, at = Clicks(redis), now_ms()
    await enqueue(redis, an_alert(1))
    await clicks.claim("a1", by="U0000", at=at)
    releases = (clicks.release("a1", by="U0000", at=at + 1) for _ in range(20))
    claims = (clicks.claim("a1", by=f"U{n:04}", at=at + 2) for n in range(1, 21))
    mixed = [one for pair in zip(releases, claims, strict=True) for one in pair]
    answers = await asyncio.gather(*mixed)
    released, claimed = answers[::2], answers[1::2]
    assert sum(bool(one) for one in released) == 1
    winner = await owner_of(redis)
    assert winner != "U0000"
    assert set(claimed) <= {"U0000", winner}
    assert await redis.xlen("kz:outbox") == 4  # the alert; drawn anew for the claim, the release, the claim


@pytest.mark.parametrize(
    ("claimed", "released", "due"),
    [
        (5, 10, 20),  # five minutes had gone when it was claimed: ten are left
        (5, 60, 70),  # it came due meanwhile
        (0, 1, 16),
    ],
)
async def test_escalation_counts_on_from_where_the_claim_had_stopped_it(
    redis: Redis, claimed: int, released: int, due: int
) -> None:
    sink, clock, clicks = MemorySink(), Clock(), Clicks(redis)
    begun = clock.now

    def later(minutes: float) -> int:
        clock.now = begun + int(minutes * MINUTE)
        return clock.now

    async def woken() -> None:
        async def nothing_due() -> bool:
            return not await redis.zcount(LATER, 0, clock.now) and not await redis.xlen("kz:outbox")

        await until(nothing_due)

    async with dispatching(redis, sink, clock=clock):
        await enqueue(redis, an_alert(1, at=begun, escalate=ESCALATE))
        await settled(redis)
        await clicks.claim("a1", by="U1", at=later(claimed))
        later(max(claimed, released) - 0.5)
        await woken()
        assert await clicks.release("a1", by="U1", at=later(released))
        await woken()
        later(due - 0.5)
        await woken()
        assert [one.alert.id for one in sink.delivered] == ["a1"]
        later(due + 0.5)
        await woken()
        again = [one.alert.reminder for one in sink.delivered]
    assert again == [False, True]
    assert "Nobody has claimed this for 15 min" in shown(sink.shown["1"])


async def test_a_claim_that_stays_is_never_escalated(redis: Redis) -> None:
    sink, clock = MemorySink(), Clock()
    async with dispatching(redis, sink, clock=clock):
        await enqueue(redis, an_alert(1, at=clock.now, escalate=ESCALATE))
        await settled(redis)
        await Clicks(redis).claim("a1", by="U1", at=clock.now)
        clock.now += 24 * HOUR

        async def looked_at() -> bool:
            return not await redis.zcard(LATER) and not await redis.xlen("kz:outbox")

        await until(looked_at)
    assert len(sink.delivered) == 1


# -- by the admin API

AUTH = {"Authorization": "Bearer admin-secret"}


@pytest.fixture
async def client(redis: Redis, tmp_path: Path) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    app = web.Application(middlewares=[errors_as_json, bearer_only])
    app[state.SETTINGS] = from_env({"KIZASHI_DATA_DIR": str(tmp_path), "KIZASHI_ADMIN_TOKEN": "admin-secret"})
    app[state.REDIS], app[state.CLOCK] = redis, now_ms
    add_claims(app)
    async with TestClient(TestServer(app)) as made:
        yield made


async def test_an_admin_can_release_whatever_somebody_has(redis: Redis, client: Any) -> None:
    await enqueue(redis, an_alert(1))
    await Clicks(redis).claim("a1", by="U1", at=now_ms())
    path = "/v1/admin/sites/demo/alerts/a1/release"
    assert (await client.post(path)).status == 401
    assert await owner_of(redis) == "U1"
    answers = [await (await client.post(path, headers=AUTH)).json() for _ in range(2)]
    assert answers == [
        {"id": "a1", "released": True, "owner": None},
        {"id": "a1", "released": False, "owner": None},
    ]
    assert await owner_of(redis) == ""


@pytest.mark.parametrize("path", ["elsewhere/alerts/a1", "demo/alerts/ffff", "demo/alerts/%00%F0%9F%92%A9"])
async def test_no_such_alert_is_404(redis: Redis, client: Any, path: str) -> None:
    await enqueue(redis, an_alert(1))
    await Clicks(redis).claim("a1", by="U1", at=now_ms())
    answer = await client.post(f"/v1/admin/sites/{path}/release", headers=AUTH)
    assert (answer.status, (await answer.json())["error"]["code"]) == (404, "not_found")
    assert await owner_of(redis) == "U1"


# -- digests


def lead(number: int, **more: Any) -> Any:
    return an_alert(
        number, visitor=f"v{number}", traits={"name": f"Lead{number}"}, age_ms=16 * MINUTE, **more
    )


def buttons(message: Any) -> dict[str, str]:
    """The button of each line, by the alert it is about."""
    found = [block for block in message["blocks"] if "accessory" in block]
    return {block["block_id"].removeprefix("kizashi."): block["accessory"]["action_id"] for block in found}


async def test_each_line_of_a_digest_can_be_claimed_and_released(redis: Redis, slack: SlackServer) -> None:
    clicks, at = Clicks(redis), now_ms()
    async with dispatching(redis, slack_sink(slack)):
        await enqueue(redis, *(lead(n) for n in range(14)))
        await settled(redis)
        ids = [f"a{n:x}" for n in range(13, 3, -1)]
        assert buttons(slack.shown[TS]) == dict.fromkeys(ids, "claim")
        await clicks.claim("a9", by="U1", at=at)
        await clicks.claim("a6", by="U2", at=at)
        await settled(redis)
        said = shown(slack.shown[TS])
        assert [("<@U1>" in line, "<@U2>" in line) for line in said.split("\n") if "Lead9" in line] == [
            (True, False)
        ]
        assert [("<@U1>" in line, "<@U2>" in line) for line in said.split("\n") if "Lead6" in line] == [
            (False, True)
        ]
        expected = dict.fromkeys(ids, "claim") | {"a9": "release", "a6": "release"}
        assert buttons(slack.shown[TS]) == expected
        await clicks.release("a9", by="U1", at=at + 1)
        await clicks.not_a_fit("ab", by="U3", at=at)
        await settled(redis)
        expected.pop("ab")
        assert buttons(slack.shown[TS]) == expected | {"a9": "claim"}
        assert "14 alerts arrived late" in shown(slack.shown[TS])
        assert all(f"Lead{n}" in shown(slack.shown[TS]) for n in range(14))
    assert len(slack.messages()) == 1


async def test_what_is_claimed_in_the_message_shows_in_the_digest_too(
    redis: Redis, slack: SlackServer
) -> None:
    async with dispatching(redis, slack_sink(slack)):
        await enqueue(redis, *(lead(n, episode=f"x{n}") for n in range(3)))
        await settled(redis)
        await enqueue(redis, an_alert(9, episode="x1", visitor="v1", traits={"name": "Lead1"}))
        await settled(redis)
        await Clicks(redis).claim("a9", by="U1", at=now_ms())
        await settled(redis)
    digest, message = slack.shown.values()
    assert buttons(digest)["a1"] == "release"
    assert actions(message)[0] == "release"


async def test_an_erased_visitors_line_is_gone_from_the_digest_when_it_is_drawn_again(
    redis: Redis, slack: SlackServer
) -> None:
    async with dispatching(redis, slack_sink(slack)):
        await enqueue(redis, *(lead(n) for n in range(4)))
        await settled(redis)
        await Outbox(redis).erase("demo", "v2")
        await Clicks(redis).claim("a1", by="U1", at=now_ms())
        await settled(redis)
    assert set(buttons(slack.shown[TS])) == {"a0", "a1", "a3"}
    assert "Lead2" not in shown(slack.shown[TS])
    assert "<@U1>" in shown(slack.shown[TS])


async def test_a_digest_that_somebody_deleted_is_not_drawn_again(redis: Redis, slack: SlackServer) -> None:
    async with dispatching(redis, slack_sink(slack)):
        await enqueue(redis, *(lead(n) for n in range(4)))
        await settled(redis)
        slack.shown.clear()
        await Clicks(redis).claim("a1", by="U1", at=now_ms())
        await settled(redis)
        await enqueue(redis, an_alert(9))
        await settled(redis)
    assert await owner_of(redis) == "U1"
    assert {state for state, _ in (await states(redis)).values()} == {"sent"}


async def test_without_working_buttons_a_digest_has_none(redis: Redis, slack: SlackServer) -> None:
    async with dispatching(redis, WebhookSink(url=slack.webhook_url)):
        await enqueue(redis, *(lead(n) for n in range(4)))
        await settled(redis)
    async with dispatching(redis, slack_sink(slack, buttons=False), budget=Budget(limit=60)):
        await enqueue(redis, *(lead(n, channel="#b") for n in range(20, 24)))
        await settled(redis)
    assert [buttons(call.payload) for call in slack.messages()] == [{}, {}]
    assert [len(call.payload["blocks"]) for call in slack.messages()] == [3, 3]
