"""Clicks in Slack: signed by Slack or nothing happens, answered at once, safe to repeat."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio import Redis
from slack_sdk.signature import SignatureVerifier

from alerts.outbox import Outbox
from alerts.sinks.memory import MemorySink
from server import state
from server.config import from_env
from server.errors import errors_as_json
from server.interactions import add_interactions
from storage.connect import connect
from storage.embedded import Server
from tests.integration.alert_helpers import an_alert, dispatching, enqueue, now_ms, settled, shown

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
Client = TestClient[web.Request, web.Application]


def an_app(redis: Redis, tmp_path: Path, **env: str) -> web.Application:
    app = web.Application(middlewares=[errors_as_json])
    app[state.SETTINGS] = from_env({"KIZASHI_DATA_DIR": str(tmp_path), **env})
    app[state.REDIS], app[state.CLOCK] = redis, now_ms
    add_interactions(app)
    return app


@pytest.fixture
async def client(redis: Redis, tmp_path: Path) -> AsyncIterator[Client]:
    app = an_app(redis, tmp_path, KIZASHI_SLACK_SIGNING_SECRET=SECRET)
    async with TestClient(TestServer(app)) as made:
        yield made


def a_click(action: str = "claim", alert: str = "a1", by: str = "U0001", **more: Any) -> dict[str, Any]:
    said = {"action_id": action, "block_id": f"kizashi.{alert}", "action_ts": f"{time.time():.6f}"}
    return {"type": "block_actions", "user": {"id": by}, "actions": [said | more]}


async def send(
    client: Client, payload: Any, *, age_s: int = 0, secret: str = SECRET, **headers: str
) -> ClientResponse:
    body = urlencode({"payload": payload if isinstance(payload, str) else json.dumps(payload)})
    stamp = str(int(time.time()) - age_s)
    signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body) or ""
    signed = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature} | headers
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return await client.post("/slack/interactions", data=body, headers=form | signed)


async def test_a_click_claims_and_the_message_shows_it(redis: Redis, client: Client) -> None:
    sink = MemorySink()
    async with dispatching(redis, sink):
        await enqueue(redis, an_alert(1))
        await settled(redis)
        started = time.monotonic()
        answer = await send(client, a_click())
        assert (answer.status, await answer.text()) == (200, "")
        assert time.monotonic() - started < 3
        await settled(redis)
        assert "<@U0001> has this" in shown(sink.shown["1"])
        again = [await send(client, a_click(by=by)) for by in ("U0001", "U0002")]
        assert [one.status for one in again] == [200, 200]
        await settled(redis)
    assert "<@U0001> has this" in shown(sink.shown["1"])
    assert sink.updates == 1


async def test_fifty_people_click_at_once_and_one_has_it(redis: Redis, client: Client) -> None:
    await enqueue(redis, an_alert(1))
    people = [f"U{n:04}" for n in range(50)]
    answers = await asyncio.gather(*(send(client, a_click(by=one)) for one in people))
    assert {one.status for one in answers} == {200}
    (standing,) = await Outbox(redis).standings([an_alert(1)])
    assert standing.owner in people
    assert await redis.xlen("kz:outbox") == 2  # the alert, and one redrawing


@pytest.mark.parametrize(
    ("action", "more", "field"),
    [
        ("snooze", {"selected_option": {"value": "4h"}}, "snoozed_by"),
        ("claim", {}, "owner"),
    ],
)
async def test_each_button_does_its_work(
    redis: Redis, client: Client, action: str, more: dict[str, Any], field: str
) -> None:
    await enqueue(redis, an_alert(1))
    assert (await send(client, a_click(action, **more))).status == 200
    (standing,) = await Outbox(redis).standings([an_alert(1)])
    assert getattr(standing, field) == "U0001"


async def test_not_a_fit_and_open(redis: Redis, client: Client) -> None:
    await enqueue(redis, an_alert(1))
    assert [(await send(client, a_click(action))).status for action in ("open", "unfit", "unfit")] == [
        200
    ] * 3
    (standing,) = await Outbox(redis).standings([an_alert(1)])
    assert standing.unfit is not None
    assert standing.unfit.by == "U0001"


@pytest.mark.parametrize(
    "forged",
    [
        {"secret": "another"},
        {"age_s": 301},
        {"age_s": -301},
        {"X-Slack-Signature": "v0=00"},
        {"X-Slack-Signature": "v0=é"},
        {"X-Slack-Request-Timestamp": "yesterday"},
        {"X-Slack-Request-Timestamp": ""},
    ],
    ids=str,
)
async def test_a_forged_or_old_click_is_refused(redis: Redis, client: Client, forged: dict[str, Any]) -> None:
    await enqueue(redis, an_alert(1))
    answer = await send(client, a_click(), **forged)
    assert answer.status == 401
    assert (await answer.json())["error"]["code"] == "bad_signature"
    (standing,) = await Outbox(redis).standings([an_alert(1)])
    assert standing.owner == ""


async def test_a_click_without_a_signature_is_refused(client: Client) -> None:
    assert (await client.post("/slack/interactions", data=b"\xff\xfe")).status == 401


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{",
        "[" * 100_000,
        "[]",
        "null",
        '{"type": "block_actions"}',
        '{"type": "block_actions", "actions": 5}',
        '{"type": "block_actions", "user": 5, "actions": [1, {"action_id": 3}]}',
        {"type": "view_submission"},
        a_click(alert="unknown"),
        a_click(alert="ffff"),
        a_click(alert="a1", by="<!channel>"),
        a_click(action="format_disk"),
        a_click(action="snooze"),
        a_click(action="snooze", selected_option={"value": "for ever"}),
        a_click(action_ts="1e999"),
        a_click() | {"actions": [{"action_id": "claim", "block_id": "other.a1"}]},
    ],
    ids=range(17),
)
async def test_what_is_no_click_of_ours_is_answered_and_changes_nothing(
    redis: Redis, client: Client, payload: Any
) -> None:
    await enqueue(redis, an_alert(1))
    assert (await send(client, payload)).status == 200
    (standing,) = await Outbox(redis).standings([an_alert(1)])
    claims = "1e999" in str(payload)  # a claim of ours, whose time is not to be believed
    assert standing.owner == ("U0001" if claims else "")


async def test_without_a_secret_there_is_no_such_page(redis: Redis, tmp_path: Path) -> None:
    async with TestClient(TestServer(an_app(redis, tmp_path))) as client:
        answer = await send(client, a_click())
        assert answer.status == 404
        assert (await answer.json())["error"]["code"] == "not_found"


async def test_a_store_that_is_away_is_answered_in_time(own_valkey: Server, tmp_path: Path) -> None:
    async with connect(own_valkey.url) as redis:
        app = an_app(redis, tmp_path, KIZASHI_SLACK_SIGNING_SECRET=SECRET)
        async with TestClient(TestServer(app)) as client:
            own_valkey.kill()
            started = time.monotonic()
            assert (await send(client, a_click())).status == 503
            assert time.monotonic() - started < 3


# -- the local outbox page


async def local(client: Client, click: str, block: str = "kizashi.a1", **headers: str) -> int:
    form = {"click": click, "block": block}
    answer = await client.post("/demo/slack/click", data=form, headers=headers, allow_redirects=False)
    return answer.status


async def test_without_slack_the_outbox_pages_buttons_work(redis: Redis, tmp_path: Path) -> None:
    await enqueue(redis, an_alert(1))
    async with TestClient(TestServer(an_app(redis, tmp_path))) as client:
        assert await local(client, "claim", **{"Sec-Fetch-Site": "cross-site"}) == 403
        assert await local(client, "claim", block="kizashi.<b>") == 303
        assert (await Outbox(redis).standings([an_alert(1)]))[0].owner == ""
        assert await local(client, "claim", **{"Sec-Fetch-Site": "same-origin"}) == 303
        assert await local(client, "snooze:1h") == 303
    (standing,) = await Outbox(redis).standings([an_alert(1)])
    assert (standing.owner, standing.snoozed_by) == ("UYOU", "UYOU")


async def test_with_slack_nobody_clicks_there(redis: Redis, tmp_path: Path) -> None:
    await enqueue(redis, an_alert(1))
    app = an_app(redis, tmp_path, KIZASHI_SLACK_BOT_TOKEN="xoxb-1")
    async with TestClient(TestServer(app)) as client:
        assert await local(client, "claim") == 404
    assert (await Outbox(redis).standings([an_alert(1)]))[0].owner == ""
