"""Decisions for one visitor, now: the stored profile, the events in hand, the site's experiences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.events import Event
from core.profiles import Profile
from core.sessions import path_of
from personalization import met
from personalization.decide import Decisions, decide
from sites.site import Site
from streams.pipeline import ALONE, Around, share, step

#: Slots a page may ask for in one call.
MAX_SLOTS = 50


def ahead(profile: Profile | None, events: Sequence[Event], now: int, site: Site) -> Profile | None:
    """The profile as it will be once the worker has seen `events`: the same `step`, in memory, kept nowhere."""
    for event in events:
        profile = step(profile, event, now, site).profile
    return profile


def decisions_for(
    profile: Profile | None,
    *,
    visitor: str,
    slots: Sequence[str],
    now: int,
    site: Site,
    lang: str,
    url: str = "",
    around: Around = ALONE,
) -> Decisions:
    """What fills the slots for a visitor with this profile; None: nobody we know, so a first visit.

    What the person did on other visitors counts as well.
    """
    nobody = profile is None or profile.is_tombstone
    newcomer = Profile(id=visitor, site=site.id, first_at=now, last_at=now, session_count=1)
    known = newcomer if nobody or profile is None else profile
    placed, facts = share(known, now, site, around, traits=False)
    if url:
        facts = {**facts, "page": {**facts.get("page", {}), **_page(url, site)}}
    return decide(
        site.experiences,
        slots=list(dict.fromkeys(slots)),
        attributes=facts,
        audiences=placed.audiences,
        visitor=visitor,
        locale=lang or site.locale,
        site_name=site.name,
        now=now,
        met=met_before(known, around),
    )


def met_before(profile: Profile, around: Around) -> dict[tuple[str, str], str]:
    """What the person has met of each experience: on this browser, else where it was met first."""
    return met.met_before(profile.measured, [peer.measured for peer in around.peers])


def _page(url: str, site: Site) -> dict[str, Any]:
    path = path_of(url)
    return {"url": url, "path": path, "topic": site.topic_of(path)}


def wire(decisions: Decisions) -> dict[str, Any]:
    """The decisions as the API answers them."""
    return {slot: one.wire() if one else None for slot, one in decisions.decisions.items()}
