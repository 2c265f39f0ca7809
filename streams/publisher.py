"""Getting accepted events into the stream: acknowledged before the sender is told they were accepted."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.errors import StoreUnavailable
from core.events import Event, encode_event
from storage import keys
from storage.pipe import Pipe
from streams.topics import EVENTS, event_key, partition_of


class Publisher(Protocol):
    """Where the web process puts events.

    `publish` returns once they are durable, `check` once the broker has answered. Both raise StoreUnavailable and
    may be cancelled. `patience_s`: so long `publish` takes at most before it raises; inf where nothing says so.
    """

    patience_s: float

    async def publish(self, events: Sequence[Event]) -> None: ...
    async def check(self) -> None: ...
    async def close(self) -> None: ...


#: The longest that an append may take, in seconds.
PATIENCE_S = 5.0


class RedisPublisher:
    """Appends to Redis Streams; what is published in one turn of the event loop goes in one write."""

    def __init__(self, *, redis: Redis, partitions: int = 1, patience_s: float = PATIENCE_S) -> None:
        self.patience_s, self._partitions = patience_s, partitions
        self._pipe = Pipe(redis, patience_s=patience_s)

    async def publish(self, events: Sequence[Event]) -> None:
        """Append `events` in order."""
        calls = [self._append(event) for event in events]
        try:
            await (calls[0] if len(calls) == 1 else asyncio.gather(*calls))
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"the stream did not take the events: {error}") from error

    def _append(self, event: Event) -> asyncio.Future[Any]:
        key = event_key(event.site, event.visitor).encode()
        stream = keys.stream(EVENTS, partition_of(key, self._partitions))
        return self._pipe.call("XADD", stream, "0-*", "k", key, "v", encode_event(event))

    async def check(self) -> None:
        """Ask the server whether it is there. Raises StoreUnavailable."""
        try:
            await self._pipe.call("PING")
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"the stream's server does not answer: {error}") from error

    async def close(self) -> None:
        """Hang up."""
        await self._pipe.close()


class MemoryPublisher:
    """Keeps events in a list; for tests and rehearsals."""

    patience_s = math.inf

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def publish(self, events: Sequence[Event]) -> None:
        """Append to the list."""
        self.events.extend(events)

    async def check(self) -> None:
        """It is always there."""

    async def close(self) -> None:
        """Nothing to close."""
