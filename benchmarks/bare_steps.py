"""What a bare consumer does with a batch: the pure step of each message, then one call of the worker's writer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from core.events import decode_event
from core.profiles import Profile
from sites.site import Site
from storage import keys
from storage.profiles import Position, head, pack, unpack
from streams.effects import effects
from streams.plugins.writer import Word, Write, Writer, plain, word
from streams.recent import fold

Record = tuple[Position, Profile]


class Message(NamedTuple):
    """One message, whatever the broker."""

    partition: int
    offset: int
    key: bytes
    value: bytes


class Steps:
    """Applies batches, one after the other. Every profile it has met stays in memory."""

    def __init__(self, redis: Redis, site: Site, epoch: str) -> None:
        self._redis, self._site, self._epoch = redis, site, epoch
        self._writer = Writer(redis=redis)
        self._records: dict[str, Record | None] = {}

    async def apply(self, messages: Sequence[Message]) -> None:
        """Do the step of each message and write what it did."""
        names = list(dict.fromkeys(message.key.decode() for message in messages))
        await self._load([name for name in names if name not in self._records])
        bases = {name: self._records[name] for name in names}
        commands: dict[str, list[list[Word]]] = {name: [] for name in names}
        for message in messages:
            name = message.key.decode()
            self._step(name, message, commands[name])
        await self._writer.write(
            [
                Write(
                    key=key_of(name),
                    base=head(base[0] if base else None),
                    record=word(pack(*record)),
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

    def _step(self, name: str, message: Message, commands: list[list[Word]]) -> None:
        event, record = decode_event(message.value), self._records[name]
        folded = fold(record[1] if record else None, event, time.time_ns() // 1_000_000, self._site)
        if folded.outcome.reason == "applied":
            position = Position(epoch=self._epoch, partition=message.partition, offset=message.offset)
            self._records[name] = (position, folded.outcome.profile)
            before = record[1] if record else None
            done = effects(event, before, folded, site=self._site)
            commands.extend(map(plain, done))


def key_of(name: str) -> str:
    """The key of a visitor's record."""
    return keys.profile(*name.split(":", 1))
