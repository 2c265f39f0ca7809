"""A batch is one message: what is committed of it, and when the next one is fetched."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.plugins.delivery import Batch, Delivery
from streams.plugins.log import Entry

P0, P1 = TP("events", 0), TP("events", 1)


class Base:
    """The parts of Faust's consumer that are extended."""

    def __init__(self) -> None:
        self.app = SimpleNamespace(consumer_generation_id=7)
        self.should_stop, self.flow_active = False, True
        self._acked: defaultdict[TP, list[int]] = defaultdict(list)
        self._acked_index: defaultdict[TP, set[int]] = defaultdict(set)
        self.at_revocation: list[int | None] = []

    def ack(self, message: Any) -> bool:
        self._acked[message.tp].append(message.offset)
        return True

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        for tp in revoked:
            self._acked.pop(tp, None)
        # Faust commits for the last time after it has forgotten what was acknowledged.
        self.at_revocation = [self._new_offset(tp) for tp in self._filter_tps_with_pending_acks()]  # type: ignore[attr-defined]

    async def perform_seek(self) -> None:
        """Nothing to ask."""


class Consumer(Delivery, Base):  # type: ignore[misc]
    """As the transports make theirs."""


def batch(last: int, *offsets: int) -> Batch:
    return Batch(0, [Entry(offset, b"demo:v1", b"{}") for offset in offsets], last)


async def test_a_batch_is_one_message_at_its_last_offset() -> None:
    message = Consumer()._to_message(P0, batch(9, 5, 6, 7))
    assert (message.tp, message.offset, message.generation_id) == (P0, 9, 7)
    assert message.value == batch(9, 5, 6, 7)


async def test_what_is_committed_ends_before_the_first_batch_that_is_not_done() -> None:
    consumer = Consumer()
    first, second, third = (consumer._to_message(P0, batch(last)) for last in (5, 9, 12))
    other = consumer._to_message(P1, batch(3))
    assert consumer._new_offset(P0) is None
    consumer.ack(second)
    assert consumer._new_offset(P0) is None
    consumer.ack(first)
    assert consumer._new_offset(P0) == 10
    consumer.ack(other)
    assert (consumer._new_offset(P1), consumer._new_offset(P0)) == (4, 10)
    consumer.ack(third)
    assert consumer._new_offset(P0) == 13
    assert list(consumer._filter_tps_with_pending_acks({P1})) == [P1]


async def test_what_is_done_is_committed_when_the_partitions_go() -> None:
    consumer = Consumer()
    first = consumer._to_message(P0, batch(5))
    consumer._to_message(P0, batch(9))
    consumer.ack(first)
    await consumer.on_partitions_revoked({P0})
    assert consumer.at_revocation == [6]


async def test_what_was_under_way_before_a_seek_holds_back_nothing() -> None:
    consumer = Consumer()
    lost, late = consumer._to_message(P0, batch(5)), consumer._to_message(P0, batch(9))
    await consumer.perform_seek()
    again = consumer._to_message(P0, batch(12))
    consumer.ack(late)
    assert consumer._new_offset(P0) is None
    consumer.ack(again)
    assert consumer._new_offset(P0) == 13
    consumer.ack(lost)
    assert consumer._new_offset(P0) == 13


async def test_the_next_batch_is_fetched_while_the_agent_is_at_the_last() -> None:
    consumer = Consumer()
    first = consumer._to_message(P0, batch(5))
    await consumer.has_room()
    consumer._to_message(P1, batch(9))
    waiting = asyncio.create_task(consumer.has_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    consumer.ack(first)
    await waiting


@pytest.mark.parametrize(("stopped", "value"), [("flow_active", False), ("should_stop", True)])
async def test_nobody_waits_for_room_once_the_flow_is_stopped(stopped: str, value: bool) -> None:
    consumer = Consumer()
    for last in (5, 9):
        consumer._to_message(P0, batch(last))
    setattr(consumer, stopped, value)
    asking = asyncio.create_task(consumer.has_room())
    await asyncio.sleep(0)
    assert asking.done()
