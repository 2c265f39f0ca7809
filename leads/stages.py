"""Stages: visitor, lead (identified), MQL (a lead past marketing's threshold), each with the time it was reached.

A stage is kept once reached: whether sales accepts an MQL is for sales to say.
"""

from __future__ import annotations

from core.identity import is_known
from core.profiles import Profile


def advanced(profile: Profile, *, score: float, threshold: float, at: int) -> dict[str, int]:
    """The profile's stages at `at` (epoch ms), with those reached now. `score` is the person's."""
    stages = profile.stages
    if "lead" not in stages and is_known(profile):
        stages = {**stages, "lead": at}
    if "lead" in stages and "mql" not in stages and score >= threshold:
        stages = {**stages, "mql": at}
    return stages
