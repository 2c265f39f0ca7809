"""The dispatcher: takes alerts from the outbox to people, each exactly once as far as a network allows."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from alerts.budget import Budget
from alerts.channels import Channels
from alerts.intake import Intake
from alerts.links import VisitorUrl
from alerts.outbox import Outbox
from alerts.pacing import Pacing
from alerts.settling import Settling
from alerts.sinks.base import Sink
from alerts.turns import Told
from core.errors import LeaseLost
from storage import keys
from storage.lease import Lease

log = structlog.get_logger(__name__)
_READ = 200
_BLOCK_MS = 1_000
_WAKE_S = 0.5
BUDGET = Budget()


class _Stop(Exception):
    """Leave the task group: stop() was called."""


class Dispatcher:
    """Sends while it holds the lease; waits for it otherwise. Several may run, one of them sends.

    `also` are further places, by name, each of which gets a copy of every alert. `budget` is that of each
    channel people read (None: no limit).
    `clock` is epoch milliseconds; `redis` must wait longer than a second for a reply. `counts` counts alerts by
    what became of them (`sent`, `updated`, `held`, `suppressed`, `failed`, `retried`); `observe` is told each
    such word as it happens. `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        redis: Redis,
        sink: Sink,
        *,
        visitor_url: VisitorUrl,
        clock: Callable[[], int],
        also: Mapping[str, Sink] = MappingProxyType({}),
        budget: Budget | None = BUDGET,
        pacing: Pacing | None = None,
        lease_ms: int = 4_000,
        observe: Callable[[str], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = Outbox(redis, visitor_url=visitor_url)
        self._clock, self._jitter, self._observe = clock, jitter, observe
        self._pacing = pacing or Pacing()
        self._lease = Lease(redis, key=keys.DISPATCH_LEASE, ttl_ms=lease_ms)
        self._posting: set[asyncio.Task[Told]] = set()
        self._channels = self._opened({"": sink, **also}, visitor_url, budget)
        self._intake = Intake(outbox=self._outbox, channels=self._channels, clock=clock)
        self._stopping, self._stopped = asyncio.Event(), asyncio.Event()
        self._stopped.set()
        self.counts: Counter[str] = Counter()
        self.leading = False

    def _opened(self, sinks: Mapping[str, Sink], visitor_url: VisitorUrl, budget: Budget | None) -> Channels:
        return Channels(
            outbox=self._outbox,
            sinks=sinks,
            settling=self._settling(),
            visitor_url=visitor_url,
            pacing=self._pacing,
            budget=budget,
            clock=self._clock,
            jitter=self._jitter,
            posting=self._posting,
        )

    def _settling(self) -> Settling:
        return Settling(
            outbox=self._outbox,
            pacing=self._pacing,
            clock=self._clock,
            token=lambda: self._lease.token,
            count=self._count,
        )

    @property
    def sent(self) -> int:
        """Alerts that a message was sent for."""
        return self.counts["sent"]

    @property
    def failed(self) -> int:
        """Alerts that will not be sent."""
        return self.counts["failed"]

    @property
    def retried(self) -> int:
        """Sends that have to be tried again."""
        return self.counts["retried"]

    async def run(self) -> None:
        """Dispatch until `stop`. Redis going away, or the lease, only makes it wait and try again."""
        self._stopped.clear()
        failures = 0
        try:
            while not self._stopping.is_set():
                try:
                    if await self._lease.acquire():
                        failures = 0
                        await self._lead()
                    else:
                        await self._pause(self._lease.ttl_ms / 4000)
                except (RedisError, OSError) as error:
                    failures += 1
                    log.warning("outbox unreachable", reason=type(error).__name__)
                    await self._pause(min(2.0, self._pacing.delay_s(failures, self._jitter())))
        finally:
            self._stopped.set()

    async def stop(self, *, grace_s: float = 12.0) -> None:
        """Start no further send, wait up to `grace_s` for those under way, and give the lease back."""
        self._stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._stopped.wait()
        for task in self._posting:
            task.cancel()

    # -- while holding the lease

    async def _lead(self) -> None:
        self.leading = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._stop_asked())
                group.create_task(self._renew())
                group.create_task(self._wake())
                group.create_task(self._read(group))
        except* (_Stop, LeaseLost):
            pass
        except* (RedisError, OSError) as errors:
            log.warning("outbox unreachable", reason=type(errors.exceptions[0]).__name__)
        finally:
            self.leading = False
            await self._hand_over()

    async def _hand_over(self) -> None:
        """Finish what is under way (a half-known send is a doubtful one), then release the lease."""
        renewing = asyncio.create_task(self._renew())
        try:
            if self._posting:
                await asyncio.wait(self._posting)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._lease.release()

    async def _stop_asked(self) -> None:
        await self._stopping.wait()
        raise _Stop

    async def _renew(self) -> None:
        life_s = self._lease.ttl_ms / 1000
        while True:
            await asyncio.sleep(life_s / 4)
            async with asyncio.timeout(life_s):
                await self._lease.renew()

    async def _wake(self) -> None:
        while True:
            await self._outbox.wake(self._clock())
            await asyncio.sleep(_WAKE_S)

    async def _read(self, group: asyncio.TaskGroup) -> None:
        self._channels.begin(lambda run: group.create_task(run))
        after = "0-0"
        while True:
            entries = await self._outbox.entries(after, _READ)
            if not entries:
                await self._outbox.wait(after, _BLOCK_MS)
                continue
            await self._intake.take(entries)
            after = entries[-1].entry

    def _count(self, word: str) -> None:
        self.counts[word] += 1
        if self._observe is not None:
            self._observe(word)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
