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
    weighed = [
        (topic, round(faded(stat.weight, now - stat.last_at, HALF_LIFE_MS), 4))
        for topic, stat in profile.topics.items()
    ]
    return sorted(weighed, key=lambda pair: (-pair[1], pair[0]))


def top_interest(profile: Profile, now: int) -> str | None:
    """The first of `interests`, None where there is none."""
    ranked = [
        (-round(faded(stat.weight, now - stat.last_at, HALF_LIFE_MS), 4), topic)
        for topic, stat in profile.topics.items()
    ]
    return min(ranked)[1] if ranked else None
