"""What a read brought of one partition travels through Faust as one message: its work per message is done once.

A batch is acknowledged when all of its records are done; until then nothing of it is committed. What this replaces
was read in faust-streaming 0.15.3 (`faust/transport/consumer.py`) and mode-streaming (`Service.wait_first`); both
are pinned. See docs/adr/0012-batches.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Coroutine, Generator, Iterator, MutableMapping, Sequence
from typing import Any, NamedTuple, cast

from faust.sensors import Monitor
from faust.types import TP, ConsumerMessage, Message
from mode.services import WaitResults

from streams.plugins.progress import Progress

#: How often to look whether work is still wanted while waiting for room, in seconds.
LOOK_S = 0.1


class Batch(NamedTuple):
    """Records of one partition, in order, as the broker's client gives them: `offset`, `key`, `value`.

    `last` is the offset of the last one read, be it among them or not.
    """

    partition: int
    records: Sequence[Any]
    last: int


class Delivery:
    """For a Faust consumer. What it overrides keeps its meaning."""

    app: Any
    should_stop: bool
    flow_active: bool
    _acked: MutableMapping[TP, list[int]]
    _acked_index: MutableMapping[TP, set[int]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._progress: defaultdict[TP, Progress] = defaultdict(Progress)
        self._done = asyncio.Event()
        super().__init__(*args, **kwargs)

    # -- one message of many records

    def _to_message(self, tp: TP, record: Batch) -> ConsumerMessage:
        self._progress[tp].begin(record.last)
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.last,
            time.time(),
            0,
            [],
            None,
            cast("Any", record),
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: the offsets between two messages are those of the second one's records."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in [*self._progress] if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        """Where to read on after what is done."""
        self._settle(tp)
        return self._progress[tp].reached

    def _settle(self, tp: TP) -> None:
        self._progress[tp].finish(self._acked.get(tp, ()))
        self._acked[tp], self._acked_index[tp] = [], set()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Keep what is acknowledged: Faust forgets it before it commits for the last time."""
        for tp in revoked:
            self._settle(tp)
        await super().on_partitions_revoked(revoked)  # type: ignore[misc]

    async def perform_seek(self) -> None:
        """Read again from what is committed: whatever was under way will come once more."""
        self._progress.clear()
        await super().perform_seek()  # type: ignore[misc]

    # -- without waiting, and without running dry

    async def wait_first(self, *coros: Any, timeout: Any = None) -> WaitResults:
        """The first of `coros`. Where the first of two is done without waiting, no task is made for either.

        Faust waits for whichever comes first: the message is in the queue, or the flow is suspended.
        """
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
        """Wait until the agent is at the last batch that was read: the next is at hand before it is through."""
        while self.flow_active and not self.should_stop and self._under_way() > 1:
            self._done.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._done.wait()

    def _under_way(self) -> int:
        return sum(progress.under_way for progress in self._progress.values())

    def ack(self, message: Message) -> bool:
        """A batch is done: there may be room for another."""
        done = bool(super().ack(message))  # type: ignore[misc]
        self._settle(message.tp)
        self._done.set()
        return done


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
