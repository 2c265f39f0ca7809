"""The worker's yardstick: an XREAD loop that does the same pure step and writes with the same writer.

No Faust, no table, no lease, no take-over, no dead letters, no sending of alerts; one batch after the other.
`python -m benchmarks.bare_consumer STORE_URL`
"""

from __future__ import annotations

import sys
import time
from typing import Any

import uvloop
from redis.asyncio import Redis

from core.events import decode_event
from core.profiles import Profile
from sites.registry import load_current
from sites.site import Site
from storage import keys
from storage.connect import connect
from storage.profiles import Position, head, pack, unpack
from streams.effects import effects
from streams.plugins import log
from streams.plugins.writer import Write, Writer, plain
from streams.recent import fold
from streams.topics import EVENTS

COUNT = 1_000
GROUP = "bare"

Record = tuple[Position, Profile]


class Loop:
    """Reads, steps, writes, commits, for ever."""

    def __init__(self, redis: Redis, site: Site, epoch: str) -> None:
        self._redis, self._site, self._epoch = redis, site, epoch
        self._writer = Writer(redis=redis)
        self._records: dict[str, Record | None] = {}

    async def run(self) -> None:
        """Consume from the beginning."""
        position = 1
        while True:
            found = await log.read(self._redis, {(EVENTS, 0): position}, count=COUNT, block_ms=1_000)
            for entries in found.values():
                await self._apply(entries)
                position = entries[-1].offset + 1
                await self._redis.hset(keys.offsets(GROUP), f"{EVENTS}:0", str(position))

    async def _apply(self, entries: list[log.Entry]) -> None:
        names = list(dict.fromkeys(entry.key.decode() for entry in entries))
        await self._load([name for name in names if name not in self._records])
        bases = {name: self._records[name] for name in names}
        commands: dict[str, list[list[str]]] = {name: [] for name in names}
        for entry in entries:
            name = entry.key.decode()
            self._step(name, entry, commands[name])
        await self._writer.write(
            [
                Write(
                    key=key_of(name),
                    base=head(base[0] if base else None),
                    record=pack(*record).decode(),
                    effects=commands[name],
                )
                for name, base in bases.items()
                if (record := self._records[name]) is not None
            ]
        )

    async def _load(self, names: list[str]) -> None:
        if names:
            stored: list[Any] = await self._redis.mget([key_of(name) for name in names])
            for name, record in zip(names, stored, strict=True):
                self._records[name] = unpack(record) if record else None

    def _step(self, name: str, entry: log.Entry, commands: list[list[str]]) -> None:
        event, record = decode_event(entry.value), self._records[name]
        folded = fold(record[1] if record else None, event, time.time_ns() // 1_000_000, self._site)
        if folded.outcome.reason == "applied":
            position = Position(epoch=self._epoch, partition=0, offset=entry.offset)
            self._records[name] = (position, folded.outcome.profile)
            commands.extend(map(plain, effects(event, entry.value, folded)))


def key_of(name: str) -> str:
    """The key of a visitor's record."""
    return keys.profile(*name.split(":", 1))


async def main(url: str) -> None:
    """Consume the stream at `url`."""
    async with connect(url) as redis:
        site = (await load_current(redis))["demo"]
        await Loop(redis, site, await log.epoch_of(redis, EVENTS)).run()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
