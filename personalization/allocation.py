"""The shares of visitors that the variants of one choice and the holdout should get, and a name for them.

Counts under different shares must not be added up: a variant that got more visitors in a good month would look
better than it is. A change of the shares therefore starts new counts, under a new name.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from personalization.model import Choice, Experience

#: The holdout's name among the arms.
HOLDOUT = ""


def shares(experience: Experience, choice: Choice) -> dict[str, float]:
    """Variant id -> its share of the visitors this choice is for, 0..1, summing to 1; the holdout's under ""."""
    held_out = holdout_share(experience)
    total = sum(variant.weight for variant in choice.variants)
    arms = {variant.id: (1 - held_out) * variant.weight / total for variant in choice.variants}
    return {HOLDOUT: held_out, **arms}


def holdout_share(experience: Experience) -> float:
    """The share of visitors who keep the original page: the site's holdout and the experience's, drawn apart."""
    return 1 - (1 - experience.holdout) * (1 - experience.site_holdout)


def allocation(arms: Mapping[str, float]) -> str:
    """A short name for these shares: the same shares, the same name."""
    text = ",".join(f"{arm}={share:.6f}" for arm, share in sorted(arms.items()))
    return blake2b(text.encode(), digest_size=4).hexdigest()
