"""What the page shows one visitor now, slot by slot, and why. Pure."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from personalization.experiences import assign
from personalization.model import Decision
from server.visitor_seen import Seen
from server.visitor_words import name_of, texts
from sites.site import Site

_EXCERPT = 80
_HEADINGS = frozenset({"h1", "h2", "h3"})


def slots_of(site: Site) -> list[str]:
    """The slots that the site's experiences fill, in file order."""
    return list(dict.fromkeys(experience.slot for experience in site.experiences))


def slot_view(seen: Seen, slot: str) -> dict[str, Any]:
    """What fills a slot, and why; `html` as text, cut short."""
    decision = seen.decisions.decisions.get(slot)
    return {
        "slot": slot,
        "text": _said(decision) if decision else "",
        "shown": decision is not None,
        "why": _why(seen, slot),
    }


def _said(decision: Decision) -> str:
    if decision.attr is not None:
        return excerpt(" ".join(f"{name}: {value}" for name, value in decision.attr.items()))
    return excerpt(decision.html or decision.text or decision.redirect or "")


def _why(seen: Seen, slot: str) -> str:
    said, separator = texts(seen.lang), " · "
    offered = [one for one in seen.site.experiences if one.slot == slot]
    found = (
        assign(one, audiences=seen.profile.audiences, visitor=seen.profile.id, now=seen.now, met=seen.met)
        for one in offered
    )
    assignment = next((one for one in found if one is not None), None)
    if assignment is None:
        names = ", ".join(one.id for one in offered)
        return str(said["no_audience"].format(experience=names))
    choices, choice = assignment.experience.choices, assignment.choice
    form = said["because_audience" if choice.audience else "because_everyone"]
    because = form.format(
        audience=name_of(choice.audience or "", seen.lang),
        number=choices.index(choice) + 1,
        total=len(choices),
    )
    share = f"{assignment.share * 100:.3g}"
    if assignment.variant is None:
        return f"{because}{separator}{said['held_out'].format(share=share)}"
    broken = [said["not_rendered"]] if seen.decisions.decisions.get(slot) is None else []
    variant = said["variant"].format(variant=assignment.variant.id, share=share)
    return separator.join([because, variant, *broken])


class _Text(HTMLParser):
    """The words of some HTML, and those of its first heading."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.heading: list[str] = []
        self._open = False

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self._open = (tag in _HEADINGS and not self.heading) or self._open

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag not in _HEADINGS

    def handle_data(self, data: str) -> None:
        self.words += data.split()
        self.heading += data.split() if self._open else ()


def excerpt(html: str) -> str:
    """What an HTML block says, without its tags: its first heading, else its beginning."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    said = " ".join(parser.heading or parser.words)
    return said if len(said) <= _EXCERPT else said[: _EXCERPT - 1].rstrip() + "…"
