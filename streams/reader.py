"""What the processor reads from the store beside the profile in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from redis.asyncio import Redis

from core.events import Event
from core.profiles import Profile
from leads.people import resolve
from sites.site import Site
from storage.pipe import Pipe
from storage.profiles import ProfileReader
from streams.around import AroundReader
from streams.erasure import Remains, remains
from streams.outcome import Around
from streams.prefetch import PeoplePrefetch, Wanted
from streams.recent import Recent


class StoreReader:
    """The `Reader` of `streams.processor` over Redis."""

    def __init__(self, *, redis: Redis, pipe: Pipe) -> None:
        self._redis, self._people = redis, PeoplePrefetch(pipe=pipe, resolve=resolve)
        self._profiles = ProfileReader(redis=redis)
        self._around = AroundReader(pipe=pipe, people=self._people)

    async def prefetch(self, asked: Iterable[Wanted]) -> None:
        """Read at once what `around` will ask for the next events."""
        await self._people.prefetch(asked)

    async def recent(self, profile: Profile) -> Recent:
        """A visitor's recent events."""
        base, past = await self._profiles.recent(profile)
        return Recent(base=base, events=past)

    async def around(
        self, profile: Profile | None, site: Site, at_hand: Callable[[str], Profile | None]
    ) -> Around:
        """What is known around a visitor."""
        return await self._around.read(profile, site, at_hand)

    async def remains(self, profile: Profile | None, event: Event) -> Remains:
        """What an erasure takes with it."""
        return await remains(self._redis, profile, event)
