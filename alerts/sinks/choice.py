"""Which sinks the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alerts.links import VisitorUrl
from alerts.sinks.base import Sink
from alerts.sinks.email import EmailSink
from alerts.sinks.local import LocalSink
from alerts.sinks.mail_server import parse_mail_url
from alerts.sinks.signature import parse_secrets
from alerts.sinks.signed_webhook import SignedWebhookSink
from alerts.sinks.slack import SLACK_API_URL, SlackSink
from alerts.sinks.webhook import WebhookSink
from core.addresses import parse_allowed


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class SinkSettings:
    """What the settings of the same names say of where alerts go. None: not there. Secrets: no repr shows them.

    `slack_buttons` says that Slack's clicks find their way back.
    """

    slack_bot_token: str | None
    slack_webhook_url: str | None
    slack_api_url: str | None
    slack_buttons: bool = False
    webhook_url: str | None = None
    webhook_secret: str | None = None
    smtp_url: str | None = None
    outgoing_allow: str | None = None


def choose_sink(
    *, bot_token: str | None, webhook_url: str | None, api_url: str | None = None, buttons: bool = False
) -> Sink:
    """Slack by bot token, else by webhook, else the local outbox. `api_url` replaces Slack's own base URL;
    `buttons` says that clicks find their way back.
    """
    if bot_token:
        return SlackSink(token=bot_token, api_url=api_url or SLACK_API_URL, buttons=buttons)
    if webhook_url:
        return WebhookSink(url=webhook_url)
    return LocalSink()


def also_sinks(
    *,
    webhook_url: str | None,
    webhook_secret: str | None,
    smtp_url: str | None,
    outgoing_allow: str | None,
    visitor_url: VisitorUrl,
    clock: Callable[[], int],
) -> dict[str, Sink]:
    """The sinks beside the one of `choose_sink`, by name: `webhook` and `email`, where the settings name them.

    `clock` is epoch milliseconds. Raises ValueError for a secret, URL or list that cannot be read.
    """
    sinks: dict[str, Sink] = {}
    if webhook_url and webhook_secret:
        sinks["webhook"] = SignedWebhookSink(
            url=webhook_url,
            keys=parse_secrets(webhook_secret),
            clock=clock,
            visitor_url=visitor_url,
            allowed=parse_allowed(outgoing_allow or ""),
        )
    if smtp_url:
        sinks["email"] = EmailSink(parse_mail_url(smtp_url), clock=clock)
    return sinks
