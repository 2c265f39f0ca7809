"""The profile: a visitor's current state, folded from events.

`apply` is in `streams.pipeline.step`'s pipeline; everything here is plain data. Times are epoch milliseconds.
Structs are frozen: a change returns a new one (`msgspec.structs.replace`).
"""

from __future__ import annotations

from typing import Any

import msgspec


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a session began: UTM parameters, click ids and the referrer."""

    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    click_id: str = ""
    referrer_host: str = ""
    referrer_class: str = "direct"


class PageVisit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One page view and the time (ms) the visitor was engaged with it."""

    event: str
    at: int
    url: str
    path: str
    title: str = ""
    topic: str = ""
    engaged_ms: int = 0
    scroll: int = 0


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A period of activity. `fired` are the `once: session` rules that have given their points."""

    started_at: int
    last_at: int
    page_count: int = 0
    engaged_ms: int = 0
    landing_path: str = ""
    source: Source = Source()
    fired: tuple[str, ...] = ()


class TopicStat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much of a topic the visitor has seen."""

    views: int = 0
    engaged_ms: int = 0
    last_at: int = 0


class EventStat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often an event of one name happened."""

    count: int = 0
    last_at: int = 0


class Tally(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one scoring rule has given: `points` as of `as_of` (they fade only under a half-life).

    `holds` marks an attribute rule that is true now; `idle_from` the last silence an idle rule punished.
    """

    points: float = 0
    as_of: int = 0
    count: int = 0
    last_at: int = 0
    day: str = ""
    holds: bool = False
    idle_from: int = 0


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the score ledger."""

    event: str
    rule: str
    rule_version: int
    points: float
    at: int


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One visitor of one site."""

    id: str
    site: str
    first_at: int
    last_at: int
    session_count: int = 0
    page_count: int = 0
    engaged_ms: int = 0
    session: Session | None = None
    sessions: tuple[Session, ...] = ()
    pages: tuple[PageVisit, ...] = ()
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    group: str = ""
    topics: dict[str, TopicStat] = msgspec.field(default_factory=dict)
    events: dict[str, EventStat] = msgspec.field(default_factory=dict)
    points: dict[str, Tally] = msgspec.field(default_factory=dict)
    score: float = 0
    intent: str = "low"
    audiences: tuple[str, ...] = ()
    alerted: dict[str, int] = msgspec.field(default_factory=dict)
    seen: dict[str, int] = msgspec.field(default_factory=dict)
    device: str = ""
    #: How many entries the ledger has.
    entries: int = 0
    #: The event folded last in time, after those of the same millisecond: see `core.order`.
    last_key: str = ""
    #: The recent events kept beside the profile, to fold again when a late one arrives: since when, how many.
    recent_from: int = 0
    recent: int = 0

    @property
    def page(self) -> PageVisit | None:
        """The page the visitor is on: the latest page view."""
        return self.pages[-1] if self.pages else None


encode_profile = msgspec.json.Encoder().encode
decode_profile = msgspec.json.Decoder(Profile).decode
