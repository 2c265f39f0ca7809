"""From the beacon to the salesperson: the time until Slack has the alert, among the events of a busy site."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import aiohttp

from benchmarks import site as measured
from benchmarks.harness import Process, environment, until
from benchmarks.load import free_port, listening
from benchmarks.results import Row, aimed, compared
from storage.embedded import Server
from tests.processes import Stack
from tests.slack_server import SlackServer

FAMILY = "Beacon to Slack"
YARDSTICK = "the two bare hops: a POST to aiohttp, a POST to the same Slack"
RATE, SECONDS = 50, 15
#: Beside the alerts: beacons a second, and the page views in each. With them it is 500 events a second.
OTHERS, IN_EACH = 45, 10
#: A channel takes one message a second: enough of them that none has to wait for that.
CHANNELS = 75


class Trip(NamedTuple):
    """One alert and, right after its beacon, one bare trip. Milliseconds."""

    alert: float
    bare: float


def rows() -> list[Row]:
    """Every row of this family."""
    trips = asyncio.run(_measure())
    name = f"{RATE} alerts among {RATE + OTHERS * IN_EACH} events a second for {SECONDS} s"
    goals = {50: 150, 99: 1_000}
    found = [
        compared(
            FAMILY,
            f"p{percent}, {name}",
            [_percentile([trip.alert for trip in trips], percent)],
            "ms",
            YARDSTICK,
            [_percentile([trip.bare for trip in trips], percent)],
        )
        for percent in goals
    ]
    return [aimed(row, "value", most=goal) for row, goal in zip(found, goals.values(), strict=True)]


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


async def _measure() -> list[Trip]:
    with tempfile.TemporaryDirectory() as home, Server(Path(home) / "store") as store:
        port, env = free_port(), environment(store_url=store.url, data_dir=Path(home))
        with Process("benchmarks.bare_server", str(port), env=env, log=Path(home) / "bare.log") as bare:
            await until(lambda: listening(port), bare)
            async with (
                SlackServer() as slack,
                Stack(
                    store_url=store.url,
                    data_dir=Path(home) / "data",
                    port=free_port(),
                    KIZASHI_SLACK_BOT_TOKEN=slack.token,
                    KIZASHI_SLACK_API_URL=slack.api_url,
                ) as stack,
            ):
                await stack.publish(measured.text(alert_on=CHANNELS))
                await _warm_up(stack, slack)
                return await _drive(stack, slack, f"http://127.0.0.1:{port}/v1/beacon")


async def _warm_up(stack: Stack, slack: SlackServer) -> None:
    """One alert, in a channel of its own: from then on every process is at work."""
    await stack.beacon({"id": uuid.uuid4().hex, "type": "track", "name": "whitepaper_download"})
    await slack.until(lambda: bool(slack.posted()), timeout=60)
    slack.calls.clear()


async def _drive(stack: Stack, slack: SlackServer, bare_url: str) -> list[Trip]:
    """Send at the rate, whatever the answers take; then wait for the last alert."""
    count, started = RATE * SECONDS, time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = []
        group.create_task(_busy(stack, started))
        for number in range(count):
            await asyncio.sleep(max(0.0, started + number / RATE - time.monotonic()))
            tasks.append(group.create_task(_beacon(stack, slack, bare_url, number)))
    await slack.until(lambda: len(_arrivals(slack)) == count, timeout=180)
    arrived = _arrivals(slack)
    sent = [task.result() for task in tasks]
    return [Trip((arrived[visitor] - at) * 1_000, bare) for visitor, at, bare in sent]


async def _busy(stack: Stack, started: float) -> None:
    """Page views of visitors who come and go, at a steady rate."""
    async with asyncio.TaskGroup() as group:
        for number in range(OTHERS * SECONDS):
            await asyncio.sleep(max(0.0, started + number / OTHERS - time.monotonic()))
            group.create_task(stack.beacon(*_views(time.time_ns() // 1_000_000)))


def _views(now: int) -> list[dict[str, str | int]]:
    """What a browser has gathered: a page view a second, each with its time (epoch ms), the last one now."""
    return [
        {
            "id": uuid.uuid4().hex,
            "type": "page",
            "url": f"http://shop.example/p{view}",
            "at": now - (IN_EACH - 1 - view) * 1_000,
        }
        for view in range(IN_EACH)
    ]


async def _beacon(stack: Stack, slack: SlackServer, bare_url: str, number: int) -> tuple[str, float, float]:
    """The visitor, when the beacon was sent, and what a bare trip took (ms)."""
    name = f"ask-{number % CHANNELS}"
    event = {"id": uuid.uuid4().hex, "type": "track", "name": name, "url": "http://shop.example/pricing"}
    at = time.monotonic()
    visitor = (await stack.beacon(event))["v"].partition(".")[0]
    return visitor, at, await _bare_trip(stack.http, slack, bare_url, event)


async def _bare_trip(
    http: aiohttp.ClientSession, slack: SlackServer, bare_url: str, event: dict[str, str]
) -> float:
    started = time.monotonic()
    async with http.post(bare_url, data=json.dumps(event)) as answer:
        await answer.read()
    headers = {"Authorization": f"Bearer {slack.token}"}
    body = {"channel": "bare", "text": "x" * 2_000}
    async with http.post(f"{slack.api_url}chat.postMessage", json=body, headers=headers) as answer:
        await answer.read()
    return (time.monotonic() - started) * 1_000


def _arrivals(slack: SlackServer) -> dict[str, float]:
    """Visitor -> when the alert about them arrived (monotonic seconds); each links to its visitor."""
    found: dict[str, float] = {}
    for call in slack.posted():
        if call.channel != "bare" and (
            link := re.search(r"/visitors/demo/([0-9a-f]{32})", json.dumps(call.payload))
        ):
            found.setdefault(link[1], call.at)
    return found
