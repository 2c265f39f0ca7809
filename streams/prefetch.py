"""Who belongs together, read for many events in one round trip in place of one for each.

What was prefetched is as old as its answer. That is no older than what nobody has written yet: these edges are
written behind, and they tell of other visitors, among whom there is no order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.events import Event
from core.identity import Edges, edges, is_known, said_by
from core.profiles import Profile
from storage.people import PeopleReader

#: A site and an identifier of one of its visitors.
Wanted = tuple[str, str]


def wanted(profile: Profile | None, event: Event) -> list[Wanted]:
    """What reading who belongs to a visitor begins with, as far as the event and its past tell."""
    named = list(edges(profile).all) if profile is not None and is_known(profile) else []
    if event.user or event.type == "identify":
        said = said_by(event)
        named += [one for one in (said.user, said.mail) if one]
    return [(event.site, one) for one in named]


class PeoplePrefetch(PeopleReader):
    """Reads edges; what was prefetched is at hand."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._prefetched: dict[Wanted, dict[str, Edges]] = {}

    async def prefetch(self, asked: Iterable[Wanted]) -> None:
        """Read all of `asked` at once. It is at hand until the next call."""
        self._prefetched, by_site = {}, dict[str, dict[str, None]]()
        for site, one in asked:
            by_site.setdefault(site, {})[one] = None
        for site, named in by_site.items():
            found = await super()._known(site, named)
            self._prefetched |= {(site, one): known for one, known in found.items()}

    async def _known(self, site: str, identifiers: Iterable[str]) -> dict[str, dict[str, Edges]]:
        at_hand = {
            one: known for one in identifiers if (known := self._prefetched.get((site, one))) is not None
        }
        missing = [one for one in identifiers if one not in at_hand]
        return at_hand | await super()._known(site, missing) if missing else at_hand
