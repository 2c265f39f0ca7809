"""No Slack yet: alerts stay in Redis, where the local outbox page shows them."""

from __future__ import annotations

from alerts.model import Alert
from alerts.sinks.base import Message, Sent


class LocalSink:
    """Every send succeeds at once: the record is in Redis already."""

    pace_s = 0.0

    def channel(self, alert: Alert) -> str:
        """The alert's own."""
        return alert.channel

    async def send(self, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """Nothing to do."""
        return Sent(channel=alert.channel)

    async def update(self, sent: Sent, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """Nothing to do: the page draws each message as it is now."""
        return sent

    async def reply(self, sent: Sent, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """Nothing to do."""
        return sent

    async def probe(self) -> None:
        """Always alive."""

    async def close(self) -> None:
        """Nothing is open."""
