"""The lease: one worker owns a consumer group's partitions; every write it makes is fenced by its token."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from typing import Any

from redis.asyncio import Redis

from core.errors import LeaseLost
from storage import keys

TTL_MS = 5_000
RENEW_S = 1.0

_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Lease:
    """A key with a life of seconds that holds its owner's token: `host|pid|random`."""

    def __init__(self, *, redis: Redis, group: str) -> None:
        self._redis = redis
        self.key = keys.lease(group)
        self.token = f"{socket.gethostname()}|{os.getpid()}|{secrets.token_hex(8)}"
        self._renew = redis.register_script(_RENEW)
        self._release = redis.register_script(_RELEASE)

    async def acquire(self) -> bool:
        """Try once to become the owner."""
        if await self._redis.set(self.key, self.token, nx=True, px=TTL_MS):
            return True
        await self._bury_the_dead()
        return bool(await self._redis.set(self.key, self.token, nx=True, px=TTL_MS))

    async def renew(self) -> None:
        """Stay the owner for another life. Raises LeaseLost when somebody else is."""
        if not await self._renew(keys=[self.key], args=[self.token, TTL_MS]):
            raise LeaseLost

    async def release(self) -> None:
        """Let a waiting worker take over at once."""
        await self._release(keys=[self.key], args=[self.token])

    async def _bury_the_dead(self) -> None:
        """Free the lease of a process of this host that no longer runs, rather than wait for its life to end.

        Should the guess be wrong (two pid namespaces under one host name), the fence still holds: the old
        owner's next write is refused and it exits.
        """
        holder: Any = await self._redis.get(self.key)
        if holder is None:
            return
        host, pid, _ = holder.decode().split("|")
        if host == socket.gethostname() and not _alive(int(pid)):
            with contextlib.suppress(LeaseLost):
                await self._release(keys=[self.key], args=[holder])


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
