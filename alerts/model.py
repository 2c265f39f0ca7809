"""The alert as a value: what fired, for whom, why. Plain data; everything a message needs is inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertRule:
    """One rule of the site file, compiled. It fires on an event's name (`on`) or on entering or leaving an
    audience; `when` must hold too. Two firings for one visitor are at least `cooldown_ms` apart.
    """

    id: str
    channel: str
    on: str | None = None
    enters: str | None = None
    leaves: str | None = None
    when: Callable[[Mapping[str, Any]], bool] | None = None
    cooldown_ms: int = 0
    instruction: str = ""


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


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One firing of one rule. `id` is a hash of rule and event, so a replayed event makes the same alert.

    `topics` are the visitor's interests, by the names people know them by: page views of each.
    `traits`, `props`, `pages` and `source` hold what a visitor supplied: escape before showing.
    Times are epoch milliseconds, `cause` is the name of the event that fired it.
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
    locale: str = "en"
    timezone: str = "UTC"
    instruction: str = ""
    why: str = ""


encode_alert = msgspec.json.Encoder().encode
decode_alert = msgspec.json.Decoder(Alert).decode
