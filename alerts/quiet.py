"""Quiet hours: when alerts wait, and until when. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import msgspec

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Quiet hours that follow on each other are taken for one; after so many they are taken to have no end.
_CHAIN = 32
_MORNING = time(9)


class Quiet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Hours on which alerts wait. `start` and `end` are minutes after midnight; an end that is not after the
    start is on the next day. `days` are the weekdays on which it starts, 0 for Monday. `timezone` is an IANA
    name, "" for the site's.
    """

    start: int
    end: int
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    timezone: str = ""


def quiet_until(hours: Iterable[Quiet], now: int, timezone: str) -> int | None:
    """When the quiet hours at `now` end (epoch ms), None where there are none. `timezone` is the site's."""
    hours, moment = tuple(hours), now
    for _ in range(_CHAIN):
        ends = [
            end for one in hours if (end := _end(one, moment, zone(one.timezone or timezone))) is not None
        ]
        if not ends:
            break
        moment = max(ends)
    return moment if moment > now else None


def tomorrow_morning(now: int, timezone: str) -> int:
    """Nine o'clock of the next day in `timezone`, epoch ms."""
    local = datetime.fromtimestamp(now / 1000, zone(timezone))
    return _ms(datetime.combine(local.date() + timedelta(days=1), _MORNING, local.tzinfo))


def zone(name: str) -> tzinfo:
    """The time zone of that name; UTC where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return UTC


def _end(one: Quiet, now: int, where: tzinfo) -> int | None:
    today = datetime.fromtimestamp(now / 1000, where).date()
    for day in (today, today - timedelta(days=1)):
        if day.weekday() not in one.days:
            continue
        midnight = datetime.combine(day, time(), where)
        over = one.end if one.end > one.start else one.end + 24 * 60
        # Wall-clock arithmetic: eight in the evening is eight on the day the clocks change, too.
        start, end = (_ms(midnight + timedelta(minutes=minutes)) for minutes in (one.start, over))
        if start <= now < end:
            return end
    return None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
