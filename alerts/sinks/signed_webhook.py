"""A signed outgoing webhook: alerts as JSON for other programs (standardwebhooks.com, specification 1.0.0)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec
import structlog
from aiohttp.abc import AbstractResolver

from alerts.links import VisitorUrl
from alerts.model import Alert
from alerts.records import iso
from alerts.sinks.base import Message, Refused, RetryLater, Sent
from alerts.sinks.guard import GuardedSession, guarded_failures
from alerts.sinks.http import TIMEOUT_S, retry_after
from alerts.sinks.marks import digest_count, message_id
from alerts.sinks.signature import signed_headers
from core.addresses import NOTHING, Allowed

log = structlog.get_logger(__name__)
CHANNEL = "signed-webhook"
_GONE = "HTTP 410: the receiver wants no more messages"
#: The alert's fields that receivers may rely on, as docs/sinks.md explains them. `url` comes with them.
PUBLISHED = (
    *("id", "site", "site_name", "rule", "visitor", "channel", "at", "event", "cause", "why", "instruction"),
    *("audience", "traits", "company", "score", "intent", "parts", "topics", "pages", "visits", "props"),
    *("enquiry", "session_count", "page_count", "engaged_ms", "source", "locale", "timezone"),
    *("episode", "first", "urgent", "owner", "reminder", "test"),
)
_AGAIN = frozenset({408, 425, 429})
_DAY_S = 86_399.0


class SignedWebhookSink:
    """POSTs each alert to one URL, signed with every key (two while one is being replaced).

    A retry has the same `webhook-id`, so a receiver knows a copy. One that answers 410 gets nothing more from
    this process. `visitor_url` adds the link to the visitor; `clock` is epoch milliseconds.
    """

    pace_s = 0.0
    #: A program cannot read a digest: an alert that has no body of its own is lost to it.
    digests = False

    def __init__(
        self,
        *,
        url: str,
        keys: Sequence[bytes],
        clock: Callable[[], int],
        visitor_url: VisitorUrl | None = None,
        allowed: Allowed = NOTHING,
        resolver: AbstractResolver | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._url, self._keys, self._clock, self._visitor_url = url, tuple(keys), clock, visitor_url
        self._session = GuardedSession(url=url, allowed=allowed, resolver=resolver, timeout_s=timeout_s)
        self._gone = False

    def channel(self, alert: Alert) -> str:  # noqa: ARG002
        """One receiver, one queue."""
        return CHANNEL

    async def send(self, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """POST `alert.created`, for a later alert of an episode `alert.updated`, for a message about several
        `alert.digest`. Raises RetryLater, Refused.
        """
        kind, data = "alert.created" if alert.first else "alert.updated", self._data(alert)
        if (count := digest_count(message)) > 1:
            kind, data = "alert.digest", {"count": count, "text": message.get("text", ""), "alert": data}
        return await self._post(message_id(alert, message), kind, alert, data)

    async def update(self, sent: Sent, alert: Alert, message: Message, *, attempt: int) -> Sent:  # noqa: ARG002
        """POST `alert.updated` with the alert as it is now. Raises RetryLater, Refused."""
        await self._post(message_id(alert, message, updated=True), "alert.updated", alert, self._data(alert))
        return sent

    async def probe(self) -> None:
        """GET the URL: any answer but a server's error is a sign of life. Raises RetryLater, Refused."""
        with guarded_failures():
            async with self._session.open().get(self._url, allow_redirects=False) as response:
                if response.status >= 500 or response.status == 429:
                    raise self._later(response)

    async def close(self) -> None:
        """Close connections."""
        await self._session.close()

    def _data(self, alert: Alert) -> dict[str, Any]:
        url = self._visitor_url(alert.site, alert.visitor) if self._visitor_url else None
        return {**plain_data(alert), "url": url}

    async def _post(self, name: str, kind: str, alert: Alert, data: Mapping[str, Any]) -> Sent:
        if self._gone:
            raise Refused(_GONE)
        body = msgspec.json.encode({"type": kind, "timestamp": iso(alert.at), "data": data})
        headers = {
            "Content-Type": "application/json",
            **signed_headers(name, self._clock() // 1000, body, self._keys),
        }
        with guarded_failures():
            session = self._session.open()
            async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                self._judge(response)
        return Sent(channel=CHANNEL, ts=name)

    def _judge(self, response: aiohttp.ClientResponse) -> None:
        """The status alone: what the receiver writes beside it is nobody's to read."""
        status = response.status
        if 200 <= status < 300:
            return
        if status >= 500 or status in _AGAIN:
            raise self._later(response)
        if status == 410:
            self._gone = True
            log.error("webhook receiver gone: it gets nothing more until a restart")
            raise Refused(_GONE)
        if 300 <= status < 400:
            raise Refused(f"HTTP {status}: redirects are not followed, set the final URL")
        raise Refused(f"HTTP {status}")

    def _later(self, response: aiohttp.ClientResponse) -> RetryLater:
        after = retry_after(response.headers)
        return RetryLater(
            _until(response.headers, self._clock()) if after is None else after,
            "rate limited" if response.status == 429 else f"HTTP {response.status}",
        )


def plain_data(alert: Alert) -> dict[str, Any]:
    """The published fields as JSON data, defaults too: a receiver can rely on each being there."""
    return {field: _plain(getattr(alert, field)) for field in PUBLISHED}


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {field: _plain(getattr(value, field)) for field in value.__struct_fields__}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _until(headers: Mapping[str, str], now: int) -> float | None:
    """The seconds until a Retry-After that is a date; None without one."""
    try:
        at = parsedate_to_datetime(headers.get("Retry-After", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, at - now / 1000), _DAY_S)
