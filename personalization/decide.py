"""What fills each slot for one visitor, and why. Pure: the same input gives the same decisions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from personalization.experiences import Assignment, assign
from personalization.model import Decision, Experience
from personalization.templates import RenderError


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposure:
    """A visitor met an experience: with a variant, or held out (`variant` None)."""

    slot: str
    experience: str
    variant: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decisions:
    """The answer for every slot asked. None leaves the page's own content; `notes` says why.

    `exposures` lists what to count, the held-out visitors too; `errors` are for the operator.
    """

    decisions: Mapping[str, Decision | None] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[str] = ()
    exposures: Sequence[Exposure] = ()


def decide(
    experiences: Iterable[Experience],
    *,
    slots: Sequence[str],
    attributes: Mapping[str, Any],
    audiences: Collection[str],
    visitor: str,
    locale: str,
    site_name: str,
) -> Decisions:
    """Fill each of `slots` from the first experience, in file order, that is for this visitor.

    `attributes` is nested plain data; a template sees it as top-level names and as `visitor`. Never raises
    for a template that fails: that slot is None, with a note and an error.
    """
    offered = tuple(experiences)
    context = {**attributes, "visitor": attributes, "locale": locale, "site": {"name": site_name}}
    decisions: dict[str, Decision | None] = {}
    notes: dict[str, str] = {}
    errors: list[str] = []
    exposures: list[Exposure] = []
    for slot in dict.fromkeys(slots):
        found = _first([one for one in offered if one.slot == slot], audiences, visitor)
        if isinstance(found, str):
            decisions[slot], notes[slot] = None, found
            continue
        decisions[slot], error = _render(found, context)
        if error:
            notes[slot] = f"{found.reason}, but it could not be rendered"
            errors.append(error)
            continue
        if decisions[slot] is None:
            notes[slot] = found.reason
        exposures.append(_exposure(slot, found))
    return Decisions(decisions=decisions, notes=notes, errors=tuple(errors), exposures=tuple(exposures))


def _first(experiences: Sequence[Experience], audiences: Collection[str], visitor: str) -> Assignment | str:
    """The first assignment, or why there is none."""
    for experience in experiences:
        assignment = assign(experience, audiences=audiences, visitor=visitor)
        if assignment:
            return assignment
    if not experiences:
        return "no experience fills this slot"
    return f"no audience of {', '.join(experience.id for experience in experiences)} matches"


def _render(assignment: Assignment, context: Mapping[str, Any]) -> tuple[Decision | None, str]:
    variant, experience = assignment.variant, assignment.experience
    if variant is None:
        return None, ""
    try:
        html = variant.render(context)
    except RenderError as error:
        return None, f"experience {experience.id}, variant {variant.id}: {error}"
    decision = Decision(experience=experience.id, variant=variant.id, html=html, reason=assignment.reason)
    return decision, ""


def _exposure(slot: str, assignment: Assignment) -> Exposure:
    variant = assignment.variant
    return Exposure(slot=slot, experience=assignment.experience.id, variant=variant.id if variant else None)
