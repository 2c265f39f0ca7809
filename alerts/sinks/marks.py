"""What makes a message recognisable: an id that every try to send it shares. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from alerts.model import Alert, encode_alert
from alerts.sinks.base import Message

#: What differs between two tries to tell the same: the note that the first may have arrived, and signed links.
_DOUBT = ":warning:"
_LINK = re.compile(r"<https?://[^|>]*")


def message_id(alert: Alert, message: Message, *, updated: bool = False) -> str:
    """Letters, digits, `_` and `-`: one id per alert, per digest, and per state that an update tells."""
    if updated:
        return f"{plain_name(alert.id)}-u{_state(alert, message)}"
    if (count := digest_count(message)) > 1:
        return f"{plain_name(str(_payload(message).get('id') or alert.id))}-d{count}"
    return plain_name(alert.id)


def plain_name(name: str) -> str:
    """`name` with nothing in it that means anything in a header or in a signed text."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def digest_count(message: Message) -> int:
    """How many alerts the message is about."""
    return int(_payload(message).get("count") or 1)


def _state(alert: Alert, message: Message) -> str:
    shown = [
        _LINK.sub("", text) for text in _texts(message.get("blocks") or ()) if not text.startswith(_DOUBT)
    ]
    said = encode_alert(alert) + msgspec.json.encode([_payload(message), shown], order="deterministic")
    return hashlib.sha256(said).hexdigest()[:16]


def _texts(value: Any) -> Iterator[str]:
    """Every text that is shown, in order."""
    if isinstance(value, Mapping):
        if isinstance(value.get("text"), str):
            yield value["text"]
        value = [inner for inner in value.values() if isinstance(inner, Mapping | list | tuple)]
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _payload(message: Message) -> dict[str, Any]:
    return dict(message.get("metadata", {}).get("event_payload", {}))
