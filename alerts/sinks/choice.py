"""Which sink the settings ask for."""

from __future__ import annotations

from alerts.sinks.base import Sink
from alerts.sinks.local import LocalSink
from alerts.sinks.slack import SLACK_API_URL, SlackSink
from alerts.sinks.webhook import WebhookSink


def choose_sink(*, bot_token: str | None, webhook_url: str | None, api_url: str | None = None) -> Sink:
    """Slack by bot token, else by webhook, else the local outbox. `api_url` replaces Slack's own base URL."""
    if bot_token:
        return SlackSink(token=bot_token, api_url=api_url or SLACK_API_URL)
    if webhook_url:
        return WebhookSink(url=webhook_url)
    return LocalSink()
