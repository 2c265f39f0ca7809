"""Moments as people write them, on the site's clock: `2026-12-01`, `2026-12-01 09:00`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

SHAPE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2})?$"
YEARS = range(2000, 2200)
_SHAPE = re.compile(SHAPE, re.ASCII)


def moment(text: str) -> str:
    """The text, checked. Raises ValueError for anything else than a date, perhaps with hours and minutes."""
    if not _SHAPE.fullmatch(text):
        raise ValueError("must be a date such as 2026-12-01, or a date and a time such as 2026-12-01 09:00")
    try:
        year = local(text).year
    except ValueError as error:
        raise ValueError("is no such day or time") from error
    if year not in YEARS:
        raise ValueError(f"must be in the years {YEARS.start} to {YEARS.stop - 1}")
    return text


def local(text: str, *, end: bool = False) -> datetime:
    """The moment on the wall clock. A date alone is its beginning; as an `end`, the beginning of the next day."""
    found = datetime.fromisoformat(text)
    return found + timedelta(days=1) if end and len(text) == len("2026-12-01") else found


def epoch_ms(text: str, zone: ZoneInfo, *, end: bool = False) -> int:
    """The moment in epoch milliseconds, in a time zone. Of an hour that comes twice, the first."""
    return round(local(text, end=end).replace(tzinfo=zone).timestamp() * 1000)
