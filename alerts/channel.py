"""One channel's queue: at Slack's pace, within its budget, and never in another channel's way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from redis.exceptions import RedisError

from alerts.budget import Spent
from alerts.digest import Cause
from alerts.pacing import Pacing
from alerts.sinks.base import RetryLater
from alerts.turns import Pending, Told
from alerts.waiting import MAX_LATE, Waiting

#: After so many failures in a row another alert gets its turn: it may be this one that Slack chokes on.
_TURN = 5


class Desk(Protocol):
    """Who does what a queue decides. Each raises RetryLater, RedisError and LeaseLost."""

    async def tell(self, batch: Sequence[Pending]) -> Told: ...
    async def digest(self, batch: Sequence[Pending], cause: Cause) -> Told: ...
    async def redraw(self, pending: Pending) -> Told: ...
    async def wait_for_budget(self, batch: Sequence[Pending], seconds: float) -> None: ...
    async def spent(self) -> None: ...


class ChannelQueue:
    """Alerts waiting for one channel. `run` delivers them; what it learnt of the pace outlives it.

    `spent` is the channel's budget, None where it has none. `updates_free`: an update is no message of its
    own. `digests`: alerts may share one. `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        *,
        desk: Desk,
        pacing: Pacing,
        spent: Spent | None,
        pace_s: float,
        updates_free: bool,
        digests: bool,
        clock: Callable[[], int],
        jitter: Callable[[], float],
    ) -> None:
        self._desk, self._pacing, self._spent, self._pace_s = desk, pacing, spent, pace_s
        self._updates_free, self._digests = updates_free, digests
        self._clock, self._jitter = clock, jitter
        self._waiting = Waiting(together=digests, living=updates_free)
        self._newest: Pending | None = None
        self._arrived = asyncio.Event()
        self._arrivals = 0
        self._ready_at = 0.0
        self._failures = 0
        self._held: set[str] = set()

    def put(self, pending: Pending, *, redraw: bool = False) -> None:
        """Add an entry at the end; a click at the front."""
        if redraw:
            self._waiting.put_redraw(pending)
        else:
            self._waiting.put(pending)
            self._newest = pending
        self._arrivals += 1
        self._arrived.set()

    def clear(self) -> None:
        """Forget the entries: they are read from the outbox again."""
        self._waiting.clear()
        self._held.clear()

    async def run(self) -> None:
        """Deliver until cancelled. Raises LeaseLost."""
        while True:
            await self._due()
            self._arrived.clear()
            try:
                what = await self._turn()
            except RetryLater as later:
                self._failed(later.after_s)
            except (RedisError, OSError):
                self._failed(None)
            else:
                await self._done(what)

    async def _due(self) -> None:
        while not len(self._waiting):
            self._arrived.clear()
            await self._arrived.wait()
        await asyncio.sleep(max(0.0, self._ready_at - _now()))

    async def _turn(self) -> str:
        """Send one message: which one is decided here. Returns what was sent (`Told.what`)."""
        waiting = self._waiting
        if waiting.redraws:
            told = await self._desk.redraw(waiting.redraws[0])
            waiting.redraws.popleft()
            return told.what
        if waiting.updates:
            return await self._tell(waiting.updates)
        if (
            waiting.urgent
            and not self._wait_s("urgent")
            and not self._stale(waiting.first(waiting.urgent)[0])
        ):
            return await self._tell(waiting.urgent)
        groups = waiting.urgent or waiting.fresh
        if self._digests and self._stale(waiting.first(groups)[0]):
            return await self._late()
        if not self._wait_s("single"):
            return await self._tell(groups)
        return await self._crowded()

    async def _tell(self, groups: dict[str, list[Pending]]) -> str:
        batch = self._waiting.first(groups)
        key = next(iter(groups))
        told = await self._desk.tell(batch)
        self._waiting.settled(told.settled, groups, [key])
        if told.posted:
            self._waiting.posted(told.posted)
        return told.what

    async def _late(self) -> str:
        """Late ones come together, unless they are few."""
        await self._quiet()
        batch = self._waiting.oldest(self._stale, MAX_LATE)
        if len({one.episode for one in batch}) <= self._pacing.singles:
            groups = self._waiting.urgent or self._waiting.fresh
            return await self._tell(groups) if not self._wait_s("urgent") else await self._crowded()
        if self._wait_s("digest"):
            return await self._crowded()
        return await self._together(batch, "late")

    async def _crowded(self) -> str:
        """The budget is spent: everything waits for the next digest."""
        wait_s = self._wait_s("digest")
        batch = self._waiting.oldest(lambda _: True)
        if wait_s <= 0 and len({one.episode for one in batch}) == 1:
            what = await self._tell(self._waiting.urgent or self._waiting.fresh)
            return "digest" if what == "post" else what
        if wait_s <= 0:
            return await self._together(batch, "budget")
        new = [one for one in batch if one.entry not in self._held]
        if new:
            await self._desk.wait_for_budget(new, wait_s)
            self._held.update(one.entry for one in new)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._arrived.wait()
        return ""

    async def _together(self, batch: list[Pending], cause: Cause) -> str:
        told = await self._desk.digest(batch, cause)
        keys = list(dict.fromkeys(one.episode for one in batch))
        for groups in (self._waiting.urgent, self._waiting.fresh):
            self._waiting.settled(told.settled, groups, keys)
        return told.what

    async def _quiet(self) -> None:
        # A backlog trickles in, oldest first: a digest sent at once would be the first of many.
        end = _now() + self._pacing.gather_s
        while _now() < end and self._newest is not None and self._stale(self._newest):
            arrivals = self._arrivals
            await asyncio.sleep(self._pacing.quiet_s)
            if self._arrivals == arrivals:
                return

    def _stale(self, pending: Pending) -> bool:
        return self._clock() - pending.at > self._pacing.stale_ms

    def _wait_s(self, kind: str) -> float:
        """Seconds until the budget allows a message of that kind."""
        if self._spent is None:
            return 0.0
        waits = {
            "single": self._spent.single_wait,
            "urgent": self._spent.urgent_wait,
            "digest": self._spent.digest_wait,
        }
        return waits[kind](_now())

    def _failed(self, after_s: float | None) -> None:
        self._failures += 1
        delay = self._pacing.delay_s(self._failures, self._jitter())
        self._ready_at = _now() + (delay if after_s is None else max(after_s, self._pace_s))
        if self._failures % _TURN == 0:
            self._waiting.rotate()

    async def _done(self, what: str) -> None:
        if not what:
            return
        self._failures = 0
        # From the end of the post: Slack counts arrivals, and two posts take unlike times to arrive.
        self._ready_at = _now() + self._pace_s
        if self._spent is not None and not (what == "update" and self._updates_free):
            self._spent.add(_now(), digest=what == "digest")
            await self._desk.spent()


def _now() -> float:
    return asyncio.get_running_loop().time()
