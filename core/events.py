"""Events: immutable facts about a visitor.

Times are integers, milliseconds since the Unix epoch, UTC, everywhere in `core`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

EventType = Literal["page", "track", "identify", "group", "engage"]

#: Names that the types `page`, `engage`, `identify` and `group` own; a `track` may not take them.
RESERVED_NAMES = frozenset({"page", "engage", "identify", "group", "alias"})


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """Why an input was refused: a stable `code`, the `field` at fault, and a `message` for a person."""

    code: str
    field: str
    message: str


encode_event = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode
