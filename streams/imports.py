"""Reading lines of an import file: each an event of a visitor, with the time it happened.

A line is the beacon's event with who did it: `{"visitor" | "anonymous_id" | "user_id", "type", "name", "at",
"url", "title", "ref", "props", "id", "device", "country"}`. Without an `id` it gets one from its content, so the
same line is the same event.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec

from core.events import Envelope, Event, RawEvent, Rejection, parse_event, parse_time
from core.visitor_ids import visitor_of, visitor_of_user

_VISITOR = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COUNTRY = re.compile(r"[A-Z]{2}|")
DEVICES = frozenset({"", "desktop", "mobile", "tablet", "tv", "other"})


class Line(RawEvent, kw_only=True):
    """The shape of a line."""

    id: str = ""
    visitor: str = ""
    anonymous_id: str = ""
    user_id: str = ""
    device: str = ""
    country: str = ""


class Bad(msgspec.Struct, frozen=True, kw_only=True):
    """Why a line is left out."""

    field: str
    message: str


_decode = msgspec.json.Decoder(Line).decode


def read_line(line: bytes, *, site: str, now: int) -> Event | Bad:
    """The event of one line. `now` (epoch ms): nothing can have happened later."""
    try:
        raw = _decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        return Bad(field="", message=str(error))
    at = parse_time(raw.at)
    if at is None or at > now:
        return Bad(
            field="at", message="must be when it happened: epoch ms or ISO 8601 with a zone, not to come"
        )
    visitor = _visitor(raw, site)
    if isinstance(visitor, Bad):
        return visitor
    if raw.device not in DEVICES or not _COUNTRY.fullmatch(raw.country):
        return Bad(field="device or country", message="must be a kind of device, or two capital letters")
    raw.id = raw.id or blake2b(line.strip(), digest_size=16).hexdigest()
    envelope = Envelope(
        site=site, visitor=visitor, received_at=at, sent_at=at, imported=True,
        device=raw.device, country=raw.country,
    )  # fmt: skip
    event = parse_event(raw, envelope)
    return Bad(field=event.field, message=event.message) if isinstance(event, Rejection) else event


def _visitor(raw: Line, site: str) -> str | Bad:
    if raw.visitor:
        fits = _VISITOR.fullmatch(raw.visitor)
        return (
            raw.visitor if fits else Bad(field="visitor", message="must be 1 to 64 letters, digits, _ or -")
        )
    if raw.anonymous_id:
        return visitor_of(site, raw.anonymous_id)
    if raw.user_id:
        return visitor_of_user(site, raw.user_id)
    return Bad(field="visitor", message="name one of visitor, anonymous_id or user_id")
