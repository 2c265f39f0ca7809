"""Buying episodes: which alerts of a visitor belong together. Pure.

An episode begins with a hot action and ends when no alert has followed for a while (`AlertRule.episode_ms`).
Its id is a hash of the visitor and the alert that began it, so a replay makes the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from msgspec.structs import replace

from alerts.model import Alert
from core.profiles import Episode


def joined(known: Episode | None, *, visitor: str, alert_id: str, at: int, silence_ms: int) -> Episode:
    """The episode that an alert at `at` belongs to: the visitor's last one while it goes on, else a new one."""
    if known is None or abs(at - known.last_at) >= silence_ms:
        return Episode(id=_id(visitor, alert_id), first_at=at, last_at=at)
    return replace(known, first_at=min(at, known.first_at), last_at=max(at, known.last_at))


def continued(known: Episode | None, alerts: Iterable[Alert]) -> Episode | None:
    """The profile's episode after `alerts` (what `fire` returned)."""
    for alert in alerts:
        if alert.withheld:
            continue
        if known is None or known.id != alert.episode:
            known = Episode(id=alert.episode, first_at=alert.at, last_at=alert.at)
        first, last = min(alert.at, known.first_at), max(alert.at, known.last_at)
        known = replace(known, first_at=first, last_at=last)
    return known


def rejoined(
    told: Episode | None, again: Episode | None, alerts: Sequence[Alert]
) -> tuple[Episode | None, list[Alert]]:
    """After events were folded again: the episode people know, `told`, keeps its id where `again` is the same
    one seen anew (they overlap), and so do the `alerts` that are still to be told.
    """
    if told is None or again is None or told.id == again.id:
        return again, list(alerts)
    if again.first_at > told.last_at or told.first_at > again.last_at:
        return again, list(alerts)
    moved = [replace(one, episode=told.id, first=False) if one.episode == again.id else one for one in alerts]
    return replace(again, id=told.id), moved


def _id(visitor: str, alert_id: str) -> str:
    return blake2b(f"{visitor}\x00{alert_id}".encode(), digest_size=10).hexdigest()
