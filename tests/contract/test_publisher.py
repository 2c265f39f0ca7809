"""What every publisher promises: what it acknowledged is there, each visitor's in order, in its partition."""

from __future__ import annotations

import asyncio
import time
from itertools import groupby
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.errors import StoreUnavailable
from core.events import Event
from streams.spool import SpoolingPublisher
from streams.spool_disk import SpoolDisk
from streams.topics import event_key, partition_of
from tests.backends import Backend
from tests.contract.conftest import over
from tests.factories import event, page
from tests.processes import until

ALL = over("memory", "redis-streams", "redis-streams-3", "kafka")
DURABLE = over("redis-streams", "kafka")
#: A broker's restart on a loaded machine.
SOON_S = 60.0


def of(visitor: str, number: int) -> Event:
    """The visitor's event of this number."""
    return replace(page(f"/{number}"), visitor=visitor, id=f"{visitor}-{number}")


def ids(events: list[Event], visitor: str) -> list[str]:
    return [one.id for one in events if one.visitor == visitor]


@ALL
async def test_what_is_acknowledged_is_there_as_it_was(backend: Backend) -> None:
    sent = [
        replace(
            event("identify", props={"name": "名前 “x” \\ \n \U0001f600", "big": "x" * 30_000}), visitor="v1"
        ),
        of("v1", 1),
        replace(event("whitepaper_download"), visitor="v1"),
    ]
    await backend.publisher.publish(sent)
    assert [one for partition in await backend.read() for one in partition] == sent


@ALL
async def test_publishing_nothing_is_nothing(backend: Backend) -> None:
    await backend.publisher.publish([])
    await backend.publisher.publish([of("v1", 1)])
    await backend.publisher.publish([])
    assert sum(map(len, await backend.read())) == 1


@ALL
async def test_many_at_once_lose_nothing_and_keep_each_visitors_order(backend: Backend) -> None:
    visitors = [f"v{number}" for number in range(50)]

    async def browse(visitor: str) -> None:
        for number in range(0, 40, 2):
            await backend.publisher.publish([of(visitor, number), of(visitor, number + 1)])

    await asyncio.gather(*map(browse, visitors))
    partitions = await backend.read()
    assert sum(map(len, partitions)) == 50 * 40
    for visitor in visitors:
        [found] = [found for partition in partitions if (found := ids(partition, visitor))]
        assert found == [f"{visitor}-{number}" for number in range(40)]


@ALL
async def test_a_visitors_partition_is_the_partitioners(backend: Backend) -> None:
    await backend.publisher.publish([of(f"v{number}", 0) for number in range(300)])
    partitions = await backend.read()
    assert len(partitions) == backend.partitions
    assert all(partitions), "every partition has its visitors"
    for number, partition in enumerate(partitions):
        for visitor, _ in groupby(one.visitor for one in partition):
            assert partition_of(event_key("demo", visitor).encode(), backend.partitions) == number


@DURABLE
async def test_an_absent_broker_is_known_and_nothing_acknowledged_is_lost(
    backend: Backend, tmp_path: Path
) -> None:
    spool = SpoolingPublisher(
        inner=backend.publisher, disk=SpoolDisk(tmp_path / "spool"), clock=time.monotonic, adopt_every_s=0.2
    )

    async def problems() -> bool:
        return spool.problems() != []

    async def none() -> bool:
        return spool.problems() == []

    await spool.start()
    await until(none, SOON_S)
    await backend.publisher.publish([of("v1", 0)])
    backend.away()
    await until(problems, SOON_S)  # and nobody has sent anything
    with pytest.raises(StoreUnavailable):
        await backend.publisher.check()
    with pytest.raises(StoreUnavailable):
        await backend.publisher.publish([of("v1", 1)])
    await spool.publish([of("v1", 2)])  # to disk
    backend.back()
    await until(none, SOON_S)
    await backend.publisher.check()
    await spool.publish([of("v1", 3)])
    await spool.close()
    found = ids([one for partition in await backend.read() for one in partition], "v1")
    # What was refused may have got there all the same: an event id counts once.
    assert {"v1-0", "v1-2", "v1-3"} <= set(found) <= {"v1-0", "v1-1", "v1-2", "v1-3"}
    assert found.index("v1-0") < found.index("v1-2") < found.index("v1-3")
