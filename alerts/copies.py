"""Alerts made from an alert: a reminder where nobody has claimed it, and copies for other places. Pure."""

from __future__ import annotations

from hashlib import blake2b

from msgspec.structs import replace

from alerts.model import Alert
from alerts.sinks.base import Sink, takes_digests


def reminder(alert: Alert) -> Alert | None:
    """The alert told again, to whom its rule names; None where the rule has no escalation."""
    wait = alert.escalate
    if wait is None:
        return None
    return replace(
        alert,
        id=_id(alert, "reminder"),
        channel=wait.channel or alert.channel,
        owner=wait.mention or alert.owner,
        first=False,
        reminder=True,
        quiet=(),
    )


def copy_for(alert: Alert, name: str, sink: Sink) -> Alert:
    """The alert for another place. A program is told at any hour."""
    return replace(
        alert,
        id=_id(alert, f"sink:{name}"),
        channel=sink.channel(alert),
        sink=name,
        escalate=None,
        quiet=alert.quiet if takes_digests(sink) else (),
    )


def _id(alert: Alert, what: str) -> str:
    return blake2b(f"{alert.id}\x00{what}".encode(), digest_size=10).hexdigest()
