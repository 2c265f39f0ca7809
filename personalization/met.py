"""What a person has met of each experience already, on this browser and on their others: it stays."""

from __future__ import annotations

from collections.abc import Iterable

from core.exposures import Exposed, Measured


def met_before(own: Measured, others: Iterable[Measured]) -> dict[tuple[str, str], str]:
    """(experience, audience) -> the variant, "" where it was withheld: as met on this browser, else where it was
    met first.

    Whether an experience is withheld is one answer for all its audiences, so what other browsers of the person
    met of it counts only as far as it agrees with this browser, or else with the one that met it first.
    """
    ranked = sorted(own.exposed, key=_first)
    ranked += sorted((one for of in others for one in of.exposed), key=_first)
    met: dict[tuple[str, str], str] = {}
    withheld: dict[str, bool] = {}
    for one in ranked:
        if withheld.setdefault(one.experience, one.variant == "") is (one.variant == ""):
            met.setdefault((one.experience, one.audience), one.variant)
    return met


def _first(one: Exposed) -> tuple[int, bool, str]:
    # Of two met at the same moment, the one that was not withheld is the later: whatever the order of browsers.
    return (one.first_at, one.variant != "", one.variant)
