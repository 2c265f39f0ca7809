"""Sending to a URL that a user typed: the address is checked at the moment a socket connects to it.

Checking the URL or what a resolver answers is not enough: a name can resolve to a public address when it is
checked and to a private one when it is used (DNS rebinding). Here no socket exists before its address has passed.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from alerts.sinks.base import Refused, RetryLater
from alerts.sinks.http import TIMEOUT_S
from core.addresses import NOTHING, Allowed, check_url, refusal

#: What `TCPConnector` gives a socket factory: family, kind, protocol, canonical name, socket address.
AddressInfo = tuple[
    int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[int | str | bytes, ...]
]


class AddressRefused(OSError):
    """No connection may go to this address."""

    def __init__(self, kind: str) -> None:
        super().__init__(errno.EACCES, f"it leads to {kind}")
        self.kind = kind


class GuardedSession:
    """An aiohttp session for one URL, made when first used. It connects to no address that is refused.

    Each request makes a connection of its own. Redirects must be off in each request, environment proxies and
    cookies are off here. `resolver` looks names up (None: the system's).
    """

    def __init__(
        self,
        *,
        url: str,
        allowed: Allowed = NOTHING,
        resolver: AbstractResolver | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._url, self._allowed, self._resolver = url, allowed, resolver
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=timeout_s / 2)
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> aiohttp.ClientSession:
        """The session, made anew where it was closed. Raises Refused for a URL that may not be saved either."""
        if problem := check_url(self._url, allowed=self._allowed):
            raise Refused(f"the receiver's URL {problem}")
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                connector=self._connector(),
                headers={"User-Agent": "Kizashi"},
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,  # a proxy of the environment would connect in our stead, unchecked
            )
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _connector(self) -> aiohttp.TCPConnector:
        try:
            target = URL(self._url)
        except ValueError:  # what the two parsers disagree on is nothing to connect to
            raise Refused("the receiver's URL is not a URL") from None
        trusted = self._allowed.host(target.raw_host or "", target.port or 0)
        return aiohttp.TCPConnector(
            socket_factory=_unchecked if trusted else self._checked,
            resolver=self._resolver,
            use_dns_cache=False,
            force_close=True,
        )

    def _checked(self, info: AddressInfo) -> socket.socket:
        address, port = info[4][0], info[4][1]
        if kind := refusal(str(address), port=int(port), allowed=self._allowed):
            raise AddressRefused(kind)
        return _unchecked(info)


def _unchecked(info: AddressInfo) -> socket.socket:
    family, kind, proto, _, _ = info
    return socket.socket(family, kind, proto)


@contextmanager
def guarded_failures() -> Iterator[None]:
    """Turn a refused address into Refused and every other failure into RetryLater.

    `posted` is "no" even where no answer came: a receiver knows a second copy by its id. A reason names the error
    only: addresses can hold secrets.
    """
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        if isinstance(cause, AddressRefused):
            raise Refused(f"the receiver's URL leads to {cause.kind}") from error
        raise RetryLater(None, f"no answer ({type(error).__name__})") from error


async def check_url_now(
    url: str, *, allowed: Allowed = NOTHING, resolver: AbstractResolver | None = None
) -> str | None:
    """As `check_url`, and the host is looked up: what is wrong with any address it has now, in words.

    For saving and testing a receiver. It replaces no check at connect: the answer may be another by then.
    """
    if problem := check_url(url, allowed=allowed):
        return problem
    try:
        target = URL(url)
    except ValueError:
        return "is not a URL"
    host, port = target.raw_host or "", target.port or 0
    if allowed.host(host, port):
        return None
    lookup = resolver or aiohttp.ThreadedResolver()
    try:
        found = await lookup.resolve(host, port, family=socket.AF_UNSPEC)
    except OSError:
        return "names a host that cannot be found"
    kinds = [refusal(one["host"], port=port, allowed=allowed) for one in found]
    return next((f"leads to {kind}" for kind in kinds if kind), None)
