"""A lease: one process at a time has a piece of work; what it writes is fenced by the lease's token."""

from __future__ import annotations

import os
import secrets
import socket
from typing import Any

from redis.asyncio import Redis

from core.errors import LeaseLost

_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class Lease:
    """A key with a life of `ttl_ms` that holds its owner's token, `host|pid|random`.

    Methods raise redis.RedisError.
    """

    def __init__(self, redis: Redis, *, key: str, ttl_ms: int) -> None:
        self._redis, self.key, self.ttl_ms = redis, key, ttl_ms
        self.token = _new_token()

    async def acquire(self) -> bool:
        """Try once to become the owner, under a token nobody has had."""
        self.token = _new_token()
        if await self._take():
            return True
        return await self._bury_the_dead() and await self._take()

    async def renew(self) -> None:
        """Stay the owner for another life. Raises LeaseLost where it is over or somebody else's."""
        if not await self._redis.eval(_RENEW, 1, self.key, self.token, str(self.ttl_ms)):
            raise LeaseLost

    async def release(self) -> None:
        """Let a waiting process take over at once."""
        await self._redis.eval(_RELEASE, 1, self.key, self.token)

    async def _take(self) -> bool:
        return bool(await self._redis.set(self.key, self.token, nx=True, px=self.ttl_ms))

    async def _bury_the_dead(self) -> bool:
        """Free the lease of a process of this host that no longer runs, rather than wait for its life to end.

        Should the guess be wrong (two pid namespaces under one host name), the fence still holds: the old
        owner's next write is refused.
        """
        holder: Any = await self._redis.get(self.key)
        if holder is None:
            return True
        text = holder.decode() if isinstance(holder, bytes) else str(holder)
        host, _, rest = text.partition("|")
        pid = rest.partition("|")[0]
        if host != socket.gethostname() or not pid.isdecimal() or _alive(int(pid)):
            return False
        await self._redis.eval(_RELEASE, 1, self.key, text)
        return True


def _new_token() -> str:
    return f"{socket.gethostname()}|{os.getpid()}|{secrets.token_hex(8)}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
