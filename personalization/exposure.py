"""Who met which variant, and who reached a goal after it: folded per visitor, whatever the order of arrival.

An exposure is the first meeting of a visitor and an experience for one audience; repeats change nothing. The
state is a function of the set of facts: the same facts in another order, or twice, give the same state, as long
as none is more than 24 hours late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from core.events import DAY_MS
from core.exposures import Exposed, Measured
from personalization.goals import Goal

#: Experiences times audiences that are measured for one visitor.
MAX_EXPOSED = 200
#: Recent times kept per goal. Beyond it the oldest go, and a late exposure may miss a window under a day.
MAX_REACHED = 20

NOTHING = Measured()


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposure:
    """A visitor met an experience at `at` (epoch ms): with a variant, or held out (`variant` "").

    `audience` is the one whose choice was made ("": everyone), `allocation` that choice's shares
    (`personalization.allocation`), `revision` the site's.
    """

    experience: str
    audience: str = ""
    variant: str = ""
    allocation: str = ""
    revision: int = 0
    visitor: str
    at: int


def is_news(measured: Measured, *, experience: str, audience: str, variant: str) -> bool:
    """Whether folding such an exposure now can change anything: the first of its kind, or another variant."""
    for one in measured.exposed:
        if one.experience == experience and one.audience == audience:
            return one.variant != variant and not one.drifted
    return len(measured.exposed) < MAX_EXPOSED


def expose(measured: Measured, exposure: Exposure, goals: Iterable[Goal]) -> Measured:
    """The state after `exposure`."""
    place = (exposure.experience, exposure.audience)
    others = [one for one in measured.exposed if (one.experience, one.audience) != place]
    if len(others) >= MAX_EXPOSED:
        return measured
    old = next((one for one in measured.exposed if (one.experience, one.audience) == place), None)
    new = _merge(old, exposure, measured.reached, goals)
    if new is old:
        return measured
    return replace(measured, exposed=tuple(sorted((*others, new), key=_place)))


def reach(measured: Measured, goal: Goal, at: int) -> Measured:
    """The state after the visitor reached `goal` at `at` (epoch ms)."""
    times = tuple(sorted({*measured.reached.get(goal.id, ()), at}))[-MAX_REACHED:]
    return Measured(
        exposed=tuple(_credit(one, goal, at) for one in measured.exposed),
        reached=_recent({**measured.reached, goal.id: times}),
    )


def is_drift(one: Exposed, all_of_visitor: Sequence[Exposed]) -> bool:
    """Whether the visitor saw two variants where there should be one, or was held out of the experience for one
    audience and not for another.
    """
    held_out = {other.variant == "" for other in all_of_visitor if other.experience == one.experience}
    return one.drifted or len(held_out) > 1


def entry(experience: str, all_of_visitor: Sequence[Exposed]) -> Exposed:
    """How the visitor first met the experience, for whichever audience."""
    return min(
        (one for one in all_of_visitor if one.experience == experience),
        key=lambda one: (one.first_at, one.audience),
    )


def _merge(
    old: Exposed | None, new: Exposure, reached: Mapping[str, tuple[int, ...]], goals: Iterable[Goal]
) -> Exposed:
    if old is None:
        return _first(new, reached, goals, drifted=False)
    drifted = old.drifted or new.variant != old.variant
    if (new.at, new.variant, new.allocation, new.revision) < (
        old.first_at, old.variant, old.allocation, old.revision
    ):  # fmt: skip
        return _first(new, reached, goals, drifted=drifted)
    return old if drifted == old.drifted else replace(old, drifted=drifted)


def _first(
    new: Exposure, reached: Mapping[str, tuple[int, ...]], goals: Iterable[Goal], *, drifted: bool
) -> Exposed:
    exposed = Exposed(
        experience=new.experience, audience=new.audience, variant=new.variant, allocation=new.allocation,
        revision=new.revision, first_at=new.at, drifted=drifted,
    )  # fmt: skip
    for goal in goals:
        for at in reached.get(goal.id, ()):
            exposed = _credit(exposed, goal, at)
    return exposed


def _credit(one: Exposed, goal: Goal, at: int) -> Exposed:
    """What was reached in the exposure's own millisecond came with the page that asked: it does not count."""
    if not one.first_at < at <= one.first_at + goal.window_ms or at >= one.converted.get(goal.id, at + 1):
        return one
    return replace(one, converted=dict(sorted({**one.converted, goal.id: at}.items())))


def _recent(reached: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The times that a late exposure can still come before, by goal."""
    horizon = max(times[-1] for times in reached.values()) - DAY_MS
    kept = {goal: tuple(at for at in times if at >= horizon) for goal, times in sorted(reached.items())}
    return {goal: times for goal, times in kept.items() if times}


def _place(one: Exposed) -> tuple[str, str]:
    return (one.experience, one.audience)
