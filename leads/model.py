"""Scoring rules as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from core.index import Index

Matcher = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoringRule:
    """One rule of the site file, compiled. Exactly one of these shapes:

    * `on` (with an optional `when`): points each time the event happens, or once per `once`;
    * `when` alone: the points hold while the condition is true;
    * `idle_event` + `idle_ms`: points once per silence of that length without that event.

    `version` rises by one each time a publish changes the rule. `label` names it for people.
    """

    id: str
    points: float
    version: int = 1
    label: str = ""
    on: str | None = None
    when: Matcher | None = None
    once: Literal["session", "visitor", "day"] | None = None
    idle_event: str | None = None
    idle_ms: int = 0
    #: What the rule's points may add up to at any moment; None: without limit.
    most: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scoring:
    """A site's scoring. Without `half_life_ms` points never fade. `warm` and `high` start the intent bands.

    The rules are also held by what makes them give points; `labels` names those that have a name for people.
    """

    rules: tuple[ScoringRule, ...] = ()
    half_life_ms: int | None = None
    warm: float = 20
    high: float = 50
    #: The score at which a lead becomes an MQL.
    mql: float = 50
    by_event: Mapping[str, Index[ScoringRule]] = field(default_factory=dict)
    by_id: Mapping[str, ScoringRule] = field(default_factory=dict)
    holding: Index[ScoringRule] = Index(())  # noqa: RUF009 - it never changes
    idle: tuple[ScoringRule, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
