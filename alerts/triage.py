"""What becomes of an alert whose turn it is: told now, later, or not at all. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alerts.quiet import quiet_until
from alerts.records import Stored
from alerts.standing import Standing

NO_ANSWER = "no answer twice; the message may have arrived"
QUIET = "quiet hours"
Fate = Literal["tell", "drop", "fail", "hold", "suppress"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """`why` in words for the list of alerts; `until` (epoch ms) is when a held one is told."""

    fate: Fate
    why: str = ""
    until: int = 0


TELL = Verdict(fate="tell")


def judge(stored: Stored, standing: Standing, now: int) -> Verdict:
    """What becomes of an alert at `now` (epoch ms)."""
    if stored.outcome:
        return Verdict(fate="drop")
    if stored.exhausted:
        return Verdict(fate="fail", why=NO_ANSWER)
    alert = stored.alert
    if alert.test or alert.urgent:
        return TELL
    if alert.reminder and standing.owner:
        return Verdict(fate="suppress", why="claimed")
    if standing.unfit is not None and now < standing.unfit.until:
        return Verdict(fate="suppress", why=f"not a fit ({standing.unfit.by})")
    if now < standing.snoozed_until:
        return Verdict(fate="hold", why=f"snoozed ({standing.snoozed_by})", until=standing.snoozed_until)
    quiet = quiet_until(alert.quiet, now, alert.timezone)
    return Verdict(fate="hold", why=QUIET, until=quiet) if quiet else TELL
