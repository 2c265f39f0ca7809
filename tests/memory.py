"""One visitor's state in memory, kept as the worker keeps it in Redis."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.events import Event
from core.profiles import Entry, Profile
from sites.site import Site
from streams.recent import Recent, advance, needs_past


@dataclass
class Visitor:
    """Profile, ledger, recent events and alerts."""

    profile: Profile | None = None
    ledger: list[Entry] = field(default_factory=list)
    recent: Recent = field(default_factory=lambda: Recent(base=None, events=()))
    alerts: list[str] = field(default_factory=list)
    refolds: int = 0

    def take(self, event: Event, site: Site, *, now: int | None = None) -> None:
        """Apply an event, as it arrives."""
        late = needs_past(self.profile, event)
        self.refolds += late
        moment = event.received_at if now is None else now
        folded = advance(self.profile, event, moment, site, self.recent if late else None)
        outcome = folded.outcome
        if outcome.reason == "duplicate":
            return
        self.profile = outcome.profile
        if outcome.ledger_from is not None:
            del self.ledger[outcome.ledger_from :]
        self.ledger.extend(outcome.entries)
        self.alerts.extend(alert.id for alert in outcome.alerts)
        if folded.keep == "append":
            self.recent = Recent(base=self.recent.base, events=(*self.recent.events, event))
        elif folded.recent is not None:
            self.recent = folded.recent
