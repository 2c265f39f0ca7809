"""The alert as a value: what fired, for whom, why. Plain data; everything a message needs is inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from alerts.quiet import Quiet

Matcher = Callable[[Mapping[str, Any]], bool]
HOUR_MS = 3_600_000
EPISODE_MS = 12 * HOUR_MS


class Escalation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happens when nobody has claimed a message `after_ms` after it was sent: it is told again, in
    `channel` ("": in its own thread), to `mention` (a Slack id, "": nobody in particular).
    """

    after_ms: int
    channel: str = ""
    mention: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Where the alerts go of visitors that `when` holds for (None: everybody). `owner` is a Slack id."""

    channel: str
    owner: str = ""
    when: Matcher | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertRule:
    """One rule of the site file, compiled. It fires on an event's name (`on`), on entering or leaving an audience,
    or when a condition that did not hold does now (`becomes`, which reads the attributes `reads`); `when` must
    hold too. Two firings for one visitor are at least `cooldown_ms` apart.

    The first of `routes` that holds says where to, else `channel` and `owner` do. `holdout` is the share of
    visitors (0 to 1) whom it withholds. It joins the visitor's episode while the episode's last alert is
    younger than `episode_ms`. `urgent` rules know no quiet hours, no snooze and no holdout.
    """

    id: str
    channel: str
    on: str | None = None
    enters: str | None = None
    leaves: str | None = None
    becomes: Matcher | None = None
    reads: frozenset[str] = frozenset()
    when: Matcher | None = None
    cooldown_ms: int = 0
    instruction: str = ""
    routes: tuple[Route, ...] = ()
    owner: str = ""
    urgent: bool = False
    holdout: float = 0.0
    episode_ms: int = EPISODE_MS
    quiet: tuple[Quiet, ...] = ()
    escalate: Escalation | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What alerts say of the site they are about. `timezone` is an IANA name; `rule_labels` and `topic_labels`
    name scoring rules and topics for people, where the site does.

    With the scoring's `half_life_ms`, each part of the score is faded to the moment; without it, what has faded
    shows as one addend of its own.
    """

    site: str
    name: str
    locale: str
    timezone: str
    half_life_ms: int | None = None
    rule_labels: Mapping[str, str] = field(default_factory=dict)
    topic_labels: Mapping[str, str] = field(default_factory=dict)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One addend of the score: what a rule has given so far. The parts sum to the score. `label` names the
    rule for people, where the site file does.
    """

    rule: str
    points: float
    count: int = 1
    label: str = ""


class SeenPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page the visitor saw and the time (ms) they were engaged with it."""

    path: str
    title: str = ""
    topic: str = ""
    engaged_ms: int = 0
    at: int = 0


class PastVisit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An earlier session: when it began, its pages and engaged time (ms), and how it came about."""

    at: int
    page_count: int = 0
    engaged_ms: int = 0
    source: dict[str, str] = msgspec.field(default_factory=dict)


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One firing of one rule. `id` is a hash of rule and event, so a replayed event makes the same alert.

    `episode` names the visitor's buying episode, whose alerts share one message; `first` marks the one that
    began it. `withheld` says why nobody is told (`cooldown`, `holdout`; "": people are told).
    `topics` are the visitor's interests, by the names people know them by: page views of each.
    `traits`, `props`, `pages`, `visits`, `source` and `enquiry` hold what a visitor supplied: escape before
    showing. Times are epoch milliseconds, `cause` is the name of the event that fired it.
    `reminder` marks an escalation, `test` a sample that no visitor caused. `sink` is the place a copy goes to,
    beside the one that rules name a channel of.
    """

    id: str
    site: str
    site_name: str
    rule: str
    visitor: str
    channel: str
    at: int
    event: str
    cause: str
    props: dict[str, Any] = msgspec.field(default_factory=dict)
    audience: str = ""
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    company: str = ""
    score: float = 0
    intent: str = "low"
    parts: tuple[Part, ...] = ()
    pages: tuple[SeenPage, ...] = ()
    topics: dict[str, int] = msgspec.field(default_factory=dict)
    session_count: int = 1
    page_count: int = 0
    engaged_ms: int = 0
    source: dict[str, str] = msgspec.field(default_factory=dict)
    visits: tuple[PastVisit, ...] = ()
    locale: str = "en"
    timezone: str = "UTC"
    instruction: str = ""
    why: str = ""
    enquiry: str = ""
    episode: str = ""
    first: bool = True
    urgent: bool = False
    withheld: str = ""
    owner: str = ""
    quiet: tuple[Quiet, ...] = ()
    escalate: Escalation | None = None
    reminder: bool = False
    sink: str = ""
    test: bool = False


encode_alert = msgspec.json.Encoder().encode
decode_alert = msgspec.json.Decoder(Alert).decode
