"""One message of the events topic: what it did goes into the store, or into the dead letters with the reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any, Protocol

import msgspec
import structlog

from core.errors import NotFound
from core.events import Event, decode_event
from core.fold import as_identified
from core.profiles import Profile
from sites.site import Site
from storage import keys
from storage.profiles import Position
from streams.around import is_alone
from streams.effects import Command, announce, effects
from streams.erasure import Remains, erase_commands
from streams.pipeline import ALONE, Around
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


class Reader(Protocol):
    """What the processor reads beside the profile."""

    async def recent(self, site: str, visitor: str) -> Recent:
        """A visitor's recent events."""
        ...

    async def around(
        self, profile: Profile | None, site: Site, at_hand: Callable[[str], Profile | None]
    ) -> Around:
        """What is known around a visitor."""
        ...

    async def remains(self, profile: Profile | None, event: Event) -> Remains:
        """What an erasure takes with it."""
        ...


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What was read for one event before it is applied."""

    recent: Recent | None = None
    around: Around = ALONE
    remains: Remains | None = None


class Processor:
    """Applies messages one by one.

    `sites()` is the published sites now, `look_again()` reads them anew, `clock()` is epoch milliseconds.
    """

    def __init__(
        self,
        *,
        store: ProfileStore,
        reader: Reader,
        sites: Callable[[], Mapping[str, Site]],
        look_again: Callable[[], Awaitable[None]],
        clock: Callable[[], int],
        epoch: str,
    ) -> None:
        self._store, self._reader = store, reader
        self._sites, self._look_again = sites, look_again
        self._clock, self._epoch = clock, epoch

    async def process(self, key: bytes | None, value: bytes | None, *, partition: int, offset: int) -> None:
        """Apply one message. Raises only what the store raises, never for what the message holds."""
        name, value = name_of(key), value or b""
        if name is None:
            return self._bury("", _fingerprint(value), value, NotFound("the key names no site and visitor"))
        await self._hold(name)
        position = Position(epoch=self._epoch, partition=partition, offset=offset)
        if self._store.applied(name, position):
            return
        try:
            event = decode_event(value)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            return self._bury(name, _fingerprint(value), value, error)
        context = await self._context(name, event)
        # While that was read the partition may have changed hands and back: what is stored may be newer by now.
        if self._store.applied(name, position):
            return
        # No await from here on: nothing may come between reading a profile and writing it.
        self._try(name, event, value, position, context)

    async def _context(self, name: str, event: Event) -> Context:
        if event.site not in self._sites():
            # A web process may have read a new site before this one did: its first events are good ones.
            await self._look_again()
            await self._hold(name)
        before, site = self._store.get(name), self._sites().get(event.site)
        if site is None:
            return Context()
        # Most events take nothing of this: no await for those.
        remains = await self._reader.remains(before, event) if event.type == "erase" else None
        who = as_identified(before, event)
        around = ALONE
        if who is not None and not is_alone(who, site):
            around = await self._reader.around(who, site, lambda other: self._at_hand(site.id, other))
            await self._hold(name)
        recent = await self._past(event) if needs_past(self._store.get(name), event) else None
        await self._hold(name)
        return Context(around=around, remains=remains, recent=recent)

    async def _hold(self, name: str) -> None:
        """Have the profile at hand: an await may have let it go."""
        if not self._store.loaded(name):
            await self._store.load([name])

    def _at_hand(self, site: str, visitor: str) -> Profile | None:
        name = f"{site}:{visitor}"
        return self._store.get(name) if self._store.loaded(name) else None

    async def _past(self, event: Event) -> Recent:
        """The recent events: read back after everything is written."""
        await self._store.flush()
        return await self._reader.recent(event.site, event.visitor)

    def _try(self, name: str, event: Event, value: bytes, position: Position, context: Context) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                return self._apply(name, event, position, context)
            except Exception as error:
                if attempt == TRIES:
                    self._bury(name, event.id, value, error)

    def _apply(self, name: str, event: Event, position: Position, context: Context) -> None:
        site = self._sites().get(event.site)
        if site is None:
            raise NotFound(f"site {event.site!r} is not published")
        before: Profile | None = self._store.get(name)
        around = context.around
        folded = advance(before, event, self._clock(), site, context.recent, around)
        outcome = folded.outcome
        if outcome.reason != "applied":
            return
        commands = effects(event, before, folded, site=site, lead=around.lead)
        commands += announce(outcome.profile, around.peers)
        if context.remains is not None:
            commands += erase_commands(event, context.remains)
        urgent = any(not alert.withheld for alert in outcome.alerts) or context.remains is not None
        self._store.put(name, outcome.profile, position, commands, now=urgent)

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
