"""One message of the events topic: what it did goes into the store, or into the dead letters with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Protocol

import msgspec
import structlog

from alerts.outbox import enqueue_commands
from core.errors import NotFound
from core.events import Event, decode_event
from sites.site import Site
from storage import keys
from storage.profiles import LIFE_S, Position, encode_entry
from streams.pipeline import Outcome, step

TRIES = 3

Command = tuple[str | bytes | int, ...]

log = structlog.get_logger()


class ProfileStore(Protocol):
    """What the processor needs of the table's store."""

    def loaded(self, name: str) -> bool: ...
    async def load(self, names: list[str]) -> None: ...
    def get(self, name: str) -> Any: ...
    def applied(self, name: str, position: Position) -> bool: ...
    def put(
        self, name: str, value: Any, position: Position, effects: list[Command], *, now: bool = False
    ) -> None: ...
    def also(self, name: str, effects: list[Command], *, now: bool = False) -> None: ...


class Processor:
    """Applies messages one by one. `sites()` is the published sites now, `clock()` epoch milliseconds."""

    def __init__(
        self,
        *,
        store: ProfileStore,
        sites: Callable[[], Mapping[str, Site]],
        clock: Callable[[], int],
        epoch: str,
    ) -> None:
        self._store, self._sites, self._clock, self._epoch = store, sites, clock, epoch

    async def process(self, key: bytes, value: bytes, *, partition: int, offset: int) -> None:
        """Apply one message. Never raises for what the message holds."""
        name = key.decode()
        if not self._store.loaded(name):
            await self._store.load([name])
        # No await from here on: nothing may come between reading a profile and writing it.
        position = Position(epoch=self._epoch, partition=partition, offset=offset)
        if self._store.applied(name, position):
            return
        for attempt in range(1, TRIES + 1):
            try:
                self._apply(name, value, position)
                return
            except Exception as error:
                if attempt == TRIES:
                    self._bury(name, value, position, error)

    def _apply(self, name: str, value: bytes, position: Position) -> None:
        event = decode_event(value)
        site = self._sites().get(event.site)
        if site is None:
            raise NotFound(f"site {event.site!r} is not published")
        outcome = step(self._store.get(name), event, self._clock(), site)
        if outcome.reason == "applied":
            self._store.put(
                name, outcome.profile, position, effects(event, outcome), now=bool(outcome.alerts)
            )

    def _bury(self, name: str, value: bytes, position: Position, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        log.error("event dead-lettered", partition=position.partition, offset=position.offset, reason=reason)
        self._store.also(name, [dead_letter(name, value, reason, self._clock())], now=True)


def effects(event: Event, outcome: Outcome) -> list[Command]:
    """What is written in the same transaction as the profile: ledger entries and alerts."""
    commands: list[Command] = []
    if outcome.entries:
        ledger = keys.ledger(event.site, event.visitor)
        commands.append(("RPUSH", ledger, *map(encode_entry, outcome.entries)))
        commands.append(("EXPIRE", ledger, LIFE_S))
    for alert in outcome.alerts:
        commands.extend(enqueue_commands(alert))
    return commands


def dead_letter(name: str, value: bytes, reason: str, now: int) -> Command:
    """The command that keeps an event that could not be processed. The same event is kept once."""
    try:
        event_id = decode_event(value).id
    except msgspec.MsgspecError:
        event_id = f"undecodable:{blake2b(value, digest_size=8).hexdigest()}"
    letter = {"key": name, "reason": reason[:500], "at": now, "event": value.decode("utf-8", "replace")}
    return ("HSET", keys.DEAD_LETTERS, f"{name}:{event_id}", msgspec.json.encode(letter))
