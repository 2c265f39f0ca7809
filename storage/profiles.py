"""Profile records in Redis: a header line with the stream position applied last, then the profile as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from core.events import Event, decode_event
from core.profiles import Entry, Profile, decode_profile, encode_profile
from storage import keys

#: A visitor not seen for this long is forgotten.
LIFE_S = 400 * 86_400

encode_entry = msgspec.json.Encoder().encode
_decode_entry = msgspec.json.Decoder(Entry).decode


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the stream a record stands. Offsets compare only within one epoch and partition: a stream made
    anew, or a move to another broker, starts an epoch of its own.
    """

    epoch: str
    partition: int
    offset: int

    def covers(self, other: Position) -> bool:
        """Whether a record at this position already holds what the event at `other` did."""
        return (self.epoch, self.partition) == (other.epoch, other.partition) and self.offset >= other.offset


def head(position: Position | None) -> str:
    """A record's first line; "" for no record."""
    return f"{position.epoch} {position.partition} {position.offset}" if position else ""


def pack(position: Position, profile: Profile) -> bytes:
    """The record as stored."""
    return head(position).encode() + b"\n" + encode_profile(profile)


def pack_closed(profile: Profile) -> bytes:
    """The record of a chapter that ended: it follows no stream any more."""
    return b"- 0 0\n" + encode_profile(profile)


def unpack(record: bytes) -> tuple[Position, Profile]:
    """A stored record. Raises ValueError (msgspec.DecodeError among them) where it is damaged."""
    first, _, body = record.partition(b"\n")
    epoch, partition, offset = first.decode().split(" ")
    return Position(epoch=epoch, partition=int(partition), offset=int(offset)), decode_profile(body)


def living(record: bytes | None) -> Profile | None:
    """The profile of a record; None where there is none, or nothing is left of it. Raises ValueError."""
    profile = unpack(record)[1] if record else None
    return None if profile is None or profile.is_tombstone else profile


class ProfileReader:
    """Reads what the worker wrote. Nothing here writes."""

    def __init__(self, *, redis: Redis) -> None:
        self._redis = redis

    async def get(self, site: str, visitor: str) -> Profile | None:
        """One visitor's profile, None where there is none."""
        record: Any = await self._redis.get(keys.profile(site, visitor))
        return living(record)

    async def recent(self, site: str, visitor: str) -> tuple[Profile | None, tuple[Event, ...]]:
        """A visitor's recent events, in order of arrival, and the profile before them."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.get(keys.base(site, visitor))
        pipe.lrange(keys.recent(site, visitor), 0, -1)
        base, events = await pipe.execute()
        return (decode_profile(base) if base else None), tuple(decode_event(event) for event in events)

    async def ledger(self, site: str, visitor: str) -> Sequence[Entry]:
        """A visitor's ledger, oldest entry first."""
        lines: Any = await self._redis.lrange(keys.ledger(site, visitor), 0, -1)
        return [_decode_entry(line) for line in lines]
