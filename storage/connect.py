"""Connections to the store."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_TIMEOUT_S = 5.0
HEALTH_CHECK_EVERY_S = 30


def connect(url: str, *, decode: bool = False, socket_timeout: float | None = None) -> Redis:
    """A client for `redis://`, `rediss://` or `unix://`; it connects when first used.

    Replies are bytes, or str with `decode`, in protocol 2's shapes. `socket_timeout` is the longest wait
    for a reply in seconds; None, as blocking reads need, waits for ever.
    No command is ever sent twice on its own: the client's usual retries could store an event twice.
    """
    return Redis.from_url(
        url,
        decode_responses=decode,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=socket_timeout,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        health_check_interval=HEALTH_CHECK_EVERY_S,
    )
