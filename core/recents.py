"""How a visitor's recent events are kept: the latest few with the profile, those before them in batches.

Whoever looks at few pages needs nothing beside the profile, and an event's id, address and time, which the profile
knows as well, are stored once. With the profile they stay as JSON: only a late event needs them as events again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from core.events import Event, decode_event, encode_event
from core.profiles import Profile

#: So many are put away together. More would be packed better, but are written, and held by the worker, with the
#: profile until then.
BATCH = 8

#: The fields of a profile without any.
NO_RECENTS: dict[str, Any] = {"recent": 0, "recent_from": 0, "recent_base": False, "recent_events": ()}


def as_kept(event: Event) -> Raw:
    """An event as it is kept with its visitor: whose it is goes without saying."""
    return Raw(encode_event(replace(event, site="", visitor="")))


def as_happened(kept: Iterable[Raw], site: str, visitor: str) -> tuple[Event, ...]:
    """Kept events of a visitor as they came. Raises msgspec.DecodeError."""
    return tuple([replace(decode_event(one), site=site, visitor=visitor) for one in kept])


def held(profile: Profile) -> Profile:
    """A decoded profile to be held for long: until then its events are views of the whole text."""
    if not profile.recent_events:
        return profile
    return replace(profile, recent_events=tuple([one.copy() for one in profile.recent_events]))


def put_away(events: Sequence[Raw]) -> tuple[list[Sequence[Raw]], tuple[Raw, ...]]:
    """The batches that `events` fill, and the rest, which stays with the profile."""
    full = len(events) // BATCH * BATCH
    return [events[start : start + BATCH] for start in range(0, full, BATCH)], tuple(events[full:])


def in_batches(profile: Profile) -> int:
    """How many of a visitor's recent events stand in batches."""
    return profile.recent - len(profile.recent_events)


def is_whole(profile: Profile) -> bool:
    """Whether the profile has its whole recent past with it, so that there is nothing to read."""
    return not profile.recent_base and in_batches(profile) == 0
