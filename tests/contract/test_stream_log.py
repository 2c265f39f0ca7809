"""Redis Streams beneath the transport: contiguous offsets, fenced commits, trimming below them only."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from core.errors import LeaseLost
from storage import keys
from storage.lease import Lease
from streams.plugins import log

P0 = ("events", 0)


def lease(redis: Redis) -> Lease:
    return Lease(redis, key=keys.lease("g"), ttl_ms=5_000)


async def fill(redis: Redis, count: int) -> None:
    await log.append(redis, "events", [(0, b"k%d" % i, b"v%d" % i) for i in range(count)])


async def test_offsets_are_contiguous_from_one(redis: Redis) -> None:
    assert await log.end(redis, P0) == 1
    assert await log.append(redis, "events", [(0, b"a", b"1"), (1, b"b", b"2"), (0, b"c", b"3")]) == [1, 1, 2]
    assert await log.append(redis, "events", [(0, b"d", b"4")]) == [3]
    assert await log.end(redis, P0) == 4


async def test_reads_on_from_a_position(redis: Redis) -> None:
    await fill(redis, 10)
    found = await log.read(redis, {P0: 4}, count=3, block_ms=10)
    assert found == {P0: [log.Entry(i, b"k%d" % (i - 1), b"v%d" % (i - 1)) for i in (4, 5, 6)]}
    assert await log.read(redis, {P0: 11}, count=3, block_ms=10) == {}


async def test_commits_are_read_back_and_trim_only_what_lies_below(redis: Redis) -> None:
    await fill(redis, 1_000)
    owner = lease(redis)
    assert await owner.acquire()
    committer = log.Committer(redis=redis, group="g", lease=owner)
    assert await log.committed(redis, "g", [P0]) == {P0: 1}
    await committer.commit({P0: 601})
    assert await log.committed(redis, "g", [P0]) == {P0: 601}
    assert 1 <= await log.start(redis, P0) <= 601
    left = await log.read(redis, {P0: 601}, count=1_000, block_ms=10)
    assert [entry.offset for entry in left[P0]] == list(range(601, 1_001))


async def test_offsets_go_on_after_everything_is_trimmed(redis: Redis) -> None:
    await fill(redis, 5)
    await redis.xtrim(keys.stream("events", 0), maxlen=0, approximate=False)
    assert await log.end(redis, P0) == 6
    assert await log.append(redis, "events", [(0, b"a", b"1")]) == [6]


async def test_only_the_owner_commits(redis: Redis) -> None:
    owner, zombie = (
        lease(redis),
        lease(redis),
    )
    assert await owner.acquire()
    committer = log.Committer(redis=redis, group="g", lease=zombie)
    with pytest.raises(LeaseLost):
        await committer.commit({P0: 5})
    assert await log.committed(redis, "g", [P0]) == {P0: 1}


async def test_an_epoch_is_given_once(redis: Redis) -> None:
    first = await log.epoch_of(redis, "events")
    assert await log.epoch_of(redis, "events") == first
    await redis.delete(keys.epoch("events"))
    assert await log.epoch_of(redis, "events") != first
