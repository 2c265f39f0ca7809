"""One channel's messages, sent in a way that a stop or a lost lease does not cut in half."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from alerts.budget import Budget
from alerts.delivery import Delivery
from alerts.digest import Cause
from alerts.outbox import Outbox
from alerts.turns import Pending, Told


class ChannelDesk:
    """What a `ChannelQueue` asks for. `posting` holds the sends under way; `clock` is epoch milliseconds."""

    def __init__(
        self,
        *,
        name: str,
        delivery: Delivery,
        outbox: Outbox,
        budget: Budget | None,
        posting: set[asyncio.Task[Told]],
        clock: Callable[[], int],
    ) -> None:
        self._name, self._delivery, self._outbox = name, delivery, outbox
        self._budget, self._posting, self._clock = budget, posting, clock

    async def tell(self, batch: Sequence[Pending]) -> Told:
        """See `Delivery.tell`."""
        return await self._whole(self._delivery.tell(batch))

    async def digest(self, batch: Sequence[Pending], cause: Cause) -> Told:
        """See `Delivery.digest`."""
        return await self._whole(self._delivery.digest(batch, cause))

    async def redraw(self, pending: Pending) -> Told:
        """See `Delivery.redraw`."""
        return await self._whole(self._delivery.redraw(pending))

    async def wait_for_budget(self, batch: Sequence[Pending], seconds: float) -> None:
        """Record that `batch` waits for the channel's budget, for about so long."""
        until = self._clock() + int(seconds * 1000)
        await self._outbox.outcomes.waiting([one.alert_id for one in batch], "budget", until=until)

    async def spent(self) -> None:
        """Remember that a message was posted, for a process that comes after this one."""
        if self._budget is not None:
            await self._outbox.posts.note(
                self._name, now=self._clock(), limit=self._budget.limit, window_s=self._budget.window_s
            )

    async def _whole(self, sending: Coroutine[Any, Any, Told]) -> Told:
        # A send that has begun is not cut short by a stop or a lost lease: cutting it makes its end unknown.
        task = asyncio.create_task(sending)
        self._posting.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Told]) -> None:
        self._posting.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited may be gone: what went wrong is recorded all the same
