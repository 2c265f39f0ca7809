"""The brokers that the worker is measured on. Each is its worker's environment, its backlog, its bare consumer."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from redis.asyncio import Redis

from benchmarks import site as measured
from benchmarks.harness import Process, environment
from core.events import Event
from sites.registry import publish
from storage.connect import connect
from storage.embedded import Server
from streams.publisher import Publisher, RedisPublisher

#: Events published in one call.
BATCH = 500


class Backend(Protocol):
    """A running broker with its store."""

    name: str
    store_url: str

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

    name = "Redis Streams"

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


#: Name -> what starts it. A backend added here gets its rows beside the others'.
BACKENDS = {"redis": redis_streams}


async def preload(backend: Backend, events: Sequence[Event]) -> None:
    """Empty the backend, publish the measured site, and put `events` into the stream."""
    await backend.reset()
    async with connect(backend.store_url) as redis:
        await publish(redis, measured.text(), now=1)
        publisher = backend.publisher(redis)
        for start in range(0, len(events), BATCH):
            await publisher.publish(events[start : start + BATCH])
        await publisher.close()
