"""Profile records in Redis: a header line with the stream position applied last, then the profile, packed JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis

from core.events import Event
from core.profiles import Entry, Profile, decode_profile, encode_profile
from core.recents import as_happened, in_batches
from storage import keys, packing

#: A visitor not seen for this long is forgotten.
LIFE_S = 400 * 86_400

_encode = encode_entries = msgspec.json.Encoder().encode
_decode_entry = msgspec.json.Decoder(Entry).decode
_decode_entries = msgspec.json.Decoder(list[Entry]).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Position(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


def pack_profile(profile: Profile) -> bytes:
    """A profile as stored."""
    return packing.pack(encode_profile(profile), packing.PROFILES)


def unpack_profile(stored: bytes) -> Profile:
    """A stored profile. Raises ValueError (msgspec.DecodeError among them) where it is damaged."""
    profile = decode_profile(packing.unpack(stored))
    # In the days of plain records each entry of a ledger stood alone.
    return profile if packing.is_packed(stored) else replace(profile, loose=profile.entries)


def pack(position: Position, profile: Profile) -> bytes:
    """The record as stored."""
    return head(position).encode() + b"\n" + pack_profile(profile)


def pack_closed(profile: Profile) -> bytes:
    """The record of a chapter that ended: it follows no stream any more."""
    return b"- 0 0\n" + pack_profile(profile)


def unpack(record: bytes) -> tuple[Position, Profile]:
    """A stored record. Raises ValueError where it is damaged."""
    first, _, body = record.partition(b"\n")
    epoch, partition, offset = first.decode().split(" ")
    return Position(epoch=epoch, partition=int(partition), offset=int(offset)), unpack_profile(body)


def pack_events(events: Sequence[msgspec.Raw]) -> bytes:
    """A batch of a visitor's recent events (see `core.recents`) as stored."""
    return packing.pack(_encode(events), packing.LINES)


def unpack_events(stored: bytes) -> list[msgspec.Raw]:
    """What `pack_events` made, or one event as they were stored before. Raises ValueError."""
    text = packing.unpack(stored)
    return _decode_raws(text) if text.startswith(b"[") else [msgspec.Raw(text)]


def pack_entries(entries: Sequence[Entry]) -> bytes:
    """Entries of a ledger that are kept together."""
    return packing.pack(encode_entries(entries), packing.LINES)


def unpack_entries(stored: bytes) -> list[Entry]:
    """What `pack_entries` made, or one entry as they were stored before. Raises ValueError."""
    if packing.is_packed(stored):
        return _decode_entries(packing.unpack(stored))
    return [_decode_entry(stored)]


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

    async def recent(self, profile: Profile) -> tuple[Profile | None, tuple[Event, ...]]:
        """A visitor's recent events, in order of arrival, and the profile before them. Raises ValueError."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.get(keys.base(profile.site, profile.id))
        pipe.lrange(keys.recent(profile.site, profile.id), 0, -1)
        base, stored = await pipe.execute()
        earlier = [event for element in stored for event in unpack_events(element)]
        # What was put there after the profile was read is among those that it has with it.
        events = [*earlier[: in_batches(profile)], *profile.recent_events]
        return unpack_profile(base) if base else None, as_happened(events, profile.site, profile.id)

    async def ledger(self, profile: Profile) -> Sequence[Entry]:
        """The ledger of a visitor's chapter, oldest entry first."""
        stored: Any = await self._redis.lrange(keys.ledger(profile.site, profile.name), 0, -1)
        earlier = [entry for element in stored for entry in unpack_entries(element)]
        # What was put there after the profile was read is among its latest.
        return [*earlier[: profile.entries - len(profile.latest)], *profile.latest]
