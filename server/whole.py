"""A visitor as people see it: with the person's other visitors, the score as of now, and every line behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from core.errors import NotFound, StoreUnavailable
from core.profiles import Entry, Profile
from leads.people import corrections
from personalization.decide import Decisions
from server import state
from server.decide import decisions_for
from sites.site import Site
from streams.outcome import Around
from streams.pipeline import share


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    """`own` is the visitor's profile alone, `profile` the one it shares with the person's other visitors;
    `facts` and `ledger` belong to the shared one. The ledger sums to the score at `now` (epoch ms).
    """

    site: Site
    own: Profile
    profile: Profile
    facts: Mapping[str, Any]
    ledger: Sequence[Entry]
    around: Around
    now: int

    @property
    def visitors(self) -> list[str]:
        """The ids of the person's visitors, this one first."""
        return [self.own.id, *sorted({one.id for one in self.around.peers} - {self.own.id})]


async def whole(app: web.Application, site_id: str, visitor: str) -> Whole:
    """The visitor as of now. Raises NotFound, StoreUnavailable, redis.RedisError."""
    site = site_named(app, site_id)
    own = await app[state.PROFILES].get(site_id, visitor)
    if own is None:
        raise NotFound(f"site {site_id!r} has no visitor {visitor!r}")
    around = await app[state.AROUND].read(own, site)
    return await _whole(app, site, own, around)


async def whole_lead(app: web.Application, site_id: str, lead: str) -> Whole:
    """A lead as of now: seen from the visitor it used last. Raises as `whole` does."""
    site = site_named(app, site_id)
    found = await app[state.AROUND].visitors(site_id, lead)
    if not found:
        raise NotFound(f"site {site_id!r} has no lead {lead!r}")
    own, *peers = found
    return await _whole(app, site, own, Around(lead=lead, peers=tuple(peers)))


def site_named(app: web.Application, site_id: str) -> Site:
    """A published site. Raises NotFound, or StoreUnavailable while the sites have not been read yet."""
    site = app[state.REGISTRY].get(site_id)
    if site is None and not app[state.REGISTRY].loaded:
        raise StoreUnavailable("the published sites are not loaded yet")
    if site is None:
        raise NotFound(f"there is no site {site_id!r}")
    return site


def decided(seen: Whole, now: int) -> Decisions:
    """What fills every slot of the site for this visitor at `now` (epoch ms)."""
    slots = list(dict.fromkeys(experience.slot for experience in seen.site.experiences))
    return decisions_for(
        seen.own,
        visitor=seen.own.id,
        slots=slots,
        now=now,
        site=seen.site,
        lang=seen.site.locale,
        around=seen.around,
    )


async def _whole(app: web.Application, site: Site, own: Profile, around: Around) -> Whole:
    now = app[state.CLOCK]()
    profile, facts = share(own, now, site, around)
    everyone = [own, *around.peers]
    ledger = [entry for one in everyone for entry in await app[state.PROFILES].ledger(one)]
    ledger += corrections(everyone, site.scoring)
    ledger.sort(key=lambda entry: entry.at)  # stable: lines of one moment keep their order
    return Whole(site=site, own=own, profile=profile, facts=facts, ledger=ledger, around=around, now=now)
