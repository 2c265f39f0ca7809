"""An alert as it is kept: the record, how far its delivery has come, and how people are shown both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from alerts.model import Alert, decode_alert
from alerts.times import LAST_MS

#: A message that got no answer is sent once more, marked. After that a person decides.
MAX_UNANSWERED = 2
TOLD = frozenset({"sent", "updated"})


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The hash of one alert. `outcome` is `sent`, `updated`, `failed` or `suppressed` once the alert is
    settled, "" before. `reason` says why it is held or was suppressed, `held_until` when it is told.

    `unanswered` counts attempts nobody knows the end of; `doubt` says that an attempt ended with a server's
    error after which the message may still have been posted. Times are epoch milliseconds.
    """

    alert: Alert
    state: str = "pending"
    outcome: str = ""
    reason: str = ""
    held_until: int | None = None
    attempts: int = 0
    unanswered: int = 0
    doubt: bool = False
    attempted_at: int | None = None
    settled_at: int | None = None
    channel: str = ""
    ts: str = ""
    error: str = ""

    @property
    def duplicate(self) -> bool:
        """Whether sending now could make a second copy."""
        return self.doubt or self.unanswered > 0

    @property
    def exhausted(self) -> bool:
        """Whether sending now could make a third copy."""
        return self.unanswered >= MAX_UNANSWERED


def parse(fields: Mapping[Any, Any]) -> Stored | None:
    """The record in a Redis hash, bytes or str; None where there is none (any more) that can be read."""
    kept = {_text(name): value for name, value in fields.items()}
    if "record" not in kept:
        return None
    try:
        alert = decode_alert(kept["record"])
    except msgspec.MsgspecError:
        return None
    said = {name: _text(value) for name, value in kept.items() if name != "record"}
    return Stored(
        alert=alert,
        state=said.get("state", "pending"),
        outcome=said.get("outcome", ""),
        reason=said.get("reason", ""),
        held_until=_int(said.get("held_until")),
        attempts=int(said.get("attempts") or 0),
        # An attempt that is still open has no known end either: its process is gone, or no answer came.
        unanswered=int(said.get("unanswered") or 0) + (said.get("open") == "1"),
        doubt=said.get("doubt") == "1",
        attempted_at=_int(said.get("attempted_at")),
        settled_at=_int(said.get("settled_at")),
        channel=said.get("channel", ""),
        ts=said.get("ts", ""),
        error=said.get("error", ""),
    )


def view(stored: Stored) -> dict[str, Any]:
    """The alert as the admin API shows it. `why` is why people are told, or why they are not (yet)."""
    alert, state = stored.alert, stored.outcome or stored.state
    return {
        "id": alert.id,
        "rule": alert.rule,
        "visitor": alert.visitor,
        "state": state,
        "why": stored.reason if state in {"held", "suppressed"} else alert.why,
        "happened": alert.why,
        "at": iso(alert.at),
        "sent_at": iso(stored.settled_at) if stored.outcome in TOLD else None,
        "held_until": iso(stored.held_until) if state == "held" else None,
        "episode": alert.episode or None,
        "first": alert.first,
        "channel": alert.channel,
        "attempts": stored.attempts,
        "error": stored.error or None,
    }


def iso(ms: int | None) -> str | None:
    """Epoch milliseconds as `2025-11-22T03:04:05.678Z`."""
    if ms is None:
        return None
    at = datetime.fromtimestamp(min(max(ms, 0), LAST_MS) / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _int(value: str | None) -> int | None:
    return int(value) if value else None
