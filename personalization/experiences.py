"""Who gets which variant: the first audience that matches, the holdouts, the stable assignment.

Assignment uses GrowthBook's published hashing, so anyone can recompute it, over the visitor's id: the site's
holdout by the seed `site:<site>:holdout`, an experience's by `<experience>:holdout`, the variant by
`<experience>`; see `personalization.namespaces` for mutual exclusion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import msgspec

from core.bucketing import bucket, chosen
from personalization.model import Choice, Experience, Variant
from personalization.namespaces import admits

#: (experience, audience, "" for everyone) -> the variant that was met, "" where it was withheld.
Met = Mapping[tuple[str, str], str]
NOTHING_MET: Met = MappingProxyType({})

#: Held out of this experience alone, or of every experience of the site.
Withheld = Literal["", "experience", "site"]


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What a visitor gets of an experience: a variant, or None when `withheld`. `share` is in 0..1:
    the variant's share of its choice, or the share that is held out.
    """

    experience: Experience
    choice: Choice
    variant: Variant | None
    share: float
    withheld: Withheld = ""

    @property
    def reason(self) -> str:
        """In words a marketer understands: `audience returning (2nd of 3 choices), variant results 50 %`."""
        choices = self.experience.choices
        number = next(place for place, one in enumerate(choices, 1) if one is self.choice)
        what = f"variant {self.variant.id}" if self.variant else _HELD_OUT[self.withheld]
        return _reason(self.choice.audience, number, len(choices), what, self.share)


_HELD_OUT: dict[Withheld, str] = {
    "": "held out as the baseline",
    "experience": "held out as the baseline",
    "site": "held out of every experience as the baseline",
}


@lru_cache(maxsize=4_096)
def _reason(audience: str | None, number: int, total: int, what: str, share: float) -> str:
    """A site has as many reasons as it has variants."""
    who = f"audience {audience}" if audience else "everyone"
    choices = "choice" if total == 1 else "choices"
    return f"{who} ({ordinal(number)} of {total} {choices}), {what} {share * 100:.3g} %"


def assign(
    experience: Experience,
    *,
    audiences: Collection[str],
    visitor: str,
    now: int | None = None,
    preview: Mapping[str, str] | None = None,
    met: Met = NOTHING_MET,
) -> Assignment | None:
    """The visitor's assignment; None when the experience is not for them.

    `now` is epoch ms; None does not ask whether the experience runs. In a `preview` nobody is withheld, and
    experiences that it names show the variant it gives. What the person has `met` already stays what it was, on
    whichever browser, for as long as the variant (or a holdout) exists.
    """
    for choice in experience.choices:
        if choice.audience is None or choice.audience in audiences:
            break
    else:
        return None
    if now is not None and when_not(experience, now):
        return None
    namespace = experience.namespace
    if preview is not None:
        return _shown(experience, choice, visitor, preview)
    if namespace is not None and not admits(namespace, visitor):
        return None
    return _kept(experience, choice, met) or _new(experience, choice, visitor, met)


def when_not(experience: Experience, now: int) -> str:
    """Why the experience does not run at `now` (epoch ms), "" while it does."""
    if experience.starts_at is not None and now < experience.starts_at:
        return "has not begun"
    if experience.ends_at is not None and now >= experience.ends_at:
        return "is over"
    return ""


def next_change(experiences: Iterable[Experience], now: int) -> int | None:
    """When, after `now`, the first of these experiences begins or ends; None where none does."""
    moments = (
        at for one in experiences for at in (one.starts_at, one.ends_at) if at is not None and at > now
    )
    return min(moments, default=None)


def why_not(experience: Experience, *, visitor: str, now: int | None) -> str:
    """Why an experience that `assign` has refused is not for the visitor, "" when no audience matches."""
    if now is not None and (words := when_not(experience, now)):
        return words
    namespace = experience.namespace
    if namespace is not None and not admits(namespace, visitor):
        return f"has another share of the namespace {namespace.name}"
    return ""


def _kept(experience: Experience, choice: Choice, met: Met) -> Assignment | None:
    """What was met before, where it still exists."""
    name = met.get((experience.id, choice.audience or ""))
    if name is None:
        return None
    if name == "":
        still = _still_withheld(experience)
        return _baseline(experience, choice, still) if still else None
    return _variant(experience, choice, name)


def _new(experience: Experience, choice: Choice, visitor: str, met: Met) -> Assignment:
    """What this choice gives: withheld or not as with the experience's other choices, the variant by the hash."""
    before = {name == "" for (one, _), name in met.items() if one == experience.id} if met else None
    withheld = _withheld(experience, visitor)
    if before:
        withheld = _still_withheld(experience) if before == {True} else ""
    return _baseline(experience, choice, withheld) if withheld else _shown(experience, choice, visitor, {})


def _shown(experience: Experience, choice: Choice, visitor: str, pinned: Mapping[str, str]) -> Assignment:
    name = pinned.get(experience.id)
    found = _variant(experience, choice, name) if name is not None else None
    if found:
        return found
    # Shares may add up to a hair less than 1: the last variant takes the hair.
    several = len(choice.variants) > 1
    index = chosen(bucket(experience.id, visitor), choice.shares) if several else 0
    return Assignment(
        experience=experience, choice=choice, variant=choice.variants[index], share=choice.shares[index]
    )


def _variant(experience: Experience, choice: Choice, name: str) -> Assignment | None:
    for variant, share in zip(choice.variants, choice.shares, strict=True):
        if variant.id == name:
            return Assignment(experience=experience, choice=choice, variant=variant, share=share)
    return None


def _baseline(experience: Experience, choice: Choice, withheld: Withheld) -> Assignment:
    share = experience.site_holdout if withheld == "site" else experience.holdout
    return Assignment(experience=experience, choice=choice, variant=None, share=share, withheld=withheld)


def _still_withheld(experience: Experience) -> Withheld:
    """How who was withheld stays so: for as long as there is a holdout."""
    if experience.holdout:
        return "experience"
    return "site" if experience.site_holdout else ""


def _withheld(experience: Experience, visitor: str) -> Withheld:
    share = experience.site_holdout
    if share and bucket(f"site:{experience.site}:holdout", visitor) < share:
        return "site"
    if experience.holdout and bucket(f"{experience.id}:holdout", visitor) < experience.holdout:
        return "experience"
    return ""


def ordinal(number: int) -> str:
    """1 -> `1st`, 12 -> `12th`."""
    tail = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{tail}"
