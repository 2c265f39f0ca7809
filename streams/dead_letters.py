"""The dead letters: events that could not be processed, with the reason, until they are replayed or dropped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis

from core.events import Event, decode_event
from storage import keys
from streams.publisher import Publisher

#: Letters replayed in one go: published together, then removed together.
BATCH = 500

# A letter goes only while it is the one that was read: an event that failed again has left a new one.
_REMOVE = """
local removed = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    removed = removed + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return removed
"""


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A letter's JSON, as the worker writes it."""

    key: str
    reason: str
    at: int
    event: str


_decode = msgspec.json.Decoder(_Stored).decode


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One letter. `id` is `{site}:{visitor}:{event id}`, `at` the epoch ms of the failure, `reason` the
    exception, `text` the event as it was in the stream, `stored` the letter as it is in the store.
    """

    id: str
    key: str
    reason: str
    at: int
    text: str
    stored: bytes

    @cached_property
    def event(self) -> Event | None:
        """The event; None where the message cannot be read as the event the letter was filed under."""
        try:
            event = decode_event(self.text)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return None
        # Bytes that are no text were replaced when the letter was written: what reads well may not be it.
        return event if self.id == f"{self.key}:{event.id}" else None

    @property
    def site(self) -> str:
        """The site of the key the message travelled under."""
        return self.key.partition(":")[0]

    @property
    def visitor(self) -> str:
        """The visitor of the key the message travelled under."""
        return self.key.partition(":")[2]


class DeadLetters:
    """Reads, replays and drops letters; only the worker writes them. Methods raise redis.RedisError."""

    def __init__(self, *, redis: Redis) -> None:
        self._redis = redis
        self._remove = redis.register_script(_REMOVE)

    async def all(self, *, site: str | None = None) -> list[DeadLetter]:
        """Every letter, or those of one site, oldest first."""
        # A scan may give a letter twice.
        found = {name: text async for name, text in self._redis.hscan_iter(keys.DEAD_LETTERS, count=BATCH)}
        letters = (_letter(name, stored) for name, stored in found.items())
        return sorted((one for one in letters if site in (None, one.site)), key=lambda one: (one.at, one.id))

    async def get(self, ids: Sequence[str]) -> list[DeadLetter | None]:
        """The letters of these ids, None for one that is not there."""
        if not ids:
            return []
        found: list[Any] = await self._redis.hmget(keys.DEAD_LETTERS, list(ids))
        return [
            _letter(name.encode(), stored) if stored else None
            for name, stored in zip(ids, found, strict=True)
        ]

    async def replay(self, letters: Iterable[DeadLetter], *, publisher: Publisher, now: int) -> int:
        """Put the letters' events back into the stream, in the order given, received `now` (epoch ms).

        A letter goes only once the stream has its event. A crash in between leaves both, and the next replay
        changes nothing: an event id counts once in 24 hours from when it was received, which is why that time
        is set anew. Returns how many were replayed; those without an event are left alone. Raises
        StoreUnavailable when the stream does not take the events.
        """
        ready = [(one, one.event) for one in letters if one.event is not None]
        for start in range(0, len(ready), BATCH):
            batch = ready[start : start + BATCH]
            await publisher.publish([replace(event, received_at=now) for _, event in batch])
            await self.drop([letter for letter, _ in batch])
        return len(ready)

    async def drop(self, letters: Iterable[DeadLetter]) -> int:
        """Remove letters for good; one that was written anew since it was read stays. Returns how many went."""
        args = [part for letter in letters for part in (letter.id, letter.stored)]
        return int(await self._remove(keys=[keys.DEAD_LETTERS], args=args)) if args else 0


def _letter(name: bytes, stored: bytes) -> DeadLetter:
    found = _decode(stored)
    return DeadLetter(
        id=name.decode(), key=found.key, reason=found.reason, at=found.at, text=found.event, stored=stored
    )
