"""The Kafka broker killed with -9 under load: no event answered 2xx is missing, none counts twice."""

from __future__ import annotations

import asyncio
import itertools

import aiohttp
import pytest

from storage.profiles import ProfileReader
from tests.backends import Kafka, caught_up
from tests.kafka import Broker
from tests.processes import Stack, until

WRITERS = 10
URL = "http://shop.example/pricing"


class Writer:
    """One visitor's browser: sends page views one after another, and notes which were answered 2xx."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._stack, self._name = stack, name
        self.token = ""
        self.sent = 0
        self.accepted: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop. A refused event is not sent again."""
        for number in itertools.count():
            if stop.is_set():
                return
            id_ = f"{self._name}-{number}"
            self.sent += 1
            try:
                answer = await self._stack.beacon({"id": id_, "type": "page", "url": URL}, v=self.token)
            except (AssertionError, aiohttp.ClientError):
                await asyncio.sleep(0.05)
                continue
            self.token = answer["v"]
            self.accepted.add(id_)


async def grow(writers: list[Writer], by: int) -> None:
    """Wait until so many more events were accepted, from every writer some."""
    before = [len(writer.accepted) for writer in writers]

    async def grown() -> bool:
        counts = [len(writer.accepted) for writer in writers]
        return sum(counts) >= sum(before) + by and all(
            now > then for now, then in zip(counts, before, strict=True)
        )

    await until(grown, 60)


async def is_ready(stack: Stack, status: int) -> bool:
    """Whether /readyz answers so."""
    async with stack.http.get(f"{stack.base}/readyz") as answer:
        return answer.status == status


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_killed_broker_loses_nothing_that_was_accepted(
    kafka: Broker, kafka_stack: tuple[Stack, Kafka]
) -> None:
    stack, backend = kafka_stack
    writers = [Writer(stack, f"w{number}") for number in range(WRITERS)]
    stop = asyncio.Event()
    writing = [asyncio.create_task(writer.run(stop)) for writer in writers]
    await grow(writers, 100)

    async def begun() -> bool:  # a worker that cannot reach the broker ends, and here nobody starts it again
        return await backend.committed() > 0

    await until(begun, 60)
    await asyncio.to_thread(kafka.kill)
    await until(lambda: is_ready(stack, 503), 60)
    await grow(writers, 100)
    await asyncio.to_thread(kafka.start)
    await grow(writers, 100)
    await until(lambda: is_ready(stack, 200), 60)
    stop.set()
    await asyncio.gather(*writing)
    accepted = {id_ for writer in writers for id_ in writer.accepted}

    async def there() -> bool:  # what waited on the web host's disk comes last
        stored = {event.id for partition in await backend.read() for event in partition}
        return accepted <= stored and await caught_up(backend)

    try:
        await until(there, 60)
    except AssertionError:
        stored = {event.id for partition in await backend.read() for event in partition}
        print(len(accepted), sorted(accepted - stored)[:20], await backend.committed(), await backend.end())
        print(stack.logs())
        raise
    events = [event for partition in await backend.read() for event in partition]
    reader = ProfileReader(redis=stack.redis)
    for writer in writers:
        profile = await reader.get("demo", writer.token.split(".")[0])
        assert profile is not None
        assert len(writer.accepted) <= profile.page_count <= writer.sent
        assert profile.page_count == len({event.id for event in events if event.visitor == profile.id})
