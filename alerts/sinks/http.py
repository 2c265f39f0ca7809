"""What the two Slack sinks share: one HTTP session, and what its failures mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp

from alerts.sinks.base import RetryLater

TIMEOUT_S = 10.0
#: An idle connection that the server may have closed already would make a send fail with its outcome unknown.
_KEEP_ALIVE_S = 10.0


class Session:
    """An aiohttp session made when first used: a sink is built before there is an event loop."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=timeout_s / 2)
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> aiohttp.ClientSession:
        """The session, made anew where it was closed."""
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_S)
            self._session = aiohttp.ClientSession(timeout=self._timeout, connector=connector)
        return self._session

    async def alive(self, url: str) -> None:
        """GET `url`: any answer but a server error will do. Raises RetryLater."""
        with failures_named():
            async with self.open().get(url) as response:
                if response.status == 429 or response.status >= 500:
                    raise RetryLater(retry_after(response.headers), f"HTTP {response.status}")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


@contextmanager
def failures_named() -> Iterator[None]:
    """Turn connection errors into RetryLater. The reason names the error only: addresses can hold secrets."""
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise RetryLater(None, f"cannot connect ({type(error).__name__})") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise RetryLater(None, f"no answer ({type(error).__name__})", posted="unknown") from error


def rejected(status: int, headers: Mapping[str, str]) -> RetryLater | None:
    """What an HTTP status asks for, None where it is not the status that tells."""
    if status == 429:
        return RetryLater(retry_after(headers), "rate limited")
    if status == 503:
        return RetryLater(retry_after(headers), "HTTP 503")
    if status >= 500:
        return RetryLater(retry_after(headers), f"HTTP {status}", posted="hardly")
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After header; None without one or with a date in it."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None
