"""What the web process does while the store is away: it does not wait, and pages keep their originals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import structlog
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.errors import StoreUnavailable
from core.profiles import Profile
from server import state
from sites.site import Site
from storage import keys
from storage.breaker import Breaker
from storage.pipe import Pipe
from storage.profiles import ProfileReader, living
from streams.around import is_alone
from streams.outcome import ALONE, Around
from streams.spool import SpoolingPublisher

#: The longest that an answer waits for a profile; the snippet shows the original 300 ms after it asked.
PATIENCE_S = 0.25

SPOOL: web.AppKey[SpoolingPublisher] = web.AppKey("spool", SpoolingPublisher)

log = structlog.get_logger()


class PatientReader(ProfileReader):
    """Reads profiles within the pipe's patience, and while the store is away not at all. `clock`: monotonic
    seconds.
    """

    def __init__(self, *, redis: Redis, pipe: Pipe, clock: Callable[[], float]) -> None:
        super().__init__(redis=redis)
        self._pipe, self._clock, self._breaker = pipe, clock, Breaker()

    async def get(self, site: str, visitor: str) -> Profile | None:
        """One visitor's profile, None where there is none. Raises StoreUnavailable."""
        if not self._breaker.allows(self._clock()):
            raise StoreUnavailable
        try:
            record = await self._pipe.call("GET", keys.profile(site, visitor))
        except (RedisError, OSError) as error:
            if not self._breaker.away:
                log.error("profiles cannot be read; pages keep their originals", reason=str(error))
            self._breaker.failed(self._clock())
            raise StoreUnavailable from error
        self._breaker.succeeded()
        return living(record)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a visitor: the stored profile, and whether it could be read at all."""

    profile: Profile | None = None
    readable: bool = True


async def read(app: web.Application, site: str, visitor: str) -> Known:
    """The visitor as stored. Never raises: a profile that cannot be read is not a first visit."""
    try:
        return Known(profile=await app[state.PROFILES].get(site, visitor))
    except (StoreUnavailable, ValueError):  # a damaged record cannot be read either
        return Known(readable=False)


async def around(app: web.Application, profile: Profile | None, site: Site) -> Around:
    """What is around a visitor. Never raises and never late: what is not known in time is left out."""
    if profile is None or is_alone(profile, site):
        return ALONE
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await app[state.AROUND].read(profile, site)
    except (TimeoutError, RedisError, OSError, ValueError):
        return ALONE
