"""Totals per experience, audience, variant and goal: changed by what one visitor's state changed by.

The worker writes the changes with the profile, in one transaction, so that each counts exactly once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from core.exposures import Exposed, Measured
from personalization.exposure import NOTHING, entry, is_drift

#: `exposed` and `converted` count visitors by audience; `entered` and `entered_converted` count each visitor once
#: per experience, where they first met it; `drifted` counts those that are left out of all of these.
Measure = Literal["exposed", "converted", "entered", "entered_converted", "drifted"]
_MEASURES = frozenset(get_args(Measure))


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What one counter counts. `variant` is "" for the holdout, `goal` "" where none is meant."""

    experience: str
    audience: str = ""
    allocation: str = ""
    variant: str = ""
    measure: Measure
    goal: str = ""

    @property
    def field(self) -> str:
        """The counter's name in the store. Ids hold no slash."""
        parts = (self.experience, self.audience, self.allocation, self.variant, self.measure, self.goal)
        return "/".join(parts)


#: The totals of a site. A cell that is missing is 0.
Counts = Mapping[Cell, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Delta:
    """A counter and what to add to it."""

    cell: Cell
    by: int


def deltas(before: Measured | None, after: Measured | None) -> tuple[Delta, ...]:
    """What to add to which counters when a visitor's state goes from `before` to `after`.

    What is gone from the state (an erased visitor) stays counted: the totals name nobody.
    """
    old, new = before or NOTHING, after or NOTHING
    if old.exposed == new.exposed:
        return ()
    kept = {(one.experience, one.audience) for one in new.exposed}
    change = Counter(cells(new))
    change.subtract(cell for cell in cells(old) if (cell.experience, cell.audience) in kept)
    changed = ((cell, by) for cell, by in change.items() if by)
    return tuple(Delta(cell=cell, by=by) for cell, by in sorted(changed, key=lambda one: one[0].field))


def cells(measured: Measured) -> Iterator[Cell]:
    """Every counter that one visitor's state adds 1 to."""
    for one in measured.exposed:
        if is_drift(one, measured.exposed):
            yield _cell(one, "drifted")
            continue
        yield _cell(one, "exposed")
        yield from (_cell(one, "converted", goal) for goal in one.converted)
        if entry(one.experience, measured.exposed) is one:
            yield _cell(one, "entered")
            yield from (_cell(one, "entered_converted", goal) for goal in one.converted)


def parse(fields: Mapping[str, int]) -> dict[Cell, int]:
    """The totals from the store's fields. A field that is no counter of ours is left out."""
    found = ((_parse(field), value) for field, value in fields.items())
    return {cell: value for cell, value in found if cell is not None}


def _parse(field: str) -> Cell | None:
    parts = field.split("/")
    if len(parts) != 6 or parts[4] not in _MEASURES:
        return None
    experience, audience, allocation, variant, measure, goal = parts
    return Cell(
        experience=experience, audience=audience, allocation=allocation, variant=variant,
        measure=measure, goal=goal,  # type: ignore[arg-type]  # checked against _MEASURES above
    )  # fmt: skip


def _cell(one: Exposed, measure: Measure, goal: str = "") -> Cell:
    return Cell(
        experience=one.experience, audience=one.audience, allocation=one.allocation, variant=one.variant,
        measure=measure, goal=goal,
    )  # fmt: skip
