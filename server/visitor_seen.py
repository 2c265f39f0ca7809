"""All that is known of one visitor at one moment, for the visitor page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.profiles import Entry, Profile
from personalization.decide import Decisions
from server.views import iso
from server.visitor_words import moment
from sites.site import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """All that is known of one visitor at `now` (epoch ms). `profile` and `facts` are `pipeline.place`'s.

    `alerts` are this visitor's, newest first, as the admin API shows them; `conditions` the site's audiences
    as its file has them, empty where they cannot be read.
    """

    site: Site
    profile: Profile
    facts: Mapping[str, Any]
    ledger: Sequence[Entry]
    decisions: Decisions
    alerts: Sequence[Mapping[str, Any]]
    conditions: Mapping[str, Mapping[str, Any]]
    lang: str
    now: int

    def at(self, at: int) -> dict[str, str]:
        """A moment (epoch ms) for machines and, in the site's zone, for people."""
        return {"iso": iso(at), "text": moment(at, self.site.timezone, self.lang, now=self.now)}
