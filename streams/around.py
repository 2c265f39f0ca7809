"""What is known around a visitor, read from the store: the person's other visitors, the company's people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.accounts import account_of
from core.identity import edges, is_known
from core.profiles import Profile
from leads.accounts import Facts, decode_facts
from leads.people import resolve
from sites.site import Site
from storage import keys
from storage.people import PeopleReader
from storage.pipe import Pipe, pairs
from streams.outcome import ALONE, Around

#: A visitor's profile where it is at hand, newer than what is stored.
AtHand = Callable[[str], Profile | None]


def is_alone(profile: Profile, site: Site) -> bool:
    """Whether nothing can be around a visitor, so that there is nothing to read: most are nobody we know."""
    return not is_known(profile) and not (site.asks_account and account_of(profile))


class AroundReader:
    """Reads what is around visitors."""

    def __init__(self, *, pipe: Pipe, people: PeopleReader | None = None) -> None:
        self._pipe = pipe
        self._people = people or PeopleReader(pipe=pipe, resolve=resolve)

    async def read(self, profile: Profile | None, site: Site, at_hand: AtHand = lambda _: None) -> Around:
        """What is around a visitor with this profile: one round trip where it is known, none where not."""
        if profile is None or is_alone(profile, site):
            return ALONE
        own = edges(profile)
        lead, names = await self._people.lead(site.id, own) if own.all else ("", ())
        others = [name for name in names if name != profile.id]
        near = {name: found for name in others if (found := at_hand(name)) is not None}
        far = await self._people.profiles(site.id, [name for name in others if name not in near])
        company = account_of(profile) if site.asks_account else None
        colleagues = await self._colleagues(site.id, company.digest) if company else {}
        colleagues.pop(profile.id, None)
        return Around(lead=lead, peers=(*near.values(), *far), colleagues=colleagues)

    async def lead(self, profile: Profile) -> str:
        """The visitor's lead, "" where nobody is known."""
        own = edges(profile)
        return (await self._people.lead(profile.site, own))[0] if own.all else ""

    async def visitors(self, site: str, lead: str) -> list[Profile]:
        """The profiles of a lead's visitors, the newest first."""
        return await self._people.profiles(site, await self._people.visitors(site, lead))

    async def colleagues(self, site: str, digest: str) -> dict[str, Facts]:
        """What each visitor of a company leaves."""
        return await self._colleagues(site, digest)

    async def _colleagues(self, site: str, digest: str) -> dict[str, Facts]:
        found: Any = await self._pipe.call("HGETALL", keys.account(site, digest))
        return {name.decode(): decode_facts(value) for name, value in pairs(found)}
