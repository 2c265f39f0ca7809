"""The brokers that the worker is measured on. Each is its worker's environment, its backlog, its bare consumer."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from redis.asyncio import Redis

from benchmarks import site as measured
from benchmarks.harness import Process, environment
from core.events import Event
from sites.registry import publish
from storage.connect import connect
from storage.embedded import Server
from streams.kafka_publisher import KafkaPublisher
from streams.plugins import kafka_topic
from streams.publisher import Publisher, RedisPublisher
from tests.backends import empty
from tests.kafka import Broker, fetch

#: Events published in one call.
BATCH = 500


class Backend(Protocol):
    """A running broker with its store. Raises Unavailable at its start where this machine cannot have one."""

    name: str
    store_url: str
    partitions: int

    async def reset(self) -> None:
        """Empty the broker and the store."""

    def publisher(self, redis: Redis) -> Publisher:
        """What puts events into the stream, as the web process does."""

    def worker(self) -> Process:
        """Kizashi's worker, started."""

    def bare_consumer(self) -> Process:
        """A loop over the broker's own client that does the same pure step, started."""


class RedisStreams:
    """Redis Streams on the embedded Valkey, append-only file on, as `kizashi up` runs it."""

    name, partitions = "Redis Streams", 1

    def __init__(self, *, server: Server, home: Path) -> None:
        self.store_url, self._home = server.url, home
        self._env = environment(store_url=server.url, data_dir=home)

    async def reset(self) -> None:
        """Empty the store; the streams are in it."""
        async with connect(self.store_url) as redis:
            await redis.flushall()

    def publisher(self, redis: Redis) -> Publisher:
        """Appends to the stream."""
        return RedisPublisher(redis=redis)

    def worker(self) -> Process:
        """`kizashi worker`."""
        return Process("cli.main", "worker", env=self._env, log=self._home / "worker.log")

    def bare_consumer(self) -> Process:
        """An XREAD loop."""
        log = self._home / "bare_consumer.log"
        return Process("benchmarks.bare_consumer", self.store_url, env=self._env, log=log)


@contextlib.contextmanager
def redis_streams() -> Iterator[RedisStreams]:
    """A Valkey of its own for one family of rows."""
    with tempfile.TemporaryDirectory() as home, Server(Path(home) / "store") as server:
        yield RedisStreams(server=server, home=Path(home))


class Kafka:
    """One Kafka broker on plain `java`, the store an embedded Valkey; one worker has every partition."""

    name, partitions = "Kafka", kafka_topic.PARTITIONS

    def __init__(self, *, broker: Broker, server: Server, home: Path) -> None:
        self.store_url, self.broker_url, self._home, self._broker = server.url, broker.url, home, broker
        self._env = environment(store_url=server.url, data_dir=home, KIZASHI_BROKER_URL=broker.url)

    async def reset(self) -> None:
        """Empty the store and the topic."""
        async with connect(self.store_url) as redis:
            await redis.flushall()
        await empty(self._broker)

    def publisher(self, redis: Redis) -> Publisher:
        """Acknowledged by the broker."""
        return KafkaPublisher(broker_url=self._broker.url, redis=redis)

    def worker(self) -> Process:
        """`kizashi worker`, a member of its group by itself."""
        return Process("cli.main", "worker", env=self._env, log=self._home / "worker.log")

    def bare_consumer(self) -> Process:
        """An aiokafka loop."""
        log = self._home / "bare_consumer.log"
        return Process("benchmarks.bare_consumer", self.store_url, self._broker.url, env=self._env, log=log)


@contextlib.contextmanager
def kafka() -> Iterator[Kafka]:
    """A broker and a Valkey of their own for one family of rows. Raises Unavailable."""
    libs = fetch()
    with (
        tempfile.TemporaryDirectory() as home,
        Server(Path(home) / "store") as server,
        Broker(Path(home) / "kafka", libs=libs) as broker,
    ):
        yield Kafka(broker=broker, server=server, home=Path(home))


#: Name -> what starts it. A backend added here gets its rows beside the others'.
BACKENDS: dict[str, Callable[[], AbstractContextManager[Backend]]] = {"redis": redis_streams, "kafka": kafka}


async def preload(backend: Backend, events: Sequence[Event]) -> None:
    """Empty the backend, publish the measured site, and put `events` into the stream."""
    await backend.reset()
    async with connect(backend.store_url) as redis:
        await publish(redis, measured.text(), now=1)
        publisher = backend.publisher(redis)
        for start in range(0, len(events), BATCH):
            await publisher.publish(events[start : start + BATCH])
        await publisher.close()
