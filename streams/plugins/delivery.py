"""Handing messages to the agent's queue without the four tasks that Faust makes for each.

Faust waits for whichever comes first: the message is in the queue, or the flow is suspended (a rebalance). In the
queue it nearly always is at once; only where it has to wait does the race begin. What is raced was read in
faust-streaming 0.15.3 (`Consumer._drain_messages`) and mode-streaming (`Service.wait_first`); both are pinned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any

from faust.sensors import Monitor
from mode.services import WaitResults

#: Messages that wait in the queue when the next are fetched: these are at hand before the agent runs dry, and fit
#: in beside those, so that none has to wait.
AHEAD = 1_000
#: How often to look whether the queue has room, in seconds.
LOOK_S = 0.002


class Delivery:
    """For a Faust consumer. What it overrides keeps its meaning."""

    app: Any
    should_stop: bool
    flow_active: bool

    async def wait_first(self, *coros: Any, timeout: Any = None) -> WaitResults:
        """The first of `coros`. Where the first of two is done without waiting, no task is made for either."""
        if len(coros) != 2 or timeout is not None or not all(map(asyncio.iscoroutine, coros)):
            return await super().wait_first(*coros, timeout=timeout)  # type: ignore[misc, no-any-return]
        delivering, other = coros
        try:
            awaited = delivering.send(None)
        except StopIteration as done:
            other.close()
            return WaitResults([delivering], [done.value], False)
        except BaseException:
            other.close()
            raise
        rest = _finish(delivering, awaited)
        return await super().wait_first(rest, other)  # type: ignore[misc, no-any-return]

    async def has_room(self) -> None:
        """Wait until the queues have room for what will be fetched."""
        while self.flow_active and not self.should_stop and self._waiting() > AHEAD:  # noqa: ASYNC110 - queues tell nobody
            await asyncio.sleep(LOOK_S)

    def _waiting(self) -> int:
        return max((topic.queue.qsize() for topic in self.app.topics), default=0)


async def _finish(begun: Coroutine[Any, Any, Any], awaited: Any) -> Any:
    """Go on with a coroutine that waits for `awaited`."""
    return await _Rest(begun, awaited)


class _Rest:
    def __init__(self, begun: Coroutine[Any, Any, Any], awaited: Any) -> None:
        self._begun, self._awaited = begun, awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        awaited = self._awaited
        while True:
            try:
                sent, error = (yield awaited), None
            except BaseException as raised:
                sent, error = None, raised
            try:
                awaited = self._begun.throw(error) if error else self._begun.send(sent)
            except StopIteration as done:
                return done.value


class Quiet(Monitor):
    """Faust's monitor, without what it measures of each message: nothing reads it."""

    def on_message_in(self, *_: Any) -> None:
        """Nothing."""

    def on_message_out(self, *_: Any) -> None:
        """Nothing."""

    def on_stream_event_in(self, *_: Any) -> None:
        """Nothing."""

    def on_stream_event_out(self, *_: Any) -> None:
        """Nothing."""

    def track_tp_end_offset(self, *_: Any) -> None:
        """Nothing."""
