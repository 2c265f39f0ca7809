"""The channels of every sink, each with its queue, opened when something first goes there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from alerts.budget import Budget, Spent
from alerts.channel import ChannelQueue
from alerts.delivery import Delivery
from alerts.desk import ChannelDesk
from alerts.links import VisitorUrl
from alerts.model import Alert
from alerts.outbox import Outbox
from alerts.pacing import Pacing
from alerts.settling import Settling
from alerts.sinks.base import LivingSink, Sink, takes_digests
from alerts.turns import Pending, Told

Start = Callable[[Coroutine[Any, Any, None]], object]


class Channels:
    """Queues by sink and channel. `sinks` has the one that rules name channels of under ""."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        sinks: Mapping[str, Sink],
        settling: Settling,
        visitor_url: VisitorUrl,
        pacing: Pacing,
        budget: Budget | None,
        clock: Callable[[], int],
        jitter: Callable[[], float],
        posting: set[asyncio.Task[Told]],
    ) -> None:
        self.sinks = sinks
        self._outbox, self._pacing, self._budget = outbox, pacing, budget
        self._clock, self._jitter, self._posting = clock, jitter, posting
        self._deliveries = {
            name: Delivery(
                outbox=outbox,
                sink=sink,
                settling=settling,
                visitor_url=visitor_url,
                pacing=pacing,
                clock=clock,
            )
            for name, sink in sinks.items()
        }
        self._queues: dict[str, ChannelQueue] = {}
        self._running: set[str] = set()
        self._start: Start | None = None

    def begin(self, start: Start) -> None:
        """Everything is read from the outbox again; `start` runs a queue that something is put into."""
        self._running.clear()
        self._start = start

    async def put(self, pending: Pending, alert: Alert, *, redraw: bool = False) -> None:
        """Put an entry into its channel's queue."""
        sink = self.sinks[alert.sink]
        name = f"{alert.sink}/{sink.channel(alert)}"
        if name not in self._queues:
            self._queues[name] = await self._open(name, alert.sink, sink)
        queue = self._queues[name]
        if name not in self._running and self._start is not None:
            self._running.add(name)
            queue.clear()
            self._start(queue.run())
        queue.put(pending, redraw=redraw)

    async def _open(self, name: str, kind: str, sink: Sink) -> ChannelQueue:
        # Where there is no pace there is nobody to bury in messages: a page, or a program.
        budget = self._budget if sink.pace_s and takes_digests(sink) else None
        desk = ChannelDesk(
            name=name,
            delivery=self._deliveries[kind],
            outbox=self._outbox,
            budget=budget,
            posting=self._posting,
            clock=self._clock,
        )
        return ChannelQueue(
            desk=desk,
            pacing=self._pacing,
            spent=await self._spent(name, budget) if budget is not None else None,
            pace_s=sink.pace_s,
            updates_free=isinstance(sink, LivingSink),
            digests=takes_digests(sink),
            clock=self._clock,
            jitter=self._jitter,
        )

    async def _spent(self, name: str, budget: Budget) -> Spent:
        now = self._clock()
        ages = [(now - at) / 1000 for at in await self._outbox.posts.times(name)]
        return Spent(budget, ages_s=ages, now=asyncio.get_running_loop().time())
