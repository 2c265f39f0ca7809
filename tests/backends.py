"""The stream backends as the tests see them: publish, read everything back, how far the workers are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from core.events import Event, decode_event
from storage.connect import connect
from storage.embedded import Server
from streams.backend import publisher_for
from streams.plugins import kafka_topic, log
from streams.publisher import MemoryPublisher, Publisher
from streams.topics import EVENTS, GROUP
from tests.kafka import Broker
from tests.processes import until

READ_S = 60.0
#: A worker on streams of several partitions, which no setting asks for: one worker owns them all.
PARTITIONED = "tests.partitioned_worker"
#: Progress that cannot be told because the broker is away.
UNKNOWN = -1
#: Neither a number of events nor UNKNOWN: never equal to what is committed.
NO_END = -2


class Backend(Protocol):
    """One backend with nothing in it at the start."""

    name: str
    env: dict[str, str]
    partitions: int
    worker: tuple[str, ...]
    publisher: Publisher

    async def read(self) -> list[list[Event]]: ...
    async def committed(self) -> int: ...
    async def end(self) -> int: ...
    def away(self) -> None: ...
    def back(self) -> None: ...
    async def close(self) -> None: ...


class Memory:
    """The publisher that keeps events in a list."""

    name, env, partitions = "memory", dict[str, str](), 1

    def __init__(self) -> None:
        self.publisher = MemoryPublisher()

    async def read(self) -> list[list[Event]]:
        """Everything published."""
        return [self.publisher.events]

    async def close(self) -> None:
        """Nothing to close."""


class RedisStreams:
    """The store's own streams, of as many partitions as wanted."""

    def __init__(self, server: Server, partitions: int = 1) -> None:
        self.name = f"redis-streams, {partitions} partition{'s' * (partitions > 1)}"
        self.env, self.partitions = dict[str, str](), partitions
        self.worker = ("cli.main", "worker") if partitions == 1 else (PARTITIONED, str(partitions))
        self._server = server
        self._redis = connect(server.url, socket_timeout=5)
        self._all = [(EVENTS, number) for number in range(partitions)]
        self.publisher = publisher_for(redis=self._redis, broker_url=None, partitions=partitions)

    async def read(self) -> list[list[Event]]:
        """Everything in the streams that is not trimmed."""
        found = await log.read(self._redis, dict.fromkeys(self._all, 1), count=1_000_000, block_ms=1)
        return [[decode_event(entry.value) for entry in found.get(one, [])] for one in self._all]

    async def committed(self) -> int:
        """How many events are committed."""
        found = await log.committed(self._redis, GROUP, self._all)
        return sum(offset - 1 for offset in found.values())

    async def end(self) -> int:
        """How many events there are."""
        return sum([await log.end(self._redis, one) - 1 for one in self._all])

    def away(self) -> None:
        """kill -9 the server."""
        self._server.kill()

    def back(self) -> None:
        """Start it again."""
        self._server.restart()

    async def close(self) -> None:
        """Close the connections."""
        await self.publisher.close()
        await self._redis.aclose()


class Kafka:
    """A real broker."""

    name, worker = "kafka", ("cli.main", "worker")
    partitions = kafka_topic.PARTITIONS

    def __init__(self, broker: Broker, server: Server) -> None:
        self._broker, self._redis = broker, connect(server.url)
        self.env = {"KIZASHI_BROKER_URL": broker.url}
        self.publisher = publisher_for(redis=self._redis, broker_url=broker.url)

    async def read(self) -> list[list[Event]]:
        """Everything in the topic, by partition."""
        found: list[list[Event]] = [[] for _ in range(self.partitions)]
        async with AIOKafkaConsumer(bootstrap_servers=self._broker.address) as consumer:
            tps = [TopicPartition(kafka_topic.TOPIC, number) for number in range(self.partitions)]
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            wanted = sum((await consumer.end_offsets(tps)).values())
            async with asyncio.timeout(READ_S):
                while sum(map(len, found)) < wanted:
                    for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                        found[tp.partition].extend(decode_event(record.value) for record in records)
        return found

    async def by_partition(self) -> dict[int, int]:
        """Partition -> next offset of the group of workers. Raises KafkaError."""
        return await committed_offsets(self._broker)

    async def committed(self) -> int:
        """How many events are committed, over all partitions; UNKNOWN while the broker cannot be asked."""
        try:
            return sum((await self.by_partition()).values())
        except KafkaError:
            return UNKNOWN

    async def end(self) -> int:
        """How many events there are, over all partitions; NO_END while the broker cannot be asked."""
        tps = [TopicPartition(kafka_topic.TOPIC, number) for number in range(self.partitions)]
        address = self._broker.address
        try:
            async with AIOKafkaConsumer(bootstrap_servers=address, request_timeout_ms=5_000) as consumer:
                return sum((await consumer.end_offsets(tps)).values())
        except KafkaError:  # a topic made a moment ago is not known everywhere yet
            return NO_END

    def away(self) -> None:
        """kill -9 the broker."""
        self._broker.kill()

    def back(self) -> None:
        """Start it again."""
        self._broker.restart()

    async def close(self) -> None:
        """Close the connections."""
        await self.publisher.close()
        await self._redis.aclose()


async def committed_offsets(broker: Broker) -> dict[int, int]:
    """Partition -> next offset of the group of workers. Raises KafkaError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address, request_timeout_ms=5_000)
    try:
        await admin.start()
        found = await admin.list_consumer_group_offsets(GROUP)
        return {tp.partition: at.offset for tp, at in found.items() if tp.topic == kafka_topic.TOPIC}
    finally:
        await admin.close()


async def empty(broker: Broker) -> None:
    """Delete the topic, and with it what the group of workers has committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    try:
        await admin.start()
        if kafka_topic.TOPIC in await admin.list_topics():
            await admin.delete_topics([kafka_topic.TOPIC])

        async def gone() -> bool:
            return kafka_topic.TOPIC not in await admin.list_topics()

        await until(gone, READ_S)
    finally:
        await admin.close()

    async def forgotten() -> bool:
        try:
            return not await committed_offsets(broker)
        except KafkaError:  # the first to ask makes the broker set up its groups
            return False

    await until(forgotten, READ_S)


async def publish_all(backend: Backend, events: Sequence[Event], *, at_once: int = 500) -> None:
    """Publish the events in order."""
    for start in range(0, len(events), at_once):
        await backend.publisher.publish(events[start : start + at_once])


async def caught_up(backend: Backend) -> bool:
    """Whether the workers have committed everything there is."""
    return await backend.committed() == await backend.end()
