"""Decisions for one visitor, now: the stored profile, the events in hand, the site's experiences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.attributes import attributes
from core.events import Event
from core.profiles import Profile
from core.sessions import path_of
from personalization import met
from personalization.decide import Decisions, decide
from sites.site import Site
from streams.outcome import ALONE, Around, Seen
from streams.pipeline import look, share

#: Slots a page may ask for in one call.
MAX_SLOTS = 50
#: Attributes as of a page view so long ago (ms) are those of now: a beacon is on its way for that long.
SAME_MOMENT_MS = 1_000


def ahead(
    profile: Profile | None, events: Sequence[Event], now: int, site: Site
) -> tuple[Profile | None, Seen | None]:
    """The profile as it will be once the worker has seen `events`: the same `step`, in memory, kept nowhere, and
    nobody is told. And what was seen of it with the last event.
    """
    seen = None
    for event in events:
        outcome, seen = look(profile, event, now, site, telling=False)
        profile = outcome.profile
    return profile, seen


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
    seen: Seen | None = None,
) -> Decisions:
    """What fills the slots for a visitor with this profile; None: nobody we know, so a first visit.

    What the person did on other visitors counts as well. `seen` is what `ahead` gave with the profile.
    """
    nobody = profile is None or profile.is_tombstone
    newcomer = Profile(id=visitor, site=site.id, first_at=now, last_at=now, session_count=1)
    known = newcomer if nobody or profile is None else profile
    audiences, facts = _facts(known, now, site, around, seen)
    if url:
        facts = {**facts, "page": {**facts.get("page", {}), **_page(url, site)}}
    return decide(
        site.experiences,
        slots=list(dict.fromkeys(slots)),
        attributes=facts,
        audiences=audiences,
        visitor=visitor,
        locale=lang or site.locale,
        site_name=site.name,
        now=now,
        met=met_before(known, around),
        explained=False,
    )


def _facts(
    profile: Profile, now: int, site: Site, around: Around, seen: Seen | None
) -> tuple[Sequence[str], dict[str, Any]]:
    """The visitor's audiences, and the attributes that the site's contents print."""
    if seen is None or around is not ALONE or site.shows is None or now - seen.at > SAME_MOMENT_MS:
        placed, facts = share(profile, now, site, around, traits=False, only=site.shows)
        return placed.audiences, facts
    more = attributes(profile, now=seen.at, timezone=site.timezone, only=site.only_shows)
    return profile.audiences, seen.facts | more


def met_before(profile: Profile, around: Around) -> dict[tuple[str, str], str]:
    """What the person has met of each experience: on this browser, else where it was met first."""
    return met.met_before(profile.measured, [peer.measured for peer in around.peers])


def _page(url: str, site: Site) -> dict[str, Any]:
    path = path_of(url)
    return {"url": url, "path": path, "topic": site.topic_of(path)}


def wire(decisions: Decisions) -> dict[str, Any]:
    """The decisions as the API answers them."""
    return {slot: one.wire() if one else None for slot, one in decisions.decisions.items()}
