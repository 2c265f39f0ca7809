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
    thread: str = ""


class MemorySink:
    """Takes messages into `delivered`, replies among them, and the latest state of each into `shown` by its
    `ts`. Each exception in `failures` is raised once, by one send or update, in order.
    """

    def __init__(self, *, pace_s: float = 0.0) -> None:
        self.pace_s = pace_s
        self.delivered: list[Delivered] = []
        self.shown: dict[str, Message] = {}
        self.updates = 0
        self.failures: deque[Exception] = deque()
        self.probes = 0

    def channel(self, alert: Alert) -> str:
        """The alert's own."""
        return alert.channel

    async def send(self, alert: Alert, message: Message, *, attempt: int) -> Sent:
        """Keep the message, or raise the next failure."""
        return self._keep(Delivered(alert=alert, message=message, attempt=attempt))

    async def update(self, sent: Sent, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """Show `message` in place of the earlier one, or raise the next failure."""
        if self.failures:
            raise self.failures.popleft()
        self.shown[sent.ts] = message
        self.updates += 1
        return sent

    async def reply(self, sent: Sent, alert: Alert, message: Message, *, attempt: int) -> Sent:
        """Keep the reply, or raise the next failure."""
        return self._keep(Delivered(alert=alert, message=message, attempt=attempt, thread=sent.ts))

    def _keep(self, one: Delivered) -> Sent:
        if self.failures:
            raise self.failures.popleft()
        self.delivered.append(one)
        ts = str(len(self.delivered))
        self.shown[ts] = one.message
        return Sent(channel=one.alert.channel, ts=ts)

    async def probe(self) -> None:
        """Always alive; counted."""
        self.probes += 1

    async def close(self) -> None:
        """Nothing is open."""
