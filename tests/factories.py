"""Small makers of valid values, so that a test states only what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from core.conditions import compile_condition
from core.events import OWN_TYPES, TYPES, Event
from core.index import Index
from leads.model import Scoring, ScoringRule
from sites.site import Site

#: 2026-11-02 (a Monday) 10:00 in Tokyo.
T0 = 1_793_581_200_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
TOKYO = ZoneInfo("Asia/Tokyo")

_counter = iter(range(10**9))


def event(type: str = "page", *, at: int = T0, id: str | None = None, **fields: Any) -> Event:
    """An event `at` (epoch ms); a track event by its name: `event("whitepaper_download")`."""
    known = TYPES - {"track"} | OWN_TYPES
    if type in TYPES - {"track"}:
        fields.setdefault("url", "https://example.com/")
    return Event(
        id=id or f"e{next(_counter)}",
        site="demo",
        visitor=fields.pop("visitor", "v1"),
        type=type if type in known else "track",  # type: ignore[arg-type]
        name=type,
        at=at,
        received_at=fields.pop("received_at", at),
        **fields,
    )


def engage(path: str, ms: int, *, at: int = T0) -> Event:
    """Engaged time on a page."""
    return event("engage", at=at, url=f"https://example.com{path}", props={"engaged_ms": ms, "scroll": 50})


def page(path: str, *, at: int = T0, query: str = "", ref: str = "", **fields: Any) -> Event:
    """A page view."""
    return event("page", at=at, url=f"https://example.com{path}{query}", ref=ref, **fields)


def rule(id: str, points: float, *, when: Mapping[str, Any] | None = None, **fields: Any) -> ScoringRule:
    """A scoring rule with its condition compiled."""
    return ScoringRule(id=id, points=points, when=compile_condition(dict(when)) if when else None, **fields)


def scoring(*rules: ScoringRule, **fields: Any) -> Scoring:
    """Scoring with its indexes filled."""
    by_event: dict[str, list[ScoringRule]] = {}
    for one in rules:
        if one.on:
            by_event.setdefault(one.on, []).append(one)
    return Scoring(
        rules=rules,
        by_id={rule.id: rule for rule in rules},
        by_event={name: Index((None, one) for one in found) for name, found in by_event.items()},
        holding=Index((None, r) for r in rules if r.on is None and r.idle_event is None),
        idle=tuple(r for r in rules if r.idle_event),
        **fields,
    )


def topic_of(path: str) -> str:
    """`/pricing…` is about pricing."""
    return "pricing" if path.startswith("/pricing") else ""


def site(
    *rules: ScoringRule, audiences: Mapping[str, Mapping[str, Any]] | None = None, **fields: Any
) -> Site:
    """A site around some scoring rules."""
    half_life_ms = fields.pop("half_life_ms", None)
    return Site(
        id="demo",
        name="Demo",
        revision=1,
        write_key="demo-write-key",
        origins=frozenset({"https://example.com"}),
        timezone=TOKYO,
        locale="en",
        topic_of=topic_of,
        topic_labels={},
        scoring=scoring(*rules, half_life_ms=half_life_ms),
        audiences={name: compile_condition(dict(c)) for name, c in (audiences or {}).items()},
        experiences=fields.pop("experiences", ()),
        alerts=fields.pop("alerts", ()),
        **fields,
    )
