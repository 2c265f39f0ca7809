"""The web process's safety net: events that the broker does not take wait on disk, in order, until it does."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Literal, TypeVar

import msgspec
import structlog

from core.errors import StoreUnavailable
from core.events import Event, decode_event, encode_event
from storage.breaker import PAUSE_S, Breaker
from streams.publisher import Publisher
from streams.spool_disk import SpoolDisk

#: The longest that a sender waits for the broker before its events go to disk.
PATIENCE_S = 1.0
#: How long a refusal is reported by `problems`.
REFUSAL_S = 10.0
#: The longest that a start waits for the broker, so that the first events need not go to disk.
CONNECT_S = 3.0
#: How often to look for what dead processes left, and whether the broker is there.
LOOK_EVERY_S = 2.0
#: When so few events are left on disk, new ones wait a moment instead of joining them: under load the spool would
#: never be empty.
FEW = 500
#: The longest that `close` drains; what is left then waits for the next start.
CLOSE_S = 3.0

What = Literal["kept", "drained", "refused"]
Waiting = tuple[list[bytes], asyncio.Future[None]]
T = TypeVar("T")

log = structlog.get_logger()


class SpoolingPublisher:
    """Publishes through `inner`; while that is away, to disk: fsynced before `publish` returns.

    While anything waits on disk, new events queue behind it, so an event that was sent after another one was
    accepted stays behind it. After a crash while draining, up to a segment may be published twice: event ids
    count once. `clock` is monotonic seconds; `observe` is told how many events were kept, drained and refused.
    While nothing is sent it asks the broker now and then, so that `problems` knows. Start it before use.
    """

    def __init__(
        self,
        *,
        inner: Publisher,
        disk: SpoolDisk,
        clock: Callable[[], float],
        observe: Callable[[What, int], None] = lambda _what, _count: None,
        patience_s: float = PATIENCE_S,
        pause_s: float = PAUSE_S,
        adopt_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._inner, self._disk, self._clock, self._observe = inner, disk, clock, observe
        self.patience_s = math.inf  # what it does is durable: it raises only where the disk is full
        self._patience_s, self._pause_s, self._adopt_every_s = patience_s, pause_s, adopt_every_s
        self._breaker = Breaker(pause_s=pause_s)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        self._pending: list[Waiting] = []
        self._committer: asyncio.Task[None] | None = None
        self._drainer: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._queueing = False
        self._last_few: asyncio.Future[None] | None = None
        self._refused_at: float | None = None

    @property
    def queueing(self) -> bool:
        """Whether events wait on disk: new ones go there too, and profiles do not know of them yet."""
        return self._queueing

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._disk.size

    def problems(self) -> list[str]:
        """What an operator should know, one line each."""
        found = []
        if self._queueing:
            found.append(f"events wait on disk for the broker ({self.size} bytes)")
        elif self._breaker.away:
            found.append("the broker does not answer; new events go to disk")
        if self._refused_at is not None and self._clock() - self._refused_at < REFUSAL_S:
            found.append("the broker is away and the spool takes no more events")
        return found

    async def start(self) -> None:
        """Connect to the broker, where it answers soon; adopt what dead processes left, and begin to drain it."""
        await self._adopt()
        await self._check(CONNECT_S)
        self._drainer = asyncio.create_task(self._drain_on(), name="spool-drainer")

    async def publish(self, events: Sequence[Event]) -> None:
        """Return once `events` are durable, in the stream or on disk. Raises StoreUnavailable."""
        if not events:
            return
        if self._last_few is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s):
                    await asyncio.shield(self._last_few)
        if not self._queueing and await self._try(events):
            return
        await self._keep(events)

    async def _try(self, events: Sequence[Event]) -> bool:
        if not self._breaker.allows(self._clock()):
            return False
        try:
            if self._inner.patience_s <= self._patience_s:
                await self._inner.publish(events)
            else:
                async with asyncio.timeout(self._patience_s):
                    await self._inner.publish(events)
        except (StoreUnavailable, TimeoutError) as error:
            self._failed(error)
            return False
        self._breaker.succeeded()
        return True

    def _failed(self, error: Exception) -> None:
        if not self._breaker.away:
            log.error("the broker is away; events go to disk", reason=str(error) or "it does not answer")
        self._breaker.failed(self._clock())

    async def _keep(self, events: Sequence[Event]) -> None:
        self._queueing = True
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append(([encode_event(event) for event in events], done))
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_all())
        await done

    async def _commit_all(self) -> None:
        """All that wait in one write and one fsync: the next batch gathers while one is under way."""
        while self._pending:
            batch, self._pending = self._pending, []
            refusal = "the spool is full"
            try:
                kept = await self._on_disk(self._disk.append, [payloads for payloads, _ in batch])
            except Exception as error:  # those who wait must hear of it, whatever it is
                kept, refusal = 0, str(error)
            self._tell(batch[:kept], None)
            self._tell(batch[kept:], refusal)
        self._wake.set()

    def _tell(self, batch: list[Waiting], refusal: str | None) -> None:
        if batch and refusal:
            self._refused_at = self._clock()
        for payloads, done in batch:
            self._observe("refused" if refusal else "kept", len(payloads))
            if done.done():
                continue
            if refusal:
                done.set_exception(StoreUnavailable(refusal))
            else:
                done.set_result(None)

    async def _drain_on(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._adopt_every_s):
                    await self._wake.wait()
            self._wake.clear()
            await self._adopt()
            if not self._queueing:
                await self._check(self._patience_s)
            while self._queueing:
                if not await self._drain_once():
                    await asyncio.sleep(self._pause_s)

    async def _check(self, patience_s: float) -> None:
        """Ask the broker whether it is there: what events would find out, found out before them."""
        try:
            async with asyncio.timeout(patience_s):
                await self._inner.check()
        except Exception as error:  # whatever it is, the drainer stays alive
            self._failed(error)
        else:
            if not self._queueing:  # else an event has met with a failure meanwhile, and the drainer decides
                self._breaker.succeeded()

    async def _adopt(self) -> None:
        try:
            if await self._on_disk(self._disk.adopt):
                self._queueing = True
                self._wake.set()
        except OSError as error:
            log.error("the spool cannot be read", reason=str(error))

    async def _drain_once(self) -> bool:
        """Move the oldest events to the stream. False where that did not work for now."""
        try:
            payloads = await self._on_disk(self._disk.peek)
            if payloads:
                await self._inner.publish(decoded(payloads))
                await self._on_disk(self._disk.advance)
        # Whatever it is, the events stay on disk and the drainer stays alive.
        except Exception as error:
            self._failed(error)
            self._let_on()
            return False
        if payloads:
            self._breaker.succeeded()
            self._observe("drained", len(payloads))
        elif not self._pending and (self._committer is None or self._committer.done()):
            self._queueing = False
        if not self._queueing:
            self._let_on()
        elif len(payloads) < FEW and self._last_few is None:
            self._last_few = asyncio.get_running_loop().create_future()
        return True

    def _let_on(self) -> None:
        """Those who waited for the spool to be empty go on: to the broker, or to disk where it is away again."""
        if self._last_few is not None:
            self._last_few.set_result(None)
            self._last_few = None

    def _on_disk(self, work: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def check(self) -> None:
        """Whether the broker answers; what is published meanwhile is kept on disk. Raises StoreUnavailable."""
        await self._inner.check()

    async def close(self) -> None:
        """Drain what the broker takes within CLOSE_S; the rest waits on disk for the next start."""
        if self._drainer is not None:
            self._drainer.cancel()
            await asyncio.gather(self._drainer, return_exceptions=True)
        if self._committer is not None:
            await self._committer
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                while self._queueing and await self._drain_once():
                    pass
        await self._on_disk(self._disk.close)
        self._thread.shutdown()
        await self._inner.close()


def decoded(payloads: Sequence[bytes]) -> list[Event]:
    """The events of records. One that this version cannot read is left out, and logged."""
    events = []
    for payload in payloads:
        try:
            events.append(decode_event(payload))
        except msgspec.MsgspecError as error:
            log.error("a spooled event cannot be read", reason=str(error))
    return events
