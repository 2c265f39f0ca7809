"""The messages people have: those of an episode, and when the last ones of a channel were posted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis

from alerts import scripts
from alerts.model import Alert
from alerts.standing import Gathered, Post, digest_field, encode, post_field
from storage.keys import channel_posts, episode


class Posts:
    """Remembers messages. All methods raise redis.RedisError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def keep(self, alert: Alert, post: Post | None) -> None:
        """Remember the episode's message in the alert's channel; None: it is there no more."""
        value = encode(post) if post else b""
        name = post_field(alert.channel)
        await self._redis.eval(scripts.POST, 1, episode(alert.episode or alert.id), name, value)

    async def keep_digest(self, lines: Iterable[Alert], digest: Gathered) -> None:
        """Remember with the episodes of `lines` that they stand in a digest."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for alert in lines:
                place = episode(alert.episode or alert.id)
                pipe.eval(scripts.POST, 1, place, digest_field(alert.id), encode(digest))
            await pipe.execute()

    async def note(self, channel: str, *, now: int, limit: int, window_s: float) -> None:
        """Remember when a message was posted to a channel, for a process that comes after this one."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.rpush(channel_posts(channel), now)
            pipe.ltrim(channel_posts(channel), -limit, -1)
            pipe.pexpire(channel_posts(channel), int(window_s * 1000))
            await pipe.execute()

    async def times(self, channel: str) -> list[int]:
        """When (epoch ms) the last messages to a channel were posted."""
        found: Any = await self._redis.lrange(channel_posts(channel), 0, -1)
        return [int(at) for at in found]
