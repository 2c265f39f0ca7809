"""How the entries of a score ledger are kept: the latest few with the profile, those before them in batches.

A newcomer's entries all stand with the profile. The first batch is a large one, so that few visitors need a ledger
of their own at all; the later ones are small, so that the profile of somebody known carries few entries.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.profiles import Entry, Profile

FIRST = 12
LATER = 4


def batches(start: int, entries: Sequence[Entry]) -> tuple[list[Sequence[Entry]], Sequence[Entry]]:
    """The batches that `entries` fill, and the rest. `start` entries stand in batches already."""
    full: list[Sequence[Entry]] = []
    while len(entries) >= (size := LATER if start else FIRST):
        full.append(entries[:size])
        entries, start = entries[size:], start + size
    return full, entries


def in_batches(profile: Profile) -> int:
    """How many of a profile's entries stand in batches."""
    return profile.entries - profile.loose - len(profile.latest)


def elements(entries: int, loose: int) -> int:
    """How many elements of the list that is the ledger hold its first `entries`. The first `loose` stand alone, as
    all did before there were batches.
    """
    if entries <= loose:
        return entries
    batched = entries - loose
    return loose + (1 + (batched - FIRST) // LATER if batched >= FIRST else 0)
