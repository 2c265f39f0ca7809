"""Events: immutable facts about a visitor, and how raw input becomes one.

Times are integers, milliseconds since the Unix epoch, UTC, everywhere in `core`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args

import msgspec
from msgspec.structs import replace

from core.text import BadText, clean, clean_data

#: What a client may send.
WireType = Literal["page", "track", "identify", "group", "engage"]
#: What the server adds: an experience met, a timer run out, an operator's word on who somebody is, an erasure.
OwnType = Literal["exposure", "timer", "link", "unlink", "erase"]
EventType = WireType | OwnType
TYPES = frozenset(get_args(WireType))
OWN_TYPES = frozenset(get_args(OwnType))

#: Names that the other types own; a `track` may not take them.
RESERVED_NAMES = frozenset({"page", "engage", "identify", "group", "alias"}) | OWN_TYPES

DAY_MS = 86_400_000
MAX_ENGAGED_MS = DAY_MS


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One accepted event of one visitor of one site.

    `name` is the event's name in rules (`on: page`, `on: whitepaper_download`): the type itself for all
    but `track`. `at` is when it happened, corrected for the client's clock; `client_at` is what the client
    said; `received_at` is the server's own clock.
    """

    id: str
    site: str
    visitor: str
    type: EventType
    name: str
    at: int
    received_at: int
    client_at: int | None = None
    url: str = ""
    title: str = ""
    ref: str = ""
    props: dict[str, Any] = msgspec.field(default_factory=dict)
    device: str = ""
    lang: str = ""
    #: ISO 3166-1 alpha-2 code and company domain, looked up from an address that is kept nowhere.
    country: str = ""
    company: str = ""
    #: The user id that the client sent with the event, whatever its type: it says who the visitor is.
    user: str = ""
    #: Brought in from elsewhere, after the fact: it counts, but tells nobody.
    imported: bool = False


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """Why an input was refused: a stable `code`, the `field` at fault, and a `message` for a person."""

    code: str
    field: str
    message: str


class RawEvent(msgspec.Struct, kw_only=True, gc=False):
    """An event as the wire brings it (the beacon's shape), before any check of its values."""

    id: str
    type: str
    name: str | None = None
    url: str | None = None
    title: str | None = None
    ref: str | None = None
    at: int | float | str | None = None
    props: dict[str, Any] | None = None
    user: str = ""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the server knows about the request that carried an event. `sent_at` is the client's clock (ms)."""

    site: str
    visitor: str
    received_at: int
    sent_at: int | None = None
    device: str = ""
    lang: str = ""
    country: str = ""
    company: str = ""
    imported: bool = False


def parse_time(value: int | float | str | None) -> int | None:
    """Epoch milliseconds from a number of milliseconds or an ISO 8601 string; None where it is neither."""
    if isinstance(value, str):
        try:
            stamp = datetime.fromisoformat(value)
        except ValueError:
            return None
        return int(stamp.timestamp() * 1000) if stamp.tzinfo else None
    if value is None or not 0 <= value < 1e14:
        return None
    return int(value)


def happened_at(client_at: int | None, envelope: Envelope) -> int:
    """When an event happened by the server's clock.

    A client's clock may be wrong by years, but the span between two of its own stamps is right:
    `received - (sent - at)`, as Segment's specification computes `timestamp`. Never in the future.
    """
    if client_at is None:
        return envelope.received_at
    sent = envelope.sent_at if envelope.sent_at is not None else envelope.received_at
    return min(envelope.received_at, envelope.received_at - (sent - client_at))


def parse_event(raw: RawEvent, envelope: Envelope) -> Event | Rejection:
    """One wire event checked and placed in time, or the reason it is refused."""
    if raw.type not in TYPES:
        return Rejection(
            code="unknown_type", field="type", message=f"must be one of {', '.join(sorted(TYPES))}"
        )
    name = raw.name if raw.type == "track" else raw.type
    if not name or (raw.type == "track" and name in RESERVED_NAMES):
        return Rejection(code="bad_name", field="name", message="a track event needs a name of its own")
    client_at = parse_time(raw.at)
    at = happened_at(client_at, envelope)
    if at < envelope.received_at - DAY_MS:
        return Rejection(code="too_old", field="at", message="is more than 24 hours ago")
    try:
        return _event(raw, name, at, client_at, envelope)
    except BadText as bad:
        return Rejection(code="bad_value", field=bad.field, message=str(bad))


def in_order(events: list[Event]) -> list[Event]:
    """The events of one call, those without a time of their own a millisecond apart: they happened in the order
    they are listed in. Else they would share a moment, in which ids decide, and half of them would come late.
    """
    if len(events) == 1 or all(event.client_at is not None for event in events):
        return events
    last = len(events) - 1
    return [
        event if event.client_at is not None else replace(event, at=event.at - (last - index))
        for index, event in enumerate(events)
    ]


def _event(raw: RawEvent, name: str, at: int, client_at: int | None, envelope: Envelope) -> Event:
    props = clean_data(raw.props or {}, field="props")
    if raw.type == "engage":
        _check_engagement(props)
    if not raw.id:
        raise BadText("id", "must not be empty")
    return Event(
        id=clean(raw.id, limit=100, field="id"),
        site=envelope.site,
        visitor=envelope.visitor,
        type=raw.type,  # type: ignore[arg-type]  # checked against TYPES above
        name=clean(name, limit=100, field="name"),
        at=at,
        received_at=envelope.received_at,
        client_at=client_at,
        url=clean(raw.url or "", limit=2_048, field="url"),
        title=clean(raw.title or "", limit=500, field="title"),
        ref=clean(raw.ref or "", limit=2_048, field="ref"),
        props=props,
        device=envelope.device,
        lang=envelope.lang,
        country=envelope.country,
        company=envelope.company,
        user=clean(raw.user, limit=200, field="user"),
        imported=envelope.imported,
    )


def _check_engagement(props: dict[str, Any]) -> None:
    limits = {"engaged_ms": MAX_ENGAGED_MS, "scroll": 100}
    for key, most in limits.items():
        value = props.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
            raise BadText(f"props.{key}", f"must be a number from 0 to {most}")


encode_event = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode
