"""The dispatcher: takes alerts from the outbox to people, each exactly once as far as a network allows."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from alerts.channel import ChannelQueue
from alerts.delivery import Delivery, Pending
from alerts.links import VisitorUrl
from alerts.outbox import Outbox
from alerts.pacing import Pacing
from alerts.sinks.base import Sink
from core.errors import LeaseLost
from storage import keys
from storage.lease import Lease

log = structlog.get_logger(__name__)
_READ = 200
_BLOCK_MS = 1_000


class _Stop(Exception):
    """Leave the task group: stop() was called."""


class Dispatcher:
    """Sends while it holds the lease; waits for it otherwise. Several may run, one of them sends.

    `clock` is epoch milliseconds; `redis` must wait longer than a second for a reply. `sent`, `failed` and
    `retried` count alerts; `observe` is told each such word as it happens. `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        redis: Redis,
        sink: Sink,
        *,
        visitor_url: VisitorUrl,
        clock: Callable[[], int],
        pacing: Pacing | None = None,
        lease_ms: int = 4_000,
        observe: Callable[[str], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = Outbox(redis, visitor_url=visitor_url)
        self._sink, self._clock, self._jitter, self._observe = sink, clock, jitter, observe
        self._pacing = pacing or Pacing()
        self._lease = Lease(redis, key=keys.DISPATCH_LEASE, ttl_ms=lease_ms)
        self._delivery = Delivery(
            outbox=self._outbox,
            sink=sink,
            visitor_url=visitor_url,
            pacing=self._pacing,
            clock=clock,
            token=lambda: self._lease.token,
            count=self._count,
        )
        self._channels: dict[str, ChannelQueue] = {}
        self._posting: set[asyncio.Task[bool]] = set()
        self._stopping, self._stopped = asyncio.Event(), asyncio.Event()
        self._stopped.set()
        self.sent = self.failed = self.retried = 0
        self.leading = False

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

    async def _read(self, group: asyncio.TaskGroup) -> None:
        running: set[str] = set()
        after = "0-0"
        while True:
            entries = await self._outbox.entries(after, _READ)
            if not entries:
                await self._outbox.wait(after, _BLOCK_MS)
                continue
            for name in await self._sort(entries, running):
                group.create_task(self._channels[name].run())
            after = entries[-1][0]

    async def _sort(self, entries: Sequence[tuple[str, str]], running: set[str]) -> list[str]:
        """Put entries into their channels' queues. Returns the channels that are new to `running`."""
        loaded = await self._outbox.load([alert_id for _, alert_id in entries])
        new = []
        for (entry, alert_id), stored in zip(entries, loaded, strict=True):
            if stored is None or stored.outcome:
                await self._outbox.drop(entry, stored, alert_id)
                continue
            name = self._sink.channel(stored.alert)
            if name not in running:
                running.add(name)
                new.append(name)
                self._queue(name).clear()
            queued_at = int(entry.split("-")[0])
            self._queue(name).put(
                Pending(entry=entry, alert_id=alert_id, at=stored.alert.at, queued_at=queued_at)
            )
        return new

    def _queue(self, name: str) -> ChannelQueue:
        if name not in self._channels:
            self._channels[name] = ChannelQueue(
                deliver=self._deliver,
                pacing=self._pacing,
                pace_s=self._sink.pace_s,
                clock=self._clock,
                jitter=self._jitter,
            )
        return self._channels[name]

    async def _deliver(self, batch: Sequence[Pending]) -> bool:
        # A send that has begun is not cut short by a stop or a lost lease: cutting it makes its end unknown.
        posting = asyncio.create_task(self._delivery.deliver(batch))
        self._posting.add(posting)
        posting.add_done_callback(self._posting.discard)
        return await asyncio.shield(posting)

    def _count(self, word: str) -> None:
        setattr(self, word, getattr(self, word) + 1)
        if self._observe is not None:
            self._observe(word)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
