"""Server-Sent Events for our own pages: look, and send what has changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

Look = Callable[[], Awaitable[Mapping[str, Any]]]

log = logging.getLogger(__name__)

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "private, no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
RETRY_MS = 600


async def stream(
    request: web.Request,
    *,
    look: Look,
    stopping: asyncio.Event,
    poll_s: float,
    heartbeat_s: float,
    lifetime_s: float | None = None,
) -> web.StreamResponse:
    """Send each named value of `look` as JSON when it differs from what was last sent, until the browser
    leaves, `stopping` is set or `lifetime_s` has passed. A look that fails ends the stream: the browser comes
    back by itself.
    """
    response = web.StreamResponse(headers=HEADERS)
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        await response.write(f"retry: {RETRY_MS}\n\n".encode())
        await _send_changes(response, request, look, stopping, (poll_s, heartbeat_s, lifetime_s))
        await response.write_eof()
    except ConnectionResetError:
        log.debug("the browser left the event stream")
    except Exception as error:
        log.warning("an event stream ended: %s", type(error).__name__)
    return response


async def _send_changes(
    response: web.StreamResponse,
    request: web.Request,
    look: Look,
    stopping: asyncio.Event,
    pace: tuple[float, float, float | None],
) -> None:
    poll_s, heartbeat_s, lifetime_s = pace
    clock = asyncio.get_running_loop().time
    began = spoke = clock()
    sent: dict[str, bytes] = {}
    while not _gone(request):
        frames = changes(sent, await look())
        if not frames and clock() - spoke >= heartbeat_s:
            frames = b": still here\n\n"
        if frames:
            await response.write(frames)
            spoke = clock()
        if lifetime_s is not None and clock() - began >= lifetime_s:
            return
        if await _set_within(stopping, poll_s):
            return


def changes(sent: dict[str, bytes], values: Mapping[str, Any]) -> bytes:
    """The frames for what is new or different; `sent` is brought up to date."""
    frames = b""
    for name, value in values.items():
        data = msgspec.json.encode(value)
        if sent.get(name) != data:
            sent[name] = data
            frames += b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
    return frames


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
