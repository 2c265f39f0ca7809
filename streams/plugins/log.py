"""One topic on Redis Streams: integer offsets, committed positions, trimming. No Faust in here.

An entry's id is `0-<offset>`: the server counts the offsets (`XADD key 0-*`, Redis 7), so they are contiguous
and start at 1.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from core.errors import LeaseLost
from storage import keys
from storage.lease import Lease

Partition = tuple[str, int]

_COMMIT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('FENCED') end
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
return 1
"""


class Entry(NamedTuple):
    """One message of a partition."""

    offset: int
    key: bytes
    value: bytes


async def append(redis: Redis, topic: str, messages: Sequence[tuple[int, bytes, bytes]]) -> list[int]:
    """Append (partition, key, value) messages in one round trip. Their offsets, once the server has them."""
    pipe = redis.pipeline(transaction=False)
    for partition, key, value in messages:
        pipe.xadd(keys.stream(topic, partition), {b"k": key, b"v": value}, id="0-*")
    added: list[bytes] = await pipe.execute()
    return [offset_of(id_) for id_ in added]


async def epoch_of(redis: Redis, topic: str) -> str:
    """The topic's epoch: a random name it got when it was first used."""
    await redis.set(keys.epoch(topic), f"r{secrets.token_hex(4)}", nx=True)
    name: Any = await redis.get(keys.epoch(topic))
    return str(name.decode())


async def read(
    redis: Redis, positions: Mapping[Partition, int], *, count: int, block_ms: int
) -> dict[Partition, list[Entry]]:
    """Up to `count` messages of each partition from its position (the next offset) on; waits `block_ms`."""
    names = {keys.stream(*partition).encode(): partition for partition in positions}
    after: dict[Any, Any] = {keys.stream(*p): f"0-{position - 1}" for p, position in positions.items()}
    found: Any = await redis.xread(after, count=count, block=block_ms) or []
    return {
        names[name]: [Entry(offset_of(id_), fields[b"k"], fields[b"v"]) for id_, fields in entries]
        for name, entries in found
    }


async def end(redis: Redis, partition: Partition) -> int:
    """The offset that the next message of a partition will get."""
    last: Any = await redis.xrevrange(keys.stream(*partition), count=1)
    if last:
        return offset_of(last[0][0]) + 1
    try:
        info: Any = await redis.xinfo_stream(keys.stream(*partition))
    except Exception:  # no such stream yet
        return 1
    return offset_of(info["last-generated-id"]) + 1


async def start(redis: Redis, partition: Partition) -> int:
    """The offset of the oldest message kept, or the end where none is."""
    first: Any = await redis.xrange(keys.stream(*partition), count=1)
    return offset_of(first[0][0]) if first else await end(redis, partition)


async def committed(redis: Redis, group: str, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """Where to read on: the committed next offsets; 1 where nothing was committed."""
    if not partitions:
        return {}
    found = await redis.hmget(keys.offsets(group), [_field(p) for p in partitions])
    return {p: int(offset) if offset else 1 for p, offset in zip(partitions, found, strict=True)}


class Committer:
    """Commits and trims for the owner of the lease. Raises LeaseLost when that is somebody else."""

    def __init__(self, *, redis: Redis, group: str, lease: Lease) -> None:
        self._redis, self._group, self._lease = redis, group, lease
        self._script = redis.register_script(_COMMIT)

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Record next offsets, then trim what lies below them: nothing uncommitted is ever trimmed."""
        args: list[Any] = [self._lease.token]
        for partition, offset in offsets.items():
            args += [_field(partition), offset]
        try:
            await self._script(keys=[self._lease.key, keys.offsets(self._group)], args=args)
        except Exception as error:
            if "FENCED" in str(error):
                raise LeaseLost from error
            raise
        pipe = self._redis.pipeline(transaction=False)
        for partition, offset in offsets.items():
            pipe.xtrim(keys.stream(*partition), minid=f"0-{offset}", approximate=True)
        await pipe.execute()


def offset_of(entry_id: bytes | str) -> int:
    """The integer offset in an entry's id."""
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    return int(text.partition("-")[2])


def _field(partition: Partition) -> str:
    return f"{partition[0]}:{partition[1]}"
