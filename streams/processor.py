"""Messages of the events topic: what each did goes into the store, or into the dead letters with the reason."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog
from redis.exceptions import RedisError

from core.errors import LeaseLost, NotFound, StoreUnavailable
from core.events import Event, decode_event
from core.fold import as_identified
from core.profiles import Profile
from core.recents import as_happened, is_whole
from sites.site import Site
from storage import keys
from storage.profiles import Position
from streams.around import is_alone
from streams.effects import Command, announce, effects
from streams.erasure import Remains, erase_commands
from streams.outcome import ALONE, Around
from streams.prefetch import Wanted, wanted
from streams.recent import Recent, advance, needs_past
from streams.topics import name_of

TRIES = 3
#: Messages that are looked at, and whose peers are read, together, before they are applied one by one.
TOGETHER = 250

#: What no dead letter can help with: everything else would fail as well.
STORE_AWAY = (RedisError, OSError, LeaseLost, StoreUnavailable)

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

    async def prefetch(self, asked: Iterable[Wanted]) -> None:
        """Read at once what `around` will ask for the next events."""
        ...

    async def recent(self, profile: Profile) -> Recent:
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


class Message(Protocol):
    """One message as the broker brought it."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Work(NamedTuple):
    """One event that is to be applied."""

    name: str
    event: Event
    value: bytes
    position: Position


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What was read for one event before it is applied."""

    recent: Recent | None = None
    around: Around = ALONE
    remains: Remains | None = None


NOTHING = Context()


class Processor:
    """Applies messages one by one, in order; what they read is fetched for many at once.

    `sites()` is the published sites now, `look_again()` reads them anew, `clock()` is epoch milliseconds,
    `pause()` lets others go on where that is due.
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
        pause: Callable[[], Awaitable[None]],
    ) -> None:
        self._store, self._reader = store, reader
        self._sites, self._look_again = sites, look_again
        self._clock, self._epoch, self._pause = clock, epoch, pause

    async def process(self, partition: int, messages: Sequence[Message]) -> None:
        """Apply messages of one partition. Raises only what the store raises (STORE_AWAY), never for what
        a message holds.
        """
        for start in range(0, len(messages), TOGETHER):
            together = messages[start : start + TOGETHER]
            names = [name_of(message.key) for message in together]
            await self._store.load([name for name in names if name and not self._store.loaded(name)])
            works = [self._work(partition, *one) for one in zip(names, together, strict=True)]
            await self._prefetch(filter(None, works))
            for work in filter(None, works):
                await self._process(work)
                await self._pause()

    async def _prefetch(self, works: Iterable[Work]) -> None:
        """Prefetch for all. What is damaged fails again when it is read for its own event, and is told there."""
        try:
            await self._reader.prefetch(self._wanted(works))
        except STORE_AWAY:
            raise
        except Exception as error:
            log.warning("nothing is prefetched", reason=type(error).__name__)

    async def _process(self, work: Work) -> None:
        try:
            await self._fetch_and_try(work)
        except STORE_AWAY:
            raise
        except Exception as error:
            self._bury(work.name, work.event.id, work.value, error)

    def _work(self, partition: int, name: str | None, message: Message) -> Work | None:
        """What there is to do: nothing for what was applied before, nor for what is no event."""
        value = message.value or b""
        if name is None:
            self._bury("", _fingerprint(value), value, NotFound("the key names no site and visitor"))
            return None
        position = Position(epoch=self._epoch, partition=partition, offset=message.offset)
        if self._store.loaded(name) and self._store.applied(name, position):
            return None
        try:
            return Work(name, decode_event(value), value, position)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            self._bury(name, _fingerprint(value), value, error)
            return None

    def _wanted(self, works: Iterable[Work]) -> Iterable[Wanted]:
        for name, event, _, _ in works:
            if self._store.loaded(name):
                with contextlib.suppress(Exception):  # what fails here fails again where it is told
                    yield from wanted(self._store.get(name), event)

    async def _fetch_and_try(self, work: Work) -> None:
        name, event, _, position = work
        await self._hold(name)
        if self._store.applied(name, position):
            return
        context = await self._context(name, event)
        # While that was read the partition may have changed hands and back: what is stored may be newer by now.
        if self._store.applied(name, position):
            return
        # No await from here on: nothing may come between reading a profile and writing it.
        self._try(work, context)

    async def _context(self, name: str, event: Event) -> Context:
        if event.site not in self._sites():
            # A web process may have read a new site before this one did: its first events are good ones.
            await self._look_again()
            await self._hold(name)
        before, site = self._store.get(name), self._sites().get(event.site)
        if site is None:
            return NOTHING
        # Most events take nothing of this: no await for those.
        who, late = as_identified(before, event), needs_past(before, event)
        alone = who is None or is_alone(who, site)
        if alone and not late and event.type != "erase":
            return NOTHING
        remains = await self._reader.remains(before, event) if event.type == "erase" else None
        around = ALONE
        if who is not None and not alone:
            around = await self._reader.around(who, site, lambda other: self._at_hand(site.id, other))
        await self._hold(name)
        recent = await self._past(self._store.get(name), event)
        await self._hold(name)
        return Context(around=around, remains=remains, recent=recent)

    async def _hold(self, name: str) -> None:
        """Have the profile at hand: an await may have let it go. Raises ValueError for a damaged record."""
        if not self._store.loaded(name):
            await self._store.load([name])
            if not self._store.loaded(name):
                raise ValueError("the visitor's record is damaged")

    def _at_hand(self, site: str, visitor: str) -> Profile | None:
        name = f"{site}:{visitor}"
        return self._store.get(name) if self._store.loaded(name) else None

    async def _past(self, profile: Profile | None, event: Event) -> Recent | None:
        """The recent events, where they are needed: read back after everything is written."""
        if profile is None or not needs_past(profile, event):
            return None
        if is_whole(profile):
            return Recent(base=None, events=as_happened(profile.recent_events, profile.site, profile.id))
        await self._store.flush()
        return await self._reader.recent(profile)

    def _try(self, work: Work, context: Context) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                return self._apply(work, context)
            except Exception as error:
                if attempt == TRIES:
                    self._bury(work.name, work.event.id, work.value, error)

    def _apply(self, work: Work, context: Context) -> None:
        name, event, _, position = work
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
