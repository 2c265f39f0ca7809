"""All that is known of one visitor at one moment, for the visitor page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.profiles import Entry, Profile
from personalization.decide import Decisions
from personalization.experiences import Met
from server.views import iso
from server.visitor_words import moment, name_of
from sites.model import SiteFile
from sites.site import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """All that is known of one visitor at `now` (epoch ms). `profile` and `facts` are `pipeline.place`'s.

    `browsers` counts the person's visitors, `met` is what they have seen of each experience.
    `alerts` are theirs, newest first, as the admin API shows them. `file` is
    the site's file, None where it cannot be read.
    """

    site: Site
    profile: Profile
    facts: Mapping[str, Any]
    ledger: Sequence[Entry]
    decisions: Decisions
    alerts: Sequence[Mapping[str, Any]]
    file: SiteFile | None
    lang: str
    now: int
    browsers: int = 1
    met: Met = field(default_factory=dict)

    def at(self, at: int) -> dict[str, str]:
        """A moment (epoch ms) for machines and, in the site's zone, for people."""
        return {"iso": iso(at), "text": moment(at, self.site.timezone, self.lang, now=self.now)}

    def rule(self, name: str) -> str:
        """A scoring rule's name for people: the file's own label, else its id made readable."""
        rules = self.file.scoring.rules if self.file else []
        label = next((rule.label for rule in rules if rule.id == name), None)
        return _in_lang(label, self.lang) or name_of(name, self.lang)

    def topic(self, name: str) -> str:
        """A topic's name for people, likewise."""
        topics = self.file.topics if self.file else []
        label = next((topic.label for topic in topics if topic.topic == name and topic.label), None)
        return _in_lang(label, self.lang) or name_of(name, self.lang)


def _in_lang(label: str | Mapping[str, str] | None, lang: str) -> str:
    said = label.get(lang) or next(iter(label.values()), "") if isinstance(label, Mapping) else label or ""
    return said[:1].upper() + said[1:]
