"""Faust's table store over Redis: an object cache in front, write-behind behind, exactly-once by position.

Reads are synchronous because Faust's are: `load` fetches what a batch needs before it is delivered.
Writes are gathered and flushed within `FLUSH_S`, at once where something waits for them (an alert), and always
before offsets are committed (the consumer sees to that). Only the worker that owns the partition writes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import structlog
from faust.stores.base import Store as BaseStore
from mode import Service
from redis.asyncio import Redis

from storage.profiles import Position, head
from streams.plugins.writer import Command, Word, Write, Writer, plain, word

log = structlog.get_logger()

FLUSH_S = 0.1
#: Records kept in memory. A visitor that falls out is read again when they come back.
CACHE = 50_000

Record = tuple[Position, Any]


class Codec:
    """How a table's values are stored. Plain functions, given by whoever makes the app."""

    def __init__(
        self,
        *,
        key: Callable[[str], str],
        pack: Callable[[Position, Any], bytes],
        unpack: Callable[[bytes], Record],
    ) -> None:
        self.key, self.pack, self.unpack = key, pack, unpack


class Store(BaseStore[str, Any]):
    """The table's data. `connect_to` is called once, before the table starts."""

    def __post_init__(self) -> None:
        self._cache: dict[str, Record | None] = {}
        self._dirty: dict[str, Record] = {}
        #: What Redis holds, or will once the write under way is done, of what is in the cache.
        self._stored: dict[str, Position | None] = {}
        self._effects: dict[str, list[list[Word]]] = {}
        self._writing: frozenset[str] = frozenset()
        self._flushing = asyncio.Lock()
        self._urgent = asyncio.Event()
        self._redis: Redis
        self._codec: Codec
        self._writer: Writer
        self._on_fatal: Callable[[BaseException], None]

    def connect_to(
        self, *, redis: Redis, codec: Codec, writer: Writer, on_fatal: Callable[[BaseException], None]
    ) -> None:
        """Give the store its parts. `on_fatal` ends the process: with unwritten data nothing else is right."""
        self._redis, self._codec, self._writer, self._on_fatal = redis, codec, writer, on_fatal

    # -- reading

    async def load(self, names: Iterable[str]) -> None:
        """Bring the records of `names` into memory, in one round trip. One that is damaged is left out."""
        missing = [name for name in dict.fromkeys(names) if name not in self._cache]
        if not missing:
            return
        self._make_room(len(missing))
        records: list[Any] = await self._redis.mget([self._codec.key(name) for name in missing])
        for name, record in zip(missing, records, strict=True):
            if name not in self._cache:  # else an agent wrote it while the server answered: that is newer
                self._take(name, record)

    def _take(self, name: str, record: Any) -> None:
        try:
            found = self._codec.unpack(record) if record else None
        except ValueError as error:
            log.error("a record is damaged", reason=str(error))
            return
        self._cache[name], self._stored[name] = found, found[0] if found else None

    def loaded(self, name: str) -> bool:
        """Whether `name` may be read now. Where it may not, `load` it first; where that has not helped, its record
        is damaged.
        """
        return name in self._cache

    def get(self, name: str, default: Any = None) -> Any:
        """The value of `name`. Raises LookupError where it was not loaded: absent and unknown are different."""
        record = self._cache[name]
        return record[1] if record else default

    def applied(self, name: str, position: Position) -> bool:
        """Whether the record of `name` already holds the event at `position`."""
        record = self._cache[name]
        return record is not None and record[0].covers(position)

    # -- writing

    def put(
        self, name: str, value: Any, position: Position, effects: Iterable[Command] = (), *, now: bool = False
    ) -> None:
        """Set `name` to `value`, with commands to run in the same transaction. `now` asks for a flush at once."""
        self._cache[name] = self._dirty[name] = (position, value)
        self.also(name, effects, now=now)

    def also(self, name: str, effects: Iterable[Command], *, now: bool = False) -> None:
        """Commands to run with the next write of `name`, or alone where it has none."""
        commands = [plain(command) for command in effects]
        if commands:
            self._effects.setdefault(name, []).extend(commands)
        if now:
            self._urgent.set()

    async def flush(self) -> None:
        """Write everything gathered so far. When this returns it is in Redis."""
        async with self._flushing:
            dirty, self._dirty = self._dirty, {}
            effects, self._effects = self._effects, {}
            self._urgent.clear()
            self._writing = frozenset(dirty)
            if writes := self._writes(dirty, effects):
                await self._write(writes)
            self._writing = frozenset()

    async def _write(self, writes: list[Write]) -> None:
        try:
            await self._writer.write(writes)
        except Exception as error:  # what was to be written is in memory only: stop before it is wrong
            self._on_fatal(error)
            raise

    def _writes(self, dirty: Mapping[str, Record], effects: Mapping[str, list[list[Word]]]) -> list[Write]:
        key, pack = self._codec.key, self._codec.pack
        writes = []
        for name, record in dirty.items():
            base, self._stored[name] = head(self._stored[name]), record[0]
            packed = word(pack(*record))
            writes.append(Write(key=key(name), base=base, record=packed, effects=effects.get(name, [])))
        alone = [name for name in effects if name not in dirty]
        return writes + [Write(key="", base="", record="", effects=effects[name]) for name in alone]

    @Service.task
    async def _flusher(self) -> None:
        while not self.should_stop:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._urgent.wait()
            await self.flush()

    async def on_stop(self) -> None:
        """Write what is left."""
        await self.flush()

    def _make_room(self, wanted: int) -> None:
        surplus = len(self._cache) + wanted - CACHE
        if surplus <= 0:
            return
        clean = (name for name in self._cache if name not in self._dirty and name not in self._writing)
        for name in [name for name, _ in zip(clean, range(surplus), strict=False)]:
            del self._cache[name], self._stored[name]

    async def on_rebalance(self, *_: Any, **__: Any) -> None:
        """Another worker may have written since: forget, and read again what is needed."""
        await self.flush()
        self.reset_state()

    # -- what Faust asks of a store

    def __getitem__(self, name: str) -> Any:
        record = self._cache[name]
        if record is None:
            raise KeyError(name)
        return record[1]

    def __setitem__(self, name: str, value: Any) -> None:
        raise NotImplementedError("a write needs its position: use put()")

    def __delitem__(self, name: str) -> None:
        raise NotImplementedError("records are erased by events, not by the table")

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, record in self._cache.items() if record])

    def __len__(self) -> int:
        return sum(record is not None for record in self._cache.values())

    def __contains__(self, name: object) -> bool:
        return self._cache.get(str(name)) is not None

    def apply_changelog_batch(self, *_: Any, **__: Any) -> None:
        """Never called: the table has no changelog, Redis is the durable copy."""
        raise NotImplementedError

    def reset_state(self) -> None:
        """Forget what was read: Redis is the state."""
        self._cache.clear()
        self._stored.clear()

    def persisted_offset(self, _tp: Any) -> int | None:
        """No changelog, no offset in it."""
        return None

    async def backup_partition(self, *_: Any, **__: Any) -> None:
        """Redis' own persistence is the backup."""

    def restore_backup(self, *_: Any, **__: Any) -> None:
        """Redis' own persistence is the backup."""
