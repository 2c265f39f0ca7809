"""Four Kafka partitions shared by two workers, beside one worker that has them all."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from msgspec.structs import replace

from benchmarks import site as measured
from benchmarks.backends import BATCH, Kafka, kafka
from benchmarks.harness import Group, in_turns, until
from benchmarks.results import Row, compared, cores, not_measured
from benchmarks.worker import one_in_each
from core.events import Event
from sites.registry import publish
from storage import keys
from storage.connect import connect
from streams.plugins import kafka_topic
from streams.topics import GROUP
from tests.integration.exactly_once import clickstream
from tests.kafka import Unavailable

FAMILY = "Two workers"
PARTITIONS = 4
ROUNDS = 2
EVENTS, VISITORS = 6_000, 600


class Counted(NamedTuple):
    """A round: CPU of all workers an event, events a second, the workers' share of all cores' time (0 to 1)."""

    cpu_us: float
    per_s: float
    share: float


def rows() -> list[Row]:
    """Every row of this family."""
    try:
        with kafka() as backend:
            asyncio.run(_prepare(backend))
            rounds = iter(range(1_000))

            def taken(workers: int) -> Callable[[], Counted]:
                return lambda: asyncio.run(_round(backend, workers, next(rounds)))

            samples = in_turns({"one": taken(1), "two": taken(2)}, ROUNDS)
    except Unavailable as reason:
        print(f"\nNOT MEASURED, two workers on Kafka: {reason}\n", file=sys.stderr, flush=True)
        return [not_measured(FAMILY, "this machine can have no Kafka broker")]
    return described(samples["one"], samples["two"])


def described(one: Sequence[Counted], two: Sequence[Counted]) -> list[Row]:
    """The rows of the rounds of one worker and of two."""
    figures: list[tuple[str, str, Callable[[Counted], float]]] = [
        (
            f"throughput of two workers, {PARTITIONS} partitions, {cores()} cores",
            "events/s",
            lambda it: it.per_s,
        ),
        ("CPU of an event, both workers together", "µs CPU", lambda it: it.cpu_us),
        ("share of all cores' time that the workers had", "%", lambda it: 100 * it.share),
    ]
    return [
        compared(FAMILY, name, [*map(figure, two)], unit, "one worker", [*map(figure, one)])
        for name, unit, figure in figures
    ]


async def _prepare(backend: Kafka) -> None:
    """The topic, made before anybody makes it with another number of partitions, and the site."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_topic.servers(backend.broker_url))
    try:
        await admin.start()
        await admin.create_topics([NewTopic(kafka_topic.TOPIC, PARTITIONS, -1, {})])
    finally:
        await admin.close()
    async with connect(backend.store_url) as redis:
        await publish(redis, measured.text(), now=1)


async def _round(backend: Kafka, workers: int, number: int) -> Counted:
    """So many workers start and share the partitions; then come the events of visitors whom nobody has seen."""
    with Group(*(backend.worker() for _ in range(workers))) as group:
        await _shared(backend.broker_url, workers, group)
        events = [
            replace(one, visitor=f"r{number}-{one.visitor}")
            for one in clickstream(events=EVENTS, visitors=VISITORS, seed=10 + number)
        ]
        await _counted(backend, _marks(events[0], f"begin{number}-"), group)
        started, cpu = time.perf_counter(), group.cpu_s()
        await _counted(backend, [*events, *_marks(events[0], f"end{number}-")], group)
        took, used = time.perf_counter() - started, group.cpu_s() - cpu
    return Counted(used * 1e6 / len(events), len(events) / took, used / took / cores())


def _marks(like: Event, kind: str) -> list[Event]:
    """An event in each partition."""
    return [replace(like, id=name, visitor=name) for name in one_in_each(kind, PARTITIONS)]


async def _counted(backend: Kafka, events: Sequence[Event], group: Group) -> None:
    """Publish the events, and wait until the last of each partition has been counted."""
    lasts = [keys.profile("demo", one.visitor) for one in events[-PARTITIONS:]]
    async with connect(backend.store_url) as redis:
        publisher = backend.publisher(redis)
        for start in range(0, len(events), BATCH):
            await publisher.publish(events[start : start + BATCH])
        await publisher.close()

        async def done() -> bool:
            return bool(await redis.exists(*lasts) == PARTITIONS)

        await until(done, group)


async def _shared(broker_url: str, members: int, group: Group) -> None:
    """Wait until the group of workers has so many members and has shared the partitions among them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_topic.servers(broker_url))

    async def shared() -> bool:
        try:
            [answer] = await admin.describe_consumer_groups([GROUP])
        except KafkaError:  # the first to ask makes the broker set up its groups
            return False
        _, _, state, _, _, found, *_ = answer.groups[0]
        return state == "Stable" and len(found) == members

    try:
        await admin.start()
        await until(shared, group, every=0.1)
    finally:
        await admin.close()
