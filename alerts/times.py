"""Moments in a message: in the site's zone, as its language writes them. Pure."""

from __future__ import annotations

from datetime import datetime

from alerts.labels import labels
from alerts.quiet import zone

#: The last moment shown as itself (9999-12-30, epoch ms): a calendar has an end.
LAST_MS = 253_402_214_400_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def moment(at: int, timezone: str, locale: str) -> str:
    """`Nov 22, 14:05`, `11月22日 14:05`."""
    local = datetime.fromtimestamp(min(max(at, 0), LAST_MS) / 1000, zone(timezone))
    words = labels(locale)
    return words["date"].format(
        month=_MONTHS[local.month - 1], number=local.month, day=local.day, time=f"{local:%H:%M}"
    )


def day(at: int, timezone: str, locale: str) -> str:
    """`Nov 22`, `11月22日`."""
    local = datetime.fromtimestamp(min(max(at, 0), LAST_MS) / 1000, zone(timezone))
    return labels(locale)["day"].format(month=_MONTHS[local.month - 1], number=local.month, day=local.day)


def clock(at: int, timezone: str) -> str:
    """`14:05`."""
    local = datetime.fromtimestamp(min(max(at, 0), LAST_MS) / 1000, zone(timezone))
    return f"{local:%H:%M}"
