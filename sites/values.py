"""The values of a site file's fields: ids, lengths of time, moments, texts, each checked by itself."""

from __future__ import annotations

import re
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
)

from sites.durations import milliseconds
from sites.moments import SHAPE as MOMENT_SHAPE
from sites.moments import moment

ID_SHAPE = r"^[a-z0-9][a-z0-9_-]{0,63}$"
LOCALE_SHAPE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
_ID = re.compile(ID_SHAPE)
_LOCALE = re.compile(LOCALE_SHAPE)
_ORIGIN = re.compile(
    r"https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE
)
_DEFAULT_PORT = re.compile(r"(http://.*:80|https://.*:443)", re.IGNORECASE)
_CHANNEL = re.compile(r"#[^\s#,<>|&@]{1,80}|[CGD][A-Z0-9]{6,20}")
_WRITE_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(
            "must be small letters, digits, - and _ (at most 64), starting with a letter or digit"
        )
    return text


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise ValueError(
            "must be an origin such as https://www.example.com, without a path or a / at the end"
        )
    if _DEFAULT_PORT.fullmatch(text):
        raise ValueError("must leave out :80 and :443, as browsers do")
    return text.lower()


def _channel(text: str) -> str:
    if not _CHANNEL.fullmatch(text):
        raise ValueError('must be a Slack channel such as "#hot-leads" or a channel id')
    return text


def _write_key(text: str) -> str:
    if not _WRITE_KEY.fullmatch(text):
        raise ValueError("must be letters, digits, - and _ (at most 128)")
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    # A folder of zones (`Asia`) and an odd path fail in ways of their own.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("must be a time zone such as Asia/Tokyo or Europe/Berlin") from error
    return text


def _plain_line(text: str) -> str:
    if not text.strip() or _CONTROL.search(text):
        raise ValueError("must be one line of text")
    return text


def _duration(value: Any) -> int:
    return milliseconds(value if isinstance(value, str) else "")


def _glob(text: str) -> str:
    if not text.startswith(("/", "*")):
        raise ValueError("must start with / (or *)")
    return text


def _localized(value: Any) -> Any:
    """Texts are one string or a mapping of locales to strings."""
    if isinstance(value, str) and value.strip():
        return value
    texts = value if isinstance(value, dict) and value else {"": None}
    for locale, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise ValueError("must be a text, or one text per locale (ja: …, en: …)")
        if not _LOCALE.fullmatch(locale):
            raise ValueError(f"`{locale}` is not a locale such as ja, en or en-US")
    return value


Id = Annotated[str, AfterValidator(_id), WithJsonSchema({"type": "string", "pattern": ID_SHAPE})]
Origin = Annotated[str, AfterValidator(_origin)]
WriteKey = Annotated[str, AfterValidator(_write_key)]
Timezone = Annotated[str, AfterValidator(_timezone)]
Glob = Annotated[str, AfterValidator(_glob), Field(min_length=1, max_length=500)]
Line = Annotated[str, AfterValidator(_plain_line), Field(max_length=200)]
Duration = Annotated[
    int,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]*[smhd]$", "examples": ["30m", "180d"]}),
]
Moment = Annotated[
    str,
    AfterValidator(moment),
    WithJsonSchema(
        {"type": "string", "pattern": MOMENT_SHAPE, "examples": ["2026-12-01", "2026-12-01 09:00"]}
    ),
]
Condition = Annotated[
    dict[str, Any], Field(description="A GrowthBook targeting condition over the attributes")
]
Localized = Annotated[str | dict[str, str], BeforeValidator(_localized)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1_000_000, le=1_000_000)]
Channel = Annotated[str, AfterValidator(_channel)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
