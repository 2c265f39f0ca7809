"""The profile: a visitor's current state, folded from events.

`apply` is in `streams.pipeline.step`'s pipeline; everything here is plain data. Times are epoch milliseconds.
Structs are frozen: a change returns a new one (`msgspec.structs.replace`). Those that a profile holds many of are
stored as arrays: a new field of theirs goes to the end, with a default, and old records can still be read.

None can hold itself, so the garbage collector need not know them (`gc=False`): a worker keeps tens of thousands of
profiles at hand, and looking through them would stop it for a second.
"""

from __future__ import annotations

from typing import Any

import msgspec

from core.exposures import Measured


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How a session began: UTM parameters, click ids and the referrer."""

    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    click_id: str = ""
    referrer_host: str = ""
    referrer_class: str = "direct"


class PageVisit(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One page view and the time (ms) the visitor was engaged with it. `event`, its id, was kept once:
    an id is what takes most of a stored profile, and `at` tells which event it was.
    """

    event: str = ""
    at: int
    url: str
    path: str
    title: str = ""
    topic: str = ""
    engaged_ms: int = 0
    scroll: int = 0


class Session(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A period of activity. `fired` are the `once: session` rules that have given their points."""

    started_at: int
    last_at: int
    page_count: int = 0
    engaged_ms: int = 0
    landing_path: str = ""
    source: Source = Source()
    fired: tuple[str, ...] = ()


class TopicStat(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """How much of a topic the visitor has seen."""

    views: int = 0
    engaged_ms: int = 0
    last_at: int = 0
    #: The interest as of `last_at`: see `core.interests`.
    weight: float = 0


class EventStat(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """How often an event of one name happened."""

    count: int = 0
    last_at: int = 0


class Tally(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
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


class Entry(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One line of the score ledger."""

    event: str
    rule: str
    rule_version: int
    points: float
    at: int


class Episode(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A buying episode: hot actions with no long silence between their alerts. See `alerts.episodes`."""

    id: str
    first_at: int
    last_at: int


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
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
    #: ISO 3166-1 alpha-2 code, and the domain of the company whose network the visitor came from.
    country: str = ""
    company: str = ""
    #: The domain of the group, where its traits name one.
    group_domain: str = ""
    #: Local days (proleptic ordinals) of the last 30 on which the visitor did something, oldest first.
    days: tuple[int, ...] = ()
    #: When the visitor became a `lead` and an `mql`.
    stages: dict[str, int] = msgspec.field(default_factory=dict)
    #: Who the visitor is: see `core.identity`. `linked` and `apart` are an operator's word.
    user: str = ""
    mails: tuple[str, ...] = ()
    linked: str = ""
    apart: bool = False
    #: The experiences met and the goals reached since.
    measured: Measured = Measured()
    #: On a shared browser each person has a chapter of their own. This is the chapter's number.
    chapter: int = 0
    #: When this visitor was erased: what happened before is gone, and does not come back.
    erased_at: int = 0
    #: How many entries the ledger has.
    entries: int = 0
    #: The event folded last in time, after those of the same millisecond: see `core.order`.
    last_key: str = ""
    #: When the last event was that the visitor did not make (a timer), where it is later than `last_at`.
    settled_at: int = 0
    #: The recent events kept beside the profile, to fold again when a late one arrives: since when, how many,
    #: and whether there is a profile before them.
    recent_from: int = 0
    recent: int = 0
    recent_base: bool = False
    #: The latest of them, as JSON; those before them stand in batches of their own. See `core.recents`.
    recent_events: tuple[msgspec.Raw, ...] = ()
    #: The buying episode that people were told of last.
    episode: Episode | None = None
    #: The ledger's latest entries: those before them stand in the ledger itself, in batches. Its first `loose`
    #: stand there alone, as all did before there were batches. See `core.ledger`.
    latest: tuple[Entry, ...] = ()
    loose: int = 0

    @property
    def page(self) -> PageVisit | None:
        """The page the visitor is on: the latest page view."""
        return self.pages[-1] if self.pages else None

    @property
    def name(self) -> str:
        """What the chapter's ledger is kept under: the visitor's id for the first."""
        return f"{self.id}~{self.chapter}" if self.chapter else self.id

    @property
    def closed_name(self) -> str:
        """What a chapter is kept under once somebody else uses the browser."""
        return f"{self.id}~{self.chapter}"

    @property
    def is_tombstone(self) -> bool:
        """Whether nothing is left of the visitor but the time of its erasure."""
        return bool(self.erased_at) and not self.events


encode_profile = msgspec.json.Encoder().encode
decode_profile = msgspec.json.Decoder(Profile).decode
