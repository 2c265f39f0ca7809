"""What the tests of alerts share: an alert, the outbox filled and emptied, a dispatcher at work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace
from redis.asyncio import Redis

from alerts.dispatch import Dispatcher
from alerts.links import Links
from alerts.model import Alert
from alerts.outbox import Outbox
from alerts.pacing import Pacing
from alerts.sinks.base import Sink
from alerts.sinks.slack import SlackSink
from storage import keys
from tests.slack_server import SlackServer

LINKS = Links(public_url="http://localhost:8080", secret_key="test-secret-key")
MINUTE = 60_000
HOUR = 60 * MINUTE
FAST = Pacing(base_s=0.02, cap_s=0.1, quiet_s=0.1, gather_s=2.0)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def an_alert(number: int, *, episode: str = "", age_ms: int = 0, **more: Any) -> Alert:
    """Alert `a<number>` of event `e<number>`, in the episode of its own or the one given."""
    alert = Alert(
        id=f"a{number:x}",
        site="demo",
        site_name="Acme ERP",
        rule="whitepaper",
        visitor="v1",
        channel="#hot",
        at=now_ms() - age_ms,
        event=f"e{number}",
        cause="whitepaper_download",
        traits={"name": "Taro"},
        score=number,
        why=f"Did thing {number}",
        episode=episode or f"ep{number}",
    )
    return replace(alert, **more)


async def enqueue(redis: Redis, *alerts: Alert) -> None:
    await Outbox(redis).enqueue(alerts)


@asynccontextmanager
async def dispatching(redis: Redis, sink: Sink, **options: Any) -> AsyncIterator[Dispatcher]:
    given: dict[str, Any] = {"visitor_url": LINKS, "clock": now_ms, "pacing": FAST, "lease_ms": 1_000}
    dispatcher = Dispatcher(redis, sink, **given | options)
    running = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        await dispatcher.stop()
        await running
        await sink.close()


async def until(condition: Callable[[], Awaitable[bool]], timeout: float = 30.0) -> None:
    async with asyncio.timeout(timeout):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in Redis
            await asyncio.sleep(0.01)


async def settled(redis: Redis, timeout: float = 30.0) -> None:
    """Wait until nothing is in the outbox."""

    async def empty() -> bool:
        return not await redis.xlen(keys.OUTBOX)

    await until(empty, timeout)


async def states(redis: Redis, limit: int = 100) -> dict[str, tuple[str, str]]:
    """State and reason (why it is not told) by alert."""
    recent = await Outbox(redis).recent("demo", limit)
    told = {"sent", "updated", "pending", "failed"}
    return {one["id"]: (one["state"], "" if one["state"] in told else one["why"]) for one in recent}


def slack_sink(slack: SlackServer, **options: Any) -> SlackSink:
    return SlackSink(token=slack.token, api_url=slack.api_url, **options)


def shown(message: Any) -> str:
    """All that a message's blocks say."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.extend([value["text"]] if isinstance(value.get("text"), str) else [])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(message["blocks"])
    return "\n".join(found)


def actions(message: Any) -> list[str]:
    """The buttons of a message."""
    rows = [block for block in message["blocks"] if block["type"] == "actions"]
    return [element["action_id"] for row in rows for element in row["elements"]]
