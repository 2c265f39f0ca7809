"""Idle rules that fire by themselves: when a silence has lasted long enough, an event of our own says so.

The worker keeps in Redis when each visitor's next idle rule comes due, written with the profile; so timers survive
restarts. What is due becomes a `timer` event in the stream, and the one writer of the profile does the rest. An
event too many changes nothing: its id is the visitor's and the time's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.errors import KizashiError
from core.events import Event
from storage import keys
from streams.publisher import Publisher

#: Seconds between looks, and how long an event is given to arrive before it is sent again.
EVERY_S = 1.0
PATIENCE_MS = 60_000
BATCH = 500

log = structlog.get_logger()


def timer_event(site: str, visitor: str, due: int, now: int) -> Event:
    """The event that a visitor's silence makes at `due` (epoch ms)."""
    return Event(
        id=f"timer:{due}",
        site=site,
        visitor=visitor,
        type="timer",
        name="timer",
        at=due,
        received_at=max(due, now),
    )


class Timers:
    """Sends what is due. `clock`: epoch milliseconds."""

    def __init__(self, *, redis: Redis, publisher: Publisher, clock: Callable[[], int]) -> None:
        self._redis, self._publisher, self._clock = redis, publisher, clock
        self._sent: dict[tuple[str, int], int] = {}

    async def run(self) -> None:
        """Look every second, for ever. While the store or the broker is away the timers wait."""
        while True:
            try:
                while await self.tick() == BATCH:
                    pass
            except (RedisError, OSError, KizashiError) as error:
                log.warning("timers wait", reason=type(error).__name__)
            await asyncio.sleep(EVERY_S)

    async def tick(self) -> int:
        """Send the events that are due and not on their way. Returns how many."""
        now = self._clock()
        self._sent = {name: at for name, at in self._sent.items() if now - at < PATIENCE_MS}
        found: list[Any] = await self._redis.zrangebyscore(
            keys.TIMERS, "-inf", now, start=0, num=BATCH + len(self._sent), withscores=True
        )
        due = [(name.decode(), int(score)) for name, score in found]
        fresh = [one for one in due if one not in self._sent][:BATCH]
        await self._publisher.publish([_event(name, at, now) for name, at in fresh])
        self._sent |= dict.fromkeys(fresh, now)
        return len(fresh)


def _event(name: str, due: int, now: int) -> Event:
    site, _, visitor = name.partition(":")
    return timer_event(site, visitor, due, now)
