"""One visitor's state in memory, kept as the worker keeps it in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import Raw

from core import recents
from core.events import Event
from core.identity import Edges, edges
from core.ledger import batches, in_batches
from core.order import order
from core.profiles import Entry, Profile
from leads.people import combine, corrections, lead_of, members
from leads.scoring import score_at
from sites.site import Site
from streams.outcome import ALONE, Around
from streams.recent import Recent, advance, needs_past


@dataclass
class Visitor:
    """Profile, ledger, recent events and alerts."""

    profile: Profile | None = None
    ledger: list[Entry] = field(default_factory=list)
    recent: Recent = field(default_factory=lambda: Recent(base=None, events=()))
    #: The recent events that are not with the profile.
    beside: list[Raw] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    refolds: int = 0
    #: The chapters that ended, by number, and every chapter's ledger that is not the profile's.
    closed: dict[int, Profile] = field(default_factory=dict)
    ledgers: dict[int, list[Entry]] = field(default_factory=dict)

    def take(self, event: Event, site: Site, *, now: int | None = None, around: Around = ALONE) -> None:
        """Apply an event, as it arrives."""
        late = needs_past(self.profile, event)
        self.refolds += late
        moment = event.received_at if now is None else now
        folded = advance(self.profile, event, moment, site, self.recent if late else None, around)
        outcome = folded.outcome
        if outcome.reason != "applied":
            return
        if self.profile is not None:
            self.ledgers[self.profile.chapter] = self.ledger
        kept = {outcome.profile.chapter, *(one.profile.chapter for one in outcome.closed)}
        for one in folded.told:
            del self.closed[one.profile.chapter]
        if folded.told and self.profile is not None:
            for chapter in {self.profile.chapter, *(one.profile.chapter for one in folded.told)} - kept:
                del self.ledgers[chapter]
        for one in outcome.closed:
            self.closed[one.profile.chapter] = one.profile
            _write(self.ledgers.setdefault(one.profile.chapter, []), one.entries, one.ledger_from)
        self.profile = outcome.profile
        self.ledger = self.ledgers.setdefault(self.profile.chapter, [])
        _write(self.ledger, outcome.entries, outcome.ledger_from)
        if self.profile.is_tombstone:
            self.ledger.clear()
        for one in (self.profile, *self.closed.values()):
            batched, whole = in_batches(one), self.ledgers[one.chapter]
            assert one.entries == len(whole)
            assert list(one.latest) == whole[batched:] == list(batches(0, whole)[1])
        self.alerts.extend(alert.id for alert in outcome.alerts)
        if folded.keep == "append":
            self.recent = Recent(base=self.recent.base, events=(*self.recent.events, event))
        elif folded.recent is not None:
            self.recent = folded.recent
        if folded.keep in ("restart", "rewrite", "forget"):
            self.beside.clear()
        self.beside += [one for batch in folded.batches for one in batch]
        assert len(self.beside) == recents.in_batches(self.profile)
        kept = recents.as_happened([*self.beside, *self.profile.recent_events], event.site, event.visitor)
        assert self.profile.is_tombstone or sorted(kept, key=order) == sorted(self.recent.events, key=order)


def _write(ledger: list[Entry], entries: Sequence[Entry], ledger_from: int | None) -> None:
    if ledger_from is not None:
        del ledger[ledger_from:]
    ledger.extend(entries)


@dataclass
class World:
    """Several visitors of one site, and who they are, as the store holds it."""

    site: Site
    visitors: dict[str, Visitor] = field(default_factory=dict)

    def take(self, *events: Event) -> World:
        """Apply events as they arrive."""
        for event in events:
            self.visitors.setdefault(event.visitor, Visitor()).take(event, self.site)
        return self

    def profiles(self) -> dict[str, Profile]:
        """Every chapter of every visitor by the name it is kept under."""
        found: dict[str, Profile] = {}
        for one in self.visitors.values():
            found |= {profile.closed_name: profile for profile in one.closed.values()}
            assert one.profile is not None
            found[one.profile.id] = one.profile
        return found

    def known(self) -> dict[str, dict[str, Edges]]:
        """identifier -> visitor -> its edges."""
        known: dict[str, dict[str, Edges]] = {}
        for name, profile in self.profiles().items():
            for identifier in edges(profile).all:
                known.setdefault(identifier, {})[name] = edges(profile)
        return known

    def people(self) -> set[frozenset[str]]:
        """The visitors of each lead, and everybody else alone."""
        known, groups = self.known(), set()
        for name, profile in self.profiles().items():
            lead = lead_of(edges(profile), known)
            groups.add(frozenset(members(lead, known)) if lead else frozenset({name}))
        return groups

    def shared(self, name: str) -> Profile:
        """The profile that a visitor shares with the person's others."""
        everyone, known = self.profiles(), self.known()
        own = everyone[name]
        names = [one for one in members(lead_of(edges(own), known), known) if one != name]
        return combine(own, [everyone[one] for one in names], self.site.scoring)

    def ledger(self, name: str) -> list[Entry]:
        """The ledger of the person, from all visitors, with what counts once taken back."""
        everyone, known = self.profiles(), self.known()
        own = everyone[name]
        names = members(lead_of(edges(own), known), known) or [name]
        entries = [entry for one in names for entry in self._entries(everyone[one])]
        return entries + corrections([everyone[one] for one in names], self.site.scoring)

    def score(self, name: str, now: int) -> float:
        """The person's score."""
        return score_at(self.shared(name), now, self.site.scoring)

    def _entries(self, profile: Profile) -> list[Entry]:
        visitor = self.visitors[profile.id]
        return visitor.ledgers.get(profile.chapter, [])
