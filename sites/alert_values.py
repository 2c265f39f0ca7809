"""Values that only alert rules have: Slack ids, times of day, weekdays."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from alerts.quiet import DAYS

_SLACK_ID = re.compile(r"[UWS][A-Z0-9]{4,20}")
_TIME = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])")
_DAY_MINUTES = 24 * 60


def _slack_id(text: str) -> str:
    if not _SLACK_ID.fullmatch(text):
        raise ValueError("must be a Slack member id such as U0123ABCD, or a user group's (S0123ABCD)")
    return text


def _minutes(value: Any) -> int:
    """Minutes after midnight. YAML reads an unquoted 20:00 as a number of base 60, which is the minutes."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _DAY_MINUTES:
        return value
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    minutes = int(found[1]) * 60 + int(found[2]) if found else _DAY_MINUTES + 1
    if minutes > _DAY_MINUTES:
        raise ValueError('must be a time of day such as "20:00"')
    return minutes


def _day(text: Any) -> int:
    if text not in DAYS:
        raise ValueError(f"must be one of {', '.join(DAYS)}")
    return DAYS.index(text)


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


SlackId = Annotated[
    str, AfterValidator(_slack_id), WithJsonSchema({"type": "string", "pattern": _SLACK_ID.pattern})
]
TimeOfDay = Annotated[
    int,
    BeforeValidator(_minutes),
    WithJsonSchema({"type": "string", "examples": ["20:00", "08:30", "24:00"]}),
]
Weekday = Annotated[int, BeforeValidator(_day), WithJsonSchema({"type": "string", "enum": list(DAYS)})]
Weekdays = Annotated[list[Weekday], Field(min_length=1, max_length=7)]
#: For a list whose only member may stand without its dash.
OneOrMore = BeforeValidator(_one_or_more)
