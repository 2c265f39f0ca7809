"""A site as the engine runs it: compiled, immutable, one per published revision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from alerts.model import AlertRule
from core.index import Index
from leads.model import Scoring
from personalization.goals import Goal
from personalization.model import Experience

Matcher = Callable[[Mapping[str, Any]], bool]
#: Makes a matcher of a condition.
Make = Callable[[Mapping[str, Any]], Matcher]


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One revision of one site.

    `topic_of(path)` names a page's topic, "" where none is defined; `topic_labels` are the topics' names for
    people, of those that have one. `audiences` keeps the file's order.
    `origins` are exact origins (`scheme://host[:port]`), lower case.
    """

    id: str
    name: str
    revision: int
    write_key: str
    origins: frozenset[str]
    timezone: ZoneInfo
    locale: str
    topic_of: Callable[[str], str]
    topic_labels: Mapping[str, str]
    scoring: Scoring
    audiences: Mapping[str, Matcher]
    experiences: tuple[Experience, ...]
    alerts: tuple[AlertRule, ...]
    #: What an experience is measured by, and the name of the shares of each (experience, audience).
    goals: tuple[Goal, ...] = ()
    allocations: Mapping[tuple[str, str], str] = field(default_factory=dict)
    #: The audiences, found by what they ask for.
    audience_index: Index[tuple[str, Matcher]] | None = None
    #: The first names of the paths that rules, audiences, alerts and goals read; None: any.
    asks: frozenset[str] | None = None
    #: Those that a decision reads: the same, and what contents print.
    shows: frozenset[str] | None = None
    #: Those that contents alone read: `shows` without `asks`.
    only_shows: frozenset[str] | None = None
    #: Whether a condition reads what the people of the visitor's company do (`account.people`, …).
    asks_account: bool = False
