"""A sink for tests: keeps what it was sent, and fails as told."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from alerts.model import Alert
from alerts.sinks.base import Message, Sent


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """One message that was taken."""

    alert: Alert
    message: Message
    attempt: int


class MemorySink:
    """Takes messages into `delivered`. Each exception in `failures` is raised once, by one send, in order."""

    def __init__(self, *, pace_s: float = 0.0) -> None:
        self.pace_s = pace_s
        self.delivered: list[Delivered] = []
        self.failures: deque[Exception] = deque()
        self.probes = 0

    def channel(self, alert: Alert) -> str:
        """The alert's own."""
        return alert.channel

    async def send(self, alert: Alert, message: Message, *, attempt: int) -> Sent:
        """Keep the message, or raise the next failure."""
        if self.failures:
            raise self.failures.popleft()
        self.delivered.append(Delivered(alert=alert, message=message, attempt=attempt))
        return Sent(channel=alert.channel, ts=str(len(self.delivered)))

    async def probe(self) -> None:
        """Always alive; counted."""
        self.probes += 1

    async def close(self) -> None:
        """Nothing is open."""
