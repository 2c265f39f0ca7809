"""Slack's incoming webhook: basic mode. One channel, fixed in Slack; no thread, no update, no buttons."""

from __future__ import annotations

from slack_sdk.webhook.async_client import AsyncWebhookClient

from alerts.model import Alert
from alerts.sinks.base import Message, Refused, Sent
from alerts.sinks.http import TIMEOUT_S, Session, failures_named, rejected


class WebhookSink:
    """Posts to the webhook's address, whatever channel a rule names."""

    pace_s = 1.0

    def __init__(self, *, url: str, timeout_s: float = TIMEOUT_S) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._session = Session(timeout_s=timeout_s)

    def channel(self, alert: Alert) -> str:  # noqa: ARG002
        """The webhook has one, so all alerts share its rate."""
        return "webhook"

    async def send(self, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """Post to the webhook. Raises RetryLater, Refused."""
        with failures_named():
            response = await self._client().send_dict(dict(message))
        if later := rejected(response.status_code, response.headers):
            raise later
        if response.status_code != 200:
            raise Refused(f"HTTP {response.status_code}: {response.body[:80]}")
        return Sent()

    async def probe(self) -> None:
        """GET the address: Slack refuses that, which is a sign of life. Raises RetryLater."""
        await self._session.alive(self._url)

    async def close(self) -> None:
        """Close connections."""
        await self._session.close()

    def _client(self) -> AsyncWebhookClient:
        return AsyncWebhookClient(
            self._url,
            timeout=int(self._timeout_s) or 1,
            session=self._session.open(),
            retry_handlers=[],
        )
