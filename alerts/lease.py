"""The right to send: one dispatcher at a time has it."""

from __future__ import annotations

import secrets

from redis.asyncio import Redis

from core.errors import LeaseLost
from storage import keys

_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class DispatchLease:
    """A key with a life of `ttl_ms` that holds its owner's random `token`. Methods raise redis.RedisError."""

    def __init__(self, redis: Redis, *, ttl_ms: int) -> None:
        self._redis, self.ttl_ms = redis, ttl_ms
        self.token = secrets.token_hex(16)

    async def acquire(self) -> bool:
        """Try once to become the owner, under a token nobody has had."""
        self.token = secrets.token_hex(16)
        return bool(await self._redis.set(keys.DISPATCH_LEASE, self.token, nx=True, px=self.ttl_ms))

    async def renew(self) -> None:
        """Stay the owner for another life. Raises LeaseLost where it is over or somebody else's."""
        if not await self._redis.eval(_RENEW, 1, keys.DISPATCH_LEASE, self.token, str(self.ttl_ms)):
            raise LeaseLost

    async def release(self) -> None:
        """Let a waiting dispatcher take over at once."""
        await self._redis.eval(_RELEASE, 1, keys.DISPATCH_LEASE, self.token)
