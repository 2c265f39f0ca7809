"""One message of the events topic: what it did goes into the store, or into the dead letters with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Protocol

import msgspec
import structlog

from core.errors import NotFound
from core.events import Event, decode_event
from core.profiles import Profile
from sites.site import Site
from storage import keys
from storage.profiles import Position
from streams.effects import Command, effects
from streams.recent import Recent, advance, needs_past
from streams.topics import name_of

TRIES = 3

log = structlog.get_logger()


class ProfileStore(Protocol):
    """What the processor needs of the table's store."""

    def loaded(self, name: str) -> bool: ...
    async def load(self, names: list[str]) -> None: ...
    async def flush(self) -> None: ...
    def get(self, name: str) -> Any: ...
    def applied(self, name: str, position: Position) -> bool: ...
    def put(
        self, name: str, value: Any, position: Position, effects: list[Command], *, now: bool = False
    ) -> None: ...
    def also(self, name: str, effects: list[Command], *, now: bool = False) -> None: ...


#: Reads the recent events of (site, visitor).
ReadRecent = Callable[[str, str], Any]


class Processor:
    """Applies messages one by one. `sites()` is the published sites now, `clock()` epoch milliseconds."""

    def __init__(
        self,
        *,
        store: ProfileStore,
        read_recent: ReadRecent,
        sites: Callable[[], Mapping[str, Site]],
        clock: Callable[[], int],
        epoch: str,
    ) -> None:
        self._store, self._read_recent = store, read_recent
        self._sites, self._clock, self._epoch = sites, clock, epoch

    async def process(self, key: bytes | None, value: bytes | None, *, partition: int, offset: int) -> None:
        """Apply one message. Raises only what the store raises, never for what the message holds."""
        name, value = name_of(key), value or b""
        if name is None:
            return self._bury("", _fingerprint(value), value, NotFound("the key names no site and visitor"))
        if not self._store.loaded(name):
            await self._store.load([name])
        position = Position(epoch=self._epoch, partition=partition, offset=offset)
        if self._store.applied(name, position):
            return
        try:
            event = decode_event(value)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            return self._bury(name, _fingerprint(value), value, error)
        recent = await self._past(name, event)
        # No await from here on: nothing may come between reading a profile and writing it.
        self._try(name, event, value, position, recent)

    async def _past(self, name: str, event: Event) -> Recent | None:
        """The recent events, where folding `event` takes them: read back after everything is written."""
        if not needs_past(self._store.get(name), event):
            return None
        await self._store.flush()
        recent = await self._read_recent(event.site, event.visitor)
        if not self._store.loaded(name):
            await self._store.load([name])
        return recent if isinstance(recent, Recent) else None

    def _try(self, name: str, event: Event, value: bytes, position: Position, recent: Recent | None) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                return self._apply(name, event, value, position, recent)
            except Exception as error:
                if attempt == TRIES:
                    self._bury(name, event.id, value, error)

    def _apply(
        self, name: str, event: Event, value: bytes, position: Position, recent: Recent | None
    ) -> None:
        site = self._sites().get(event.site)
        if site is None:
            raise NotFound(f"site {event.site!r} is not published")
        before: Profile | None = self._store.get(name)
        folded = advance(before, event, self._clock(), site, recent)
        outcome = folded.outcome
        if outcome.reason == "applied":
            commands = effects(event, value, folded)
            self._store.put(name, outcome.profile, position, commands, now=bool(outcome.alerts))

    def _bury(self, name: str, event_id: str, value: bytes, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        log.error("event dead-lettered", reason=type(error).__name__)
        letter = {
            "key": name,
            "reason": reason[:500],
            "at": self._clock(),
            "event": value.decode("utf-8", "replace"),
        }
        kept = ("HSET", keys.DEAD_LETTERS, f"{name}:{event_id}", msgspec.json.encode(letter))
        self._store.also(name, [kept], now=True)


def _fingerprint(value: bytes) -> str:
    return f"undecodable:{blake2b(value, digest_size=8).hexdigest()}"
