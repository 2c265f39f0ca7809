"""What fills each slot for one visitor, and why. Pure: the same input gives the same decisions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from personalization.experiences import NOTHING_MET, Assignment, Met, assign, why_not
from personalization.model import Content, Decision, Experience, Variant
from personalization.templates import RenderError


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """A visitor met an experience, by the choice for `audience` ("": everyone): with a variant, or held out
    (`variant` None). `everywhere` marks who is held out of every experience of the site.
    """

    slot: str
    experience: str
    variant: str | None
    audience: str = ""
    everywhere: bool = False


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for every slot asked. None leaves the page's own content; `notes` says why.

    `exposures` lists what to count, the held-out visitors too; `errors` are for the operator.
    """

    decisions: Mapping[str, Decision | None] = msgspec.field(default_factory=dict)
    notes: Mapping[str, str] = msgspec.field(default_factory=dict)
    errors: Sequence[str] = ()
    exposures: Sequence[Exposure] = ()


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, when, and whether it is a preview: see `personalization.experiences.assign`. `explained` as in
    `decide`.
    """

    audiences: Collection[str]
    visitor: str
    now: int | None
    preview: Mapping[str, str] | None
    met: Met
    explained: bool


def decide(
    experiences: Iterable[Experience],
    *,
    slots: Sequence[str],
    attributes: Mapping[str, Any],
    audiences: Collection[str],
    visitor: str,
    locale: str,
    site_name: str,
    now: int | None = None,
    preview: Mapping[str, str] | None = None,
    met: Met = NOTHING_MET,
    explained: bool = True,
) -> Decisions:
    """Fill each of `slots` from the first experience, in the order given, that is for this visitor.

    `attributes` is nested plain data; a template sees it as top-level names and as `visitor`. `now` is epoch ms;
    None does not ask whether an experience runs. `preview`, where given, withholds nobody and pins variants by
    experience. `met` is what the person has seen already: it stays. Slots that no experience fills have a note
    only where they are to be `explained`. Never raises for a template that fails: that slot is None, with a note
    and an error.
    """
    asked = _Asked(
        audiences=audiences, visitor=visitor, now=now, preview=preview, met=met, explained=explained
    )
    context = {**attributes, "visitor": attributes, "locale": locale, "site": {"name": site_name}}
    return _filled(slots, tuple(experiences), asked, context)


def _filled(
    slots: Iterable[str], offered: Sequence[Experience], asked: _Asked, context: Mapping[str, Any]
) -> Decisions:
    decisions: dict[str, Decision | None] = {}
    notes: dict[str, str] = {}
    errors: list[str] = []
    exposures: list[Exposure] = []
    for slot in dict.fromkeys(slots):
        found = _first(slot, offered, asked)
        decisions[slot], note, error = _render(found, context) if found else _left(slot, offered, asked)
        if note:
            notes[slot] = note
        if error:
            errors.append(error)
        elif found:
            exposures.append(_exposure(slot, found))
    return Decisions(decisions=decisions, notes=notes, errors=tuple(errors), exposures=tuple(exposures))


def _first(slot: str, offered: Sequence[Experience], asked: _Asked) -> Assignment | None:
    """The slot's first assignment, None where there is none."""
    audiences = asked.audiences
    for experience in offered:
        if experience.slot != slot:
            continue
        if experience.audiences is not None and experience.audiences.isdisjoint(audiences):
            continue
        assignment = assign(
            experience,
            audiences=audiences,
            visitor=asked.visitor,
            now=asked.now,
            preview=asked.preview,
            met=asked.met,
        )
        if assignment:
            return assignment
    return None


def _left(slot: str, offered: Sequence[Experience], asked: _Asked) -> tuple[None, str, str]:
    """As `_render`, of a slot that no experience fills."""
    note = _why_left(slot, offered, asked) if asked.explained else ""
    return None, note, ""


def _why_left(slot: str, offered: Sequence[Experience], asked: _Asked) -> str:
    found = {
        one.id: why_not(one, visitor=asked.visitor, now=asked.now) for one in offered if one.slot == slot
    }
    if not found:
        return "no experience fills this slot"
    unmatched = [name for name, why in found.items() if not why]
    words = [f"{name} {why}" for name, why in found.items() if why]
    return "; ".join(([f"no audience of {', '.join(unmatched)} matches"] if unmatched else []) + words)


def _render(assignment: Assignment, context: Mapping[str, Any]) -> tuple[Decision | None, str, str]:
    """The decision, a note where there is none, an error for the operator."""
    variant, experience = assignment.variant, assignment.experience
    if variant is None:
        return None, assignment.reason, ""
    try:
        content = variant.render(context)
    except RenderError as error:
        note = f"{assignment.reason}, but it could not be rendered"
        return None, note, f"experience {experience.id}, variant {variant.id}: {error}"
    if variant.kind == "redirect" and _is_here(content, context):
        return None, f"{assignment.reason}, and the visitor is there already", ""
    return _decision(assignment, variant, content), "", ""


def _decision(assignment: Assignment, variant: Variant, content: Content) -> Decision:
    filled: dict[str, Any] = {variant.kind: content}
    return Decision(
        experience=assignment.experience.id, variant=variant.id, reason=assignment.reason, **filled
    )


def _is_here(address: Content, context: Mapping[str, Any]) -> bool:
    """Whether the visitor is on the page already: sending them there again would never end."""
    page = context.get("page")
    url = str(page.get("url", "")) if isinstance(page, Mapping) else ""
    target = str(address)
    if target.startswith("/") and "://" in url:
        scheme, _, rest = url.partition("://")
        target = f"{scheme}://{rest.partition('/')[0]}{target}"
    return bool(url) and url.partition("#")[0] == target.partition("#")[0]


def _exposure(slot: str, assignment: Assignment) -> Exposure:
    variant = assignment.variant
    return Exposure(
        slot=slot,
        experience=assignment.experience.id,
        variant=variant.id if variant else None,
        audience=assignment.choice.audience or "",
        everywhere=assignment.withheld == "site",
    )
