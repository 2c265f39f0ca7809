"""Interests: what a visitor reads about, by views and engaged time, fading with the weeks.

A page view and a minute of engaged time weigh 1 each when they happen, and half of it a month later: what was
read long ago is no interest of today.
"""

from __future__ import annotations

from core.fading import faded
from core.profiles import Profile, TopicStat

HALF_LIFE_MS = 30 * 86_400_000
_MINUTE_MS = 60_000


def weight_after(stat: TopicStat, at: int, *, views: int, engaged_ms: int) -> float:
    """The topic's weight as of the later of its last time and `at` (epoch ms)."""
    as_of = max(stat.last_at, at)
    gained = views + engaged_ms / _MINUTE_MS
    worth = faded(stat.weight, as_of - stat.last_at, HALF_LIFE_MS) + faded(gained, as_of - at, HALF_LIFE_MS)
    return round(worth, 4)


def interests(profile: Profile, now: int) -> list[tuple[str, float]]:
    """The visitor's topics with their weight at `now` (epoch ms), the strongest first."""
    return [(topic, -negative) for negative, topic in sorted(_ranked(profile, now))]


def top_interest(profile: Profile, now: int) -> str | None:
    """The first of `interests`, None where there is none."""
    ranked = _ranked(profile, now)
    return min(ranked)[1] if ranked else None


def _ranked(profile: Profile, now: int) -> list[tuple[float, str]]:
    """The topics, each after its negative weight: they sort by it, and those of one weight by name."""
    return [
        (-round(faded(stat.weight, now - stat.last_at, HALF_LIFE_MS), 4), topic)
        for topic, stat in profile.topics.items()
    ]
