"""Faust's own Kafka transport, with our table kept right around its batches, commits and rebalances.

`kizashi-kafka://host:port;host2:port`. Partitions are shared among the workers of the group by Kafka. Delivery is
at least once; the position in each record makes its effects exactly once. What a rebalance does was read in
faust-streaming 0.15.3 (`faust/transport/consumer.py`, `faust/app/base.py`), and that version is pinned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import structlog
from faust.transport.drivers import aiokafka as stock
from faust.types import TP

from streams.plugins.delivery import Batch, Delivery
from streams.plugins.table_hooks import TableHooks

#: A worker that is silent for so long has its partitions given to others. The broker's least is 6 s by default.
SESSION_S = 6.0
HEARTBEAT_S = 2.0
#: A broker that has just started knows no partitions, and who joins then has none until it asks again: so often.
METADATA_MS = 3_000
#: Messages one read brings at the most, over all partitions.
BATCH = 2_000

SETTINGS: Mapping[str, Any] = {
    "broker_session_timeout": SESSION_S,
    "broker_heartbeat_interval": HEARTBEAT_S,
    "broker_max_poll_records": BATCH,
    "consumer_metadata_max_age_ms": METADATA_MS,
    "topic_allow_declare": False,
}

log = structlog.get_logger()


def broker_url(url: str) -> str:
    """This transport's URL for `kafka://host:port;host2:port`."""
    return ";".join("kizashi-kafka://" + part.rpartition("://")[2].rstrip("/") for part in url.split(";"))


class ConsumerThread(stock.AIOKafkaConsumerThread):
    """Talks to the brokers, in a thread of its own: heartbeats go on while the agent is busy."""

    async def crash(self, exc: BaseException) -> None:
        """A half-alive worker would hold its partitions and not work on them."""
        cast("Transport", self.transport).on_fatal(exc)


class Consumer(Delivery, stock.Consumer):
    """Reads the partitions Kafka gives this worker."""

    transport: Transport

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def crash(self, reason: BaseException) -> None:
        """See `ConsumerThread.crash`."""
        self.transport.on_fatal(reason)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        before = self.app.rebalancing_count
        await self.has_room()
        if not self.flow_active or self.app.rebalancing_count != before:
            return {}  # what would be fetched now lies behind what is to be read again: see below
        found = await super()._getmany(active_partitions, timeout)
        if not found:
            return found
        rebalances = self.app.rebalancing_count
        records = {tp: [record for record in batch if _is_ours(record)] for tp, batch in found.items()}
        try:
            await self.transport.before_delivery([r.key for batch in records.values() for r in batch])
        except Exception as error:
            self.transport.on_fatal(error)
            raise
        # A rebalance while the store was asked: whoever owns the partitions now reads from what is committed.
        # Delivered all the same, the messages would leave a gap that counts as done.
        if self.app.rebalancing_count != rebalances:
            return {}
        return {tp: [Batch(tp.partition, records[tp], batch[-1].offset)] for tp, batch in found.items()}

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is begun (Faust waits for the agent and commits), then write it and forget it.

        Kafka gives the partitions to others only after this, or when this worker's session is over: then the
        compare-and-set of the write refuses what others have written since, and the process ends.
        """
        await super().on_partitions_revoked(revoked)
        await self.transport.hand_over()

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        # What the events did must be in the store before Kafka may forget that they are to be done.
        await self.transport.before_commit()
        return bool(await super()._commit_offsets(offsets, start_new_transaction))

    def on_buffer_full(self, _tp: TP) -> None:
        """Nothing: the conductor waits on the full queue by itself, which is the back-pressure wanted."""

    def on_buffer_drop(self, _tp: TP) -> None:
        """Nothing: see `on_buffer_full`."""

    def verify_event_path(self, _now: float, _tp: TP) -> None:
        """Nothing: Faust's detector takes a quiet partition for a stuck one, once a second."""


class Transport(TableHooks, stock.Transport):
    """Makes consumers and producers."""

    Consumer: ClassVar[type] = Consumer
    driver_version = "kizashi-kafka"


def _is_ours(record: Any) -> bool:
    """Whether a message is an event of a visitor: `site:visitor` its key. Others' messages are passed over."""
    try:
        ours = record.value is not None and ":" in record.key.decode()
    except (AttributeError, UnicodeDecodeError):
        ours = False
    if not ours:
        log.error("message is not an event, skipped", partition=record.partition, offset=record.offset)
    return ours
