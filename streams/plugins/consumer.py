"""Faust's consumer over Redis Streams: one worker owns every partition by its lease, others stand by.

What Faust expects of a consumer was read in faust-streaming 0.15.3 (`faust/transport/consumer.py` and its Kafka
driver), and that version is pinned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from faust.assignor.client_assignment import ClientAssignment
from faust.transport import base
from faust.types import TP
from mode import Service
from redis.exceptions import RedisError

from streams.plugins import log
from streams.plugins.delivery import Batch, Delivery
from streams.topics import partition_of

if TYPE_CHECKING:
    from streams.plugins.transport import Transport

#: Messages one read brings at the most, per partition. What is read ahead is held in memory.
BATCH = 1_000
#: How often a worker that has the lease says that it is alive.
RENEW_S = 1.0
#: How often a worker that stands by asks for the lease.
STANDBY_S = 0.5


class Consumer(Delivery, base.Consumer):
    """Owns all partitions of the subscribed topics while it holds the lease."""

    transport: Transport

    def on_init(self) -> None:
        """Called by Faust at the end of construction."""
        self._topics: set[str] = set()
        self._owned: set[TP] = set()
        self._next: dict[TP, int] = {}
        self._ends: dict[TP, int] = {}
        self._subscribed = asyncio.Event()
        self._committer: log.Committer | None = None

    # -- ownership

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Take the topics to own. A later call with more topics starts a new rebalance."""
        wanted = set(topics)
        if wanted != self._topics:
            self._topics = wanted
            self._subscribed.set()

    @Service.task
    async def _own(self) -> None:
        """Wait for the lease, take the partitions, keep the lease. Losing it, or the store, ends the process."""
        await self._subscribed.wait()
        try:
            await self._hold()
        except Exception as error:
            self.transport.on_fatal(error)
            raise

    async def _hold(self) -> None:
        lease = self.transport.lease
        while not self.should_stop and not await lease.acquire():
            await self.sleep(STANDBY_S)
        while not self.should_stop:
            await lease.renew()
            if self._subscribed.is_set():
                self._subscribed.clear()
                await self._rebalance()
            await self.sleep(RENEW_S)

    async def _rebalance(self) -> None:
        app, transport = self.app, self.transport
        self._committer = log.Committer(redis=transport.redis, group=app.conf.id, lease=transport.lease)
        tps = {TP(topic, p) for topic in self._topics for p in range(transport.partitions)}
        app.on_rebalance_start()
        await self.on_partitions_revoked(set(self._owned))
        app.consumer_generation_id += 1
        self._owned = tps
        # Recovery asks the assignor what is assigned; with one owner of everything it is this.
        cast("Any", app.assignor)._assignment = ClientAssignment(
            actives={topic: list(range(transport.partitions)) for topic in self._topics}, standbys={}
        )
        await self.on_partitions_assigned(tps, app.consumer_generation_id)

    async def on_stop(self) -> None:
        """Finish, commit, and let the next worker take over at once."""
        await super().on_stop()
        if self._owned:
            await self.transport.lease.release()

    # -- reading

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, list[Batch]]:
        wanted = {tp: self._next[tp] for tp in active_partitions or () if tp in self._next}
        if not wanted:
            await self.sleep(min(timeout, 0.05))
            return {}
        await self.has_room()
        positions = {(tp.topic, tp.partition): position for tp, position in wanted.items()}
        try:
            found = await log.read(
                self.transport.blocking, positions, count=BATCH, block_ms=int(timeout * 1000)
            )
        except RedisError as error:
            self.transport.on_fatal(error)
            raise
        batch = {TP(*partition): entries for partition, entries in found.items()}
        # A seek while the server was asked makes what it answered the wrong messages.
        batch = {tp: entries for tp, entries in batch.items() if self._next.get(tp) == wanted[tp]}
        for tp, entries in batch.items():
            self._next[tp] = self._ends[tp] = entries[-1].offset + 1
        await self.transport.before_delivery([e.key for entries in batch.values() for e in entries])
        return {tp: [Batch(tp.partition, entries, entries[-1].offset)] for tp, entries in batch.items()}

    def on_buffer_full(self, _tp: TP) -> None:
        """Nothing: the conductor waits on the full queue by itself, which is the back-pressure wanted."""

    def on_buffer_drop(self, _tp: TP) -> None:
        """Nothing: see `on_buffer_full`."""

    # -- positions

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        # What the events did must be in Redis before the stream may forget them.
        await self.transport.before_commit()
        return bool(await super()._commit_offsets(offsets, start_new_transaction))

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        assert self._committer is not None  # commits follow an assignment
        try:
            await self._committer.commit({(tp.topic, tp.partition): offset for tp, offset in offsets.items()})
        except Exception as error:
            self.transport.on_fatal(error)
            raise
        return True

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Read on from what is committed. Faust calls it after each assignment."""
        pairs = [(tp.topic, tp.partition) for tp in self._owned]
        found = await log.committed(self.transport.redis, self.app.conf.id, pairs)
        for (topic, partition), offset in found.items():
            self._next[TP(topic, partition)] = offset
        return {TP(*partition): offset for partition, offset in found.items()}

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek several partitions."""
        for tp, offset in partitions.items():
            await self.seek(tp, offset)

    async def _seek(self, partition: TP, offset: int) -> None:
        self._next[partition] = max(1, offset)

    async def seek_to_beginning(self, *partitions: TP) -> None:
        """Seek to the oldest messages kept."""
        for tp, offset in (await self.earliest_offsets(*partitions)).items():
            self._next[tp] = offset

    async def position(self, tp: TP) -> int | None:
        """The next offset to read."""
        return self._next.get(tp)

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The oldest offset kept of each partition."""
        redis = self.transport.redis
        return {tp: await log.start(redis, (tp.topic, tp.partition)) for tp in partitions}

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The end offset (next to be written) of each partition."""
        redis = self.transport.redis
        return {tp: await log.end(redis, (tp.topic, tp.partition)) for tp in partitions}

    def highwater(self, tp: TP) -> int:
        """The end offset as last seen."""
        return self._ends.get(tp, 1)

    def assignment(self) -> set[TP]:
        """The partitions this worker owns."""
        return self._owned

    def topic_partitions(self, _topic: str) -> int | None:
        """Every topic has the same number of partitions."""
        return self.transport.partitions

    def key_partition(self, _topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        """Where a key goes, as the producer decides it."""
        return partition if partition is not None else partition_of(key or b"", self.transport.partitions)

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    async def create_topic(self, *_: Any, **__: Any) -> None:
        """A stream exists from its first message on."""

    def close(self) -> None:
        """Connections are closed by the transport's owner."""
