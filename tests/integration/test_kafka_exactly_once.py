"""Kafka: workers killed, frozen and added at random moments, and the same profiles, ledgers and alerts as a clean
run's. A visitor's events keep their order, those of different visitors do not: profiles are per visitor.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from core.events import Event
from streams.plugins import kafka_topic
from streams.topics import GROUP
from tests.backends import Kafka, caught_up, publish_all
from tests.integration.exactly_once import assert_same, clean_run, clickstream, site_of
from tests.kafka import Broker
from tests.processes import Stack, end, until

#: A dead worker's partitions move when its session is over; everything here may be slow besides.
MOVED_S = 60.0
DRAINED_S = 150.0

pytestmark = pytest.mark.timeout(400)

LONG = pytest.param(50_000, 2_000, 20, id="long", marks=[pytest.mark.soak, pytest.mark.timeout(1_800)])


def sizes(events: int, visitors: int, kills: int) -> pytest.MarkDecorator:
    """The short run, of this size, and the long one."""
    short = pytest.param(events, visitors, kills, id="short", marks=[pytest.mark.slow])
    return pytest.mark.parametrize(("events", "visitors", "kills"), [short, LONG])


class Workers:
    """A stack's workers, of which there may be several."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.running = [stack.worker]

    def add(self) -> None:
        """Start one more."""
        self._stack.start_worker()
        self.running.append(self._stack.worker)

    def kill(self, rng: random.Random) -> None:
        """kill -9 one of them."""
        end(self.running.pop(rng.randrange(len(self.running))), signal.SIGKILL)

    def end(self) -> None:
        """End them all."""
        for worker in self.running:
            end(worker, signal.SIGTERM)


async def moves(backend: Kafka) -> None:
    """Wait until the workers have committed something more, or everything."""
    before = await backend.committed()

    async def moved() -> bool:
        return await backend.committed() > max(before, 0) or await caught_up(backend)

    await until(moved, MOVED_S)


async def drained(backend: Kafka, stack: Stack) -> None:
    """Wait until everything is committed."""

    async def done() -> bool:
        return await caught_up(backend)

    try:
        await until(done, DRAINED_S)
    except AssertionError:
        print(await backend.by_partition(), await backend.end())
        print(stack.logs())
        raise


def portions(events: Sequence[Event], count: int) -> list[Sequence[Event]]:
    """The events in so many parts."""
    bounds = [len(events) * number // count for number in range(count + 1)]
    return [events[start:stop] for start, stop in pairwise(bounds)]


@sizes(4_000, 200, 2)
async def test_random_kills_change_nothing(
    kafka_stack: tuple[Stack, Kafka], events: int, visitors: int, kills: int, figure: Callable[[str], None]
) -> None:
    stack, backend = kafka_stack
    rng = random.Random(events)
    made = clickstream(events=events, visitors=visitors, seed=events)
    expected = clean_run(made, await site_of(stack.redis))
    # Each part is published while the worker that is to die in the midst of it is at work.
    for part in portions(made, kills + 1)[:-1]:
        await publish_all(backend, part)
        await moves(backend)
        await asyncio.sleep(rng.random() * 0.5)
        stack.kill_worker()
        stack.start_worker()
    await publish_all(backend, portions(made, kills + 1)[-1])
    await drained(backend, stack)
    await assert_same(stack.redis, expected)
    figure(f"{len(made)} events, {kills} kills, {len(expected.alerts)} alerts")


@sizes(4_000, 200, 1)
async def test_two_workers_one_killed_and_one_added(
    kafka_stack: tuple[Stack, Kafka], events: int, visitors: int, kills: int, figure: Callable[[str], None]
) -> None:
    stack, backend = kafka_stack
    rng = random.Random(events + 1)
    made = clickstream(events=events, visitors=visitors, seed=events + 1)
    expected = clean_run(made, await site_of(stack.redis))
    workers = Workers(stack)
    workers.add()
    try:
        for number, part in enumerate(portions(made, kills + 1)):
            publishing = asyncio.create_task(publish_all(backend, part, at_once=50))
            await moves(backend)
            await asyncio.sleep(rng.random())
            if number < kills:
                workers.kill(rng)
                workers.add()
            await publishing
        await drained(backend, stack)
    finally:
        workers.end()
    await assert_same(stack.redis, expected)
    figure(f"{len(made)} events, {kills} kills and as many added, {len(expected.alerts)} alerts")


@pytest.mark.slow
async def test_a_frozen_worker_that_wakes_up_changes_nothing(kafka_stack: tuple[Stack, Kafka]) -> None:
    stack, backend = kafka_stack
    made = clickstream(events=4_000, visitors=200, seed=7)
    expected = clean_run(made, await site_of(stack.redis))
    first, second = portions(made, 2)
    await publish_all(backend, first)
    await moves(backend)  # in the midst of it
    frozen = stack.worker
    assert isinstance(frozen, subprocess.Popen)
    frozen.send_signal(signal.SIGSTOP)
    try:
        stack.start_worker()
        await drained(backend, stack)  # by the new worker alone
        frozen.send_signal(signal.SIGCONT)
        await publish_all(backend, second)
        await drained(backend, stack)
    finally:
        frozen.send_signal(signal.SIGCONT)
        end(frozen, signal.SIGTERM)
    await assert_same(stack.redis, expected)


@pytest.mark.slow
async def test_a_group_set_back_to_the_beginning_changes_nothing(
    kafka: Broker, kafka_stack: tuple[Stack, Kafka]
) -> None:
    stack, backend = kafka_stack
    made = clickstream(events=2_000, visitors=100, seed=8)
    expected = clean_run(made, await site_of(stack.redis))
    await publish_all(backend, made)
    await drained(backend, stack)
    end(stack.worker, signal.SIGTERM)
    # On its own it would commit, when it is closed, the positions that it found when it began.
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.address, group_id=GROUP, enable_auto_commit=False
    ) as group:
        start = {TopicPartition(kafka_topic.TOPIC, number): 0 for number in range(kafka_topic.PARTITIONS)}
        group.assign(list(start))
        await group.commit(start)
    assert await backend.committed() == 0
    stack.start_worker()
    await drained(backend, stack)
    await assert_same(stack.redis, expected)
