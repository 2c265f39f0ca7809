"""Who gets which variant: the first audience that matches, the holdout, the stable assignment.

Assignment uses GrowthBook's published hashing, so anyone can recompute it: the holdout by the seed
`<experience>:holdout`, the variant by the seed `<experience>`, both over the visitor's id.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from core.bucketing import bucket, choose
from personalization.model import Choice, Experience, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """What a visitor gets of an experience: a variant, or None when held out. `share` is in 0..1:
    the variant's share of its choice, or the holdout's share of the experience.
    """

    experience: Experience
    choice: Choice
    variant: Variant | None
    share: float

    @property
    def reason(self) -> str:
        """In words a marketer understands: `audience returning (2nd of 3 choices), variant results 50 %`."""
        number = self.experience.choices.index(self.choice) + 1
        total = len(self.experience.choices)
        who = f"audience {self.choice.audience}" if self.choice.audience else "everyone"
        what = f"variant {self.variant.id}" if self.variant else "held out as the baseline"
        choices = "choice" if total == 1 else "choices"
        return f"{who} ({ordinal(number)} of {total} {choices}), {what} {self.share * 100:.3g} %"


def assign(experience: Experience, *, audiences: Collection[str], visitor: str) -> Assignment | None:
    """The visitor's assignment; None when no choice of the experience is for them."""
    for choice in experience.choices:
        if choice.audience is None or choice.audience in audiences:
            return _within(experience, choice, visitor)
    return None


def _within(experience: Experience, choice: Choice, visitor: str) -> Assignment:
    if bucket(f"{experience.id}:holdout", visitor) < experience.holdout:
        return Assignment(experience=experience, choice=choice, variant=None, share=experience.holdout)
    total = sum(variant.weight for variant in choice.variants)
    shares = [variant.weight / total for variant in choice.variants]
    # Shares may add up to a hair less than 1: the last variant takes the hair.
    index = choose(bucket(experience.id, visitor), shares)
    return Assignment(
        experience=experience, choice=choice, variant=choice.variants[index], share=shares[index]
    )


def ordinal(number: int) -> str:
    """1 -> `1st`, 12 -> `12th`."""
    tail = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{tail}"
