"""The lease and the writer on a real server: one owner, fenced writes, each position applied once."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from redis.asyncio import Redis
from yarl import URL

from core.errors import LeaseLost
from core.profiles import Profile
from storage import keys
from storage.lease import Lease
from storage.profiles import Position, pack, unpack
from streams.plugins import transport
from streams.plugins.writer import CHUNK, Word, Write, Writer, plain, word
from streams.topics import murmur2, partition_of
from tests.factories import T0

PROFILE = Profile(id="v1", site="demo", first_at=T0, last_at=T0, traits={"name": "名前 “x” \\ \n"})


def lease(redis: Redis) -> Lease:
    return Lease(redis, key=keys.lease("g"), ttl_ms=5_000)


def record(offset: int, *, epoch: str = "r1", partition: int = 0, page_count: int = 0) -> Word:
    profile = Profile(id="v1", site="demo", first_at=T0, last_at=T0, page_count=page_count)
    return word(pack(Position(epoch=epoch, partition=partition, offset=offset), profile))


def test_a_record_survives_packing() -> None:
    at = Position(epoch="r1", partition=3, offset=42)
    assert unpack(pack(at, PROFILE)) == (at, PROFILE)


async def test_one_lease_at_a_time_and_release_frees_it(redis: Redis) -> None:
    first, second = (
        lease(redis),
        lease(redis),
    )
    assert await first.acquire()
    assert not await second.acquire()
    await first.renew()
    with pytest.raises(LeaseLost):
        await second.renew()
    await first.release()
    assert await second.acquire()
    with pytest.raises(LeaseLost):
        await first.renew()


async def test_the_lease_of_a_dead_process_is_free_at_once(redis: Redis) -> None:
    waiting = lease(redis)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = waiting.token.split("|")[0]
    await redis.set(waiting.key, f"{host}|{dead.pid}|x")
    assert await waiting.acquire()
    await redis.set(waiting.key, f"{host}|{os.getppid()}|x")
    assert not await waiting.acquire()


async def write(redis: Redis, offset: int, base: str = "", **place: Any) -> None:
    effects = [plain(("RPUSH", "effects", offset))]
    await Writer(redis=redis).write(
        [Write(key="p", base=base, record=record(offset, **place), effects=effects)]
    )


async def test_a_position_is_applied_once_with_its_effects(redis: Redis) -> None:
    await write(redis, 5)
    for offset in (5, 4):
        await write(redis, offset)
    await write(redis, 8, base="r1 0 5")
    assert await redis.lrange("effects", 0, -1) == [b"5", b"8"]
    assert unpack(await redis.get("p"))[0].offset == 8


async def test_what_was_computed_from_another_record_is_refused(redis: Redis) -> None:
    await write(redis, 5)
    for base in ("", "r1 0 4", "r0 0 5"):
        with pytest.raises(LeaseLost):
            await write(redis, 9, base=base)
    assert await redis.lrange("effects", 0, -1) == [b"5"]
    assert unpack(await redis.get("p"))[0].offset == 5


@pytest.mark.parametrize(("epoch", "partition"), [("r2", 0), ("r1", 1)])
async def test_offsets_compare_only_within_an_epoch_and_partition(
    redis: Redis, epoch: str, partition: int
) -> None:
    await write(redis, 900)
    await write(redis, 1, base="r1 0 900", epoch=epoch, partition=partition)
    assert unpack(await redis.get("p"))[0] == Position(epoch=epoch, partition=partition, offset=1)


async def test_a_fenced_writer_writes_nothing(redis: Redis) -> None:
    owner, zombie = (
        lease(redis),
        lease(redis),
    )
    assert await owner.acquire()
    writer = Writer(redis=redis, lease=zombie)
    with pytest.raises(LeaseLost):
        await writer.write([Write(key="p", base="", record=record(1), effects=[plain(("INCR", "n"))])])
    assert await redis.exists("p", "n") == 0


async def test_many_writes_go_in_chunks(redis: Redis) -> None:
    count = CHUNK * 2 + 7
    writes = [
        Write(key=f"p{i}", base="", record=record(i + 1), effects=[plain(("RPUSH", "all", i))])
        for i in range(count)
    ]
    await Writer(redis=redis).write(writes)
    assert await redis.lrange("all", 0, -1) == [str(i).encode() for i in range(count)]


# Kafka's own test vectors (org.apache.kafka.common.utils.UtilsTest#testMurmur2).
MURMUR2 = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("key", "signed"), MURMUR2)
def test_murmur2_is_kafkas(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF
    assert partition_of(key, 7) == (signed & 0x7FFFFFFF) % 7


REDIS_URLS = [
    "redis://h:1/0",
    "redis://user:p%40ss@h:1/3?client_name=a",
    "rediss://h/0?ssl_cert_reqs=none",
    "redis://[::1]:6379/1",
    "unix:///tmp/a%20b%25/x.sock",
    "unix:///tmp/x.sock?db=2",
]


@pytest.mark.parametrize("url", REDIS_URLS)
def test_a_redis_url_survives_its_way_through_faust(url: str) -> None:
    through = URL(transport.broker_url(url, partitions=3))
    assert (through.scheme, through.query["partitions"]) == ("kizashi-redis", "3")
    assert transport.redis_url(through) == url
