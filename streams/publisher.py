"""Getting accepted events into the stream: acknowledged before the sender is told they were accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.errors import StoreUnavailable
from core.events import Event, encode_event
from streams.plugins import log
from streams.topics import EVENTS, event_key, partition_of

Message = tuple[int, bytes, bytes]


class Publisher(Protocol):
    """Where the web process puts events.

    `publish` returns once they are durable, `check` once the broker has answered. Both raise StoreUnavailable and
    may be cancelled.
    """

    async def publish(self, events: Sequence[Event]) -> None: ...
    async def check(self) -> None: ...
    async def close(self) -> None: ...


class RedisPublisher:
    """Appends to Redis Streams, all that wait in one round trip: the next batch gathers while one is under way."""

    def __init__(self, *, redis: Redis, partitions: int = 1) -> None:
        self._redis, self._partitions = redis, partitions
        self._waiting: list[tuple[list[Message], asyncio.Future[None]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def publish(self, events: Sequence[Event]) -> None:
        """Append `events` in order."""
        if not events:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(([self._message(event) for event in events], done))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all())
        await done

    def _message(self, event: Event) -> Message:
        key = event_key(event.site, event.visitor).encode()
        return partition_of(key, self._partitions), key, encode_event(event)

    async def _send_all(self) -> None:
        while self._waiting:
            # Whoever gave up waiting has kept the events elsewhere.
            batch, self._waiting = [one for one in self._waiting if not one[1].done()], []
            if not batch:
                return
            try:
                await log.append(
                    self._redis, EVENTS, [message for messages, _ in batch for message in messages]
                )
            except (RedisError, OSError) as error:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(StoreUnavailable(f"the stream did not take the events: {error}"))
                continue
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    async def check(self) -> None:
        """Ask the server whether it is there. Raises StoreUnavailable."""
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"the stream's server does not answer: {error}") from error

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._sender is not None:
            await asyncio.gather(self._sender, return_exceptions=True)


class MemoryPublisher:
    """Keeps events in a list; for tests and rehearsals."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def publish(self, events: Sequence[Event]) -> None:
        """Append to the list."""
        self.events.extend(events)

    async def check(self) -> None:
        """It is always there."""

    async def close(self) -> None:
        """Nothing to close."""
