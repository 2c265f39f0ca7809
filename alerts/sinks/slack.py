"""Slack by bot token: `chat.postMessage` and `chat.update` (docs.slack.dev/reference/methods)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from alerts.model import Alert
from alerts.sinks.base import Gone, Message, Refused, RetryLater, Sent
from alerts.sinks.http import TIMEOUT_S, Session, failures_named, rejected, retry_after

SLACK_API_URL = "https://slack.com/api/"
_LIMITED = frozenset({"ratelimited", "rate_limited"})
#: errors of Slack's own; of `fatal_error` and `internal_error` it says that part of the work may be done
_TRANSIENT = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})


#: Slack's words for a message that cannot be changed (any more).
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})


class SlackSink:
    """Posts with the official client. Its own retries are off: the dispatcher's outlive a restart.

    `buttons`: clicks find their way back to us, so messages have some.
    """

    pace_s = 1.0

    def __init__(
        self, *, token: str, api_url: str = SLACK_API_URL, timeout_s: float = TIMEOUT_S, buttons: bool = True
    ) -> None:
        self.buttons = buttons
        self._token, self._timeout_s = token, timeout_s
        self._api_url = api_url if api_url.endswith("/") else f"{api_url}/"
        self._session = Session(timeout_s=timeout_s)

    def channel(self, alert: Alert) -> str:
        """The alert's own: Slack limits each channel by itself."""
        return alert.channel

    async def send(self, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """Post to the alert's channel. Raises RetryLater, Refused."""
        return await self._sent(self._client().chat_postMessage(channel=alert.channel, **message))

    async def update(self, sent: Sent, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """`chat.update`. Raises Gone, RetryLater, Refused."""
        kept = {name: value for name, value in message.items() if not name.startswith("unfurl_")}
        return await self._sent(self._client().chat_update(channel=sent.channel, ts=sent.ts, **kept))

    async def reply(self, sent: Sent, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """Post in the thread. Raises RetryLater, Refused."""
        client = self._client()
        return await self._sent(client.chat_postMessage(channel=sent.channel, thread_ts=sent.ts, **message))

    async def _sent(self, calling: Awaitable[Any]) -> Sent:
        with failures_named():
            try:
                response = await calling
            except SlackApiError as error:
                raise _meaning(error.response) from error
            except (AttributeError, ValueError) as error:  # the client takes any 200 for JSON
                raise RetryLater(None, "an answer that is not Slack's", posted="unknown") from error
        return Sent(channel=str(response.get("channel") or ""), ts=str(response.get("ts") or ""))

    async def probe(self) -> None:
        """`api.test`, which needs no permission. Raises RetryLater."""
        await self._session.alive(f"{self._api_url}api.test")

    async def close(self) -> None:
        """Close connections."""
        await self._session.close()

    def _client(self) -> AsyncWebClient:
        return AsyncWebClient(
            token=self._token,
            base_url=self._api_url,
            timeout=int(self._timeout_s) or 1,
            session=self._session.open(),
            retry_handlers=[],
        )


def _meaning(response: Any) -> RetryLater | Refused:
    # The client gives its own response, or aiohttp's where the body was not JSON.
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
    if later := rejected(status, response.headers):
        return later
    data = getattr(response, "data", None)
    if not isinstance(data, dict) or (status == 200 and "error" not in data):
        return RetryLater(None, f"an answer that is not Slack's (HTTP {status})", posted="unknown")
    code = str(data.get("error") or f"HTTP {status}")
    if code in _LIMITED:
        return RetryLater(retry_after(response.headers), "rate limited")
    if code in _TRANSIENT:
        return RetryLater(None, code, posted="hardly")
    return Gone(code) if code in _GONE else Refused(code)
