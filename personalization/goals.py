"""Goals: what a site wants its visitors to do, and the moment one of them does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from core.events import DAY_MS, Event

_BANDS = ("low", "warm", "high")


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """One thing to reach, in exactly one of these shapes:

    * `on`, perhaps with `when`: an event of this name for which the condition is true;
    * `intent`: the visitor's intent rises to this band or past it;
    * `stage`: the visitor becomes this (`lead`, `mql`).

    An experience gets credit for `window_ms` after the visitor first met it.
    """

    id: str
    on: str | None = None
    when: Callable[[Mapping[str, Any]], bool] | None = None
    intent: Literal["warm", "high"] | None = None
    stage: str | None = None
    window_ms: int = 7 * DAY_MS
    label: str = ""


class Standing(NamedTuple):
    """How far a visitor has come: the intent, and the stages reached."""

    intent: str = "low"
    stages: Collection[str] = ()


def reached_by(
    event: Event, goals: Iterable[Goal], *, before: Standing, after: Standing, attributes: Mapping[str, Any]
) -> tuple[str, ...]:
    """The ids of the goals that `event` reached. `before` and `after` are the standing around it, `attributes`
    what conditions see.
    """
    return tuple([goal.id for goal in goals if _reached(goal, event, before, after, attributes)])


def _reached(
    goal: Goal, event: Event, before: Standing, after: Standing, attributes: Mapping[str, Any]
) -> bool:
    if goal.on is not None:
        return event.name == goal.on and (goal.when is None or goal.when(attributes))
    if goal.intent is not None:
        return _rank(before.intent) < _rank(goal.intent) <= _rank(after.intent)
    return goal.stage in after.stages and goal.stage not in before.stages


def _rank(band: str) -> int:
    return _BANDS.index(band) if band in _BANDS else 0
