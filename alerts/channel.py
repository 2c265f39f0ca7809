"""One channel's queue: in order, at Slack's pace, and never in another channel's way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from redis.exceptions import RedisError

from alerts.delivery import Pending
from alerts.pacing import Pacing
from alerts.sinks.base import RetryLater

#: After so many failures in a row another alert gets its turn: it may be this one that Slack chokes on.
_TURN = 5


class ChannelQueue:
    """Alerts waiting for one channel. `run` delivers them; what it learnt of the pace outlives it.

    `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        *,
        deliver: Callable[[Sequence[Pending]], Awaitable[bool]],
        pacing: Pacing,
        pace_s: float,
        clock: Callable[[], int],
        jitter: Callable[[], float],
    ) -> None:
        self._deliver, self._pacing, self._pace_s = deliver, pacing, pace_s
        self._clock, self._jitter = clock, jitter
        self._waiting: deque[Pending] = deque()
        self._arrived = asyncio.Event()
        self._arrivals = 0
        self._ready_at = 0.0
        self._failures = 0

    def put(self, pending: Pending) -> None:
        """Add an entry at the end."""
        self._waiting.append(pending)
        self._arrivals += 1
        self._arrived.set()

    def clear(self) -> None:
        """Forget the entries: they are read from the outbox again."""
        self._waiting.clear()

    async def run(self) -> None:
        """Deliver until cancelled. Raises LeaseLost."""
        while True:
            await self._due()
            batch = await self._batch()
            try:
                posted = await self._deliver(batch)
            except RetryLater as later:
                self._failed(later.after_s)
            except (RedisError, OSError):
                self._failed(None)
            else:
                self._delivered(batch, posted)

    async def _due(self) -> None:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        await asyncio.sleep(max(0.0, self._ready_at - _now()))

    async def _batch(self) -> list[Pending]:
        if not self._stale(self._waiting[0]):
            return [self._waiting[0]]
        await self._quiet()
        stale = [pending for pending in self._waiting if self._stale(pending)]
        return stale if len(stale) > self._pacing.singles else stale[:1]

    async def _quiet(self) -> None:
        # A backlog trickles in, oldest first: a digest sent at once would be the first of many.
        end = _now() + self._pacing.gather_s
        while _now() < end and self._stale(self._waiting[-1]):
            arrivals = self._arrivals
            await asyncio.sleep(self._pacing.quiet_s)
            if self._arrivals == arrivals:
                return

    def _stale(self, pending: Pending) -> bool:
        return self._clock() - pending.at > self._pacing.stale_ms

    def _failed(self, after_s: float | None) -> None:
        self._failures += 1
        delay = self._pacing.delay_s(self._failures, self._jitter())
        self._ready_at = _now() + (delay if after_s is None else max(after_s, self._pace_s))
        if self._failures % _TURN == 0:
            self._waiting.rotate(-1)

    def _delivered(self, batch: Sequence[Pending], posted: bool) -> None:
        gone = {pending.entry for pending in batch}
        self._waiting = deque(pending for pending in self._waiting if pending.entry not in gone)
        if posted:
            self._failures = 0
            # From the end of the post: Slack counts arrivals, and two posts take unlike times to arrive.
            self._ready_at = _now() + self._pace_s


def _now() -> float:
    return asyncio.get_running_loop().time()
