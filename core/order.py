"""The one order of a visitor's events: by time, then by kind and id, whatever order they arrived in."""

from __future__ import annotations

from core.events import Event
from core.profiles import Profile

#: Within one millisecond: first where the visitor is, then who they are, then what they do there.
_RANK = {
    "page": "0", "identify": "1", "group": "2", "track": "3", "engage": "4",
    "exposure": "5", "link": "6", "unlink": "7", "timer": "8", "erase": "9",
}  # fmt: skip


def tie(event: Event) -> str:
    """Where an event stands among those of the same millisecond."""
    return _RANK[event.type] + event.id


def order(event: Event) -> tuple[int, str]:
    """The sort key of events."""
    return (event.at, tie(event))


def is_late(profile: Profile, event: Event) -> bool:
    """Whether `event` belongs before one that is already folded into `profile`."""
    return order(event) < (max(profile.last_at, profile.settled_at), profile.last_key)
