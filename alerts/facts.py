"""What a salesperson needs to know about a visitor, taken from the profile: an alert's facts. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from alerts.model import Part, PastVisit, SeenPage
from alerts.words import humanise
from core.events import Event
from core.fading import faded
from core.profiles import PageVisit, Profile, Session

#: Pages, topics and visits kept in an alert: what a salesperson reads, not the whole history.
MAX_PAGES = 20
MAX_TOPICS = 10
MAX_VISITS = 3
MAX_ENQUIRY = 4_000
#: The addend that stands for points lost to the half-life when its length is not known here.
FADED = "faded"
#: Scores are rounded to this many decimals, so a difference below it is noise of the addition.
_NOISE = 1e-5
#: The props in which a form's free text comes, the first that is there.
_ENQUIRY = ("message", "enquiry", "inquiry", "question", "comment")


def score_parts(after: Profile, *, at: int, half_life_ms: int | None) -> tuple[Part, ...]:
    """The addends of `after.score`, largest first. They sum to it exactly; an addend of zero is left out."""
    parts = [
        Part(rule=rule, points=faded(tally.points, at - tally.as_of, half_life_ms), count=tally.count)
        for rule, tally in after.points.items()
    ]
    return tuple(_summing(sorted(filter(_counts, parts), key=lambda p: (-p.points, p.rule)), after.score))


def _counts(part: Part) -> bool:
    return abs(part.points) > _NOISE


def _summing(parts: list[Part], score: float) -> list[Part]:
    gap = score - math.fsum(part.points for part in parts)
    if abs(gap) > _NOISE * max(1, len(parts)):
        return [*parts, Part(rule=FADED, points=gap, count=0)]
    if gap and parts:
        rest = math.fsum(part.points for part in parts[1:])
        return [msgspec.structs.replace(parts[0], points=score - rest), *parts[1:]]
    return parts


def labelled(parts: Iterable[Part], labels: Mapping[str, str]) -> tuple[Part, ...]:
    """The parts with the names that the site gives its scoring rules."""
    return tuple(msgspec.structs.replace(part, label=labels.get(part.rule, "")) for part in parts)


def seen_pages(visits: Iterable[PageVisit]) -> tuple[SeenPage, ...]:
    """The pages by path, the latest last, each with all the time the visitor was engaged with it."""
    merged: dict[str, SeenPage] = {}
    for visit in visits:
        earlier = merged.pop(visit.path, None)
        merged[visit.path] = SeenPage(
            path=visit.path,
            title=visit.title or (earlier.title if earlier else ""),
            topic=visit.topic or (earlier.topic if earlier else ""),
            engaged_ms=visit.engaged_ms + (earlier.engaged_ms if earlier else 0),
            at=visit.at,
        )
    return tuple(merged.values())[-MAX_PAGES:]


def interests(after: Profile, names: Mapping[str, str]) -> dict[str, int]:
    """The topics the visitor has seen most, by the names people know them by."""
    ranked = sorted(after.topics.items(), key=lambda kv: (-kv[1].views, -kv[1].engaged_ms, kv[0]))
    return {names.get(topic) or humanise(topic): stat.views for topic, stat in ranked[:MAX_TOPICS] if topic}


def source(session: Session | None) -> dict[str, str]:
    """How a session came about: what is known of it."""
    if session is None:
        return {}
    known: dict[str, str] = msgspec.to_builtins(session.source)
    known["referrer_class"] = session.source.referrer_class
    known["landing_path"] = session.landing_path
    return {name: value for name, value in known.items() if value}


def past_visits(after: Profile) -> tuple[PastVisit, ...]:
    """The sessions before this one, the latest last."""
    return tuple(
        PastVisit(at=one.started_at, page_count=one.page_count, engaged_ms=one.engaged_ms, source=source(one))
        for one in after.sessions[-MAX_VISITS:]
    )


def company(after: Profile, attributes: Mapping[str, Any]) -> str:
    """The visitor's company: as they said, else their account's domain, else their group."""
    said = after.traits.get("company")
    if isinstance(said, Mapping):
        said = said.get("name")
    account = attributes.get("account")
    domain = account.get("domain") if isinstance(account, Mapping) else None
    for candidate in (said, domain, after.group):
        if isinstance(candidate, str) and candidate.strip():
            return candidate.strip()
    return ""


def enquiry(event: Event) -> str:
    """What the visitor wrote to us in a form, "" for an event that is none."""
    if event.type not in {"track", "identify"}:
        return ""
    texts = (event.props.get(name) for name in _ENQUIRY)
    return next((text.strip()[:MAX_ENQUIRY] for text in texts if isinstance(text, str) and text.strip()), "")
