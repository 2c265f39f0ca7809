"""Reading request bodies: bounded in size and time, decoded strictly."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TypeVar

import msgspec
from aiohttp import web

from server.errors import ApiError

#: Segment's limits: 500 KB a batch, 32 KB an event.
MAX_BODY = 500 * 1024
MAX_EVENT = 32 * 1024
BODY_S = 10.0
#: Of a body that is too large, so much is read and thrown away before the connection is closed.
MAX_DISCARD = 32 * 1024 * 1024

T = TypeVar("T")


async def read_json(request: web.Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The decoded body. Raises ApiError: 413 too large, 408 too slow, 400 not JSON or of the wrong shape."""
    body = await read_bounded(request)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise ApiError(400, "bad_shape", message, field=path.strip("`.")) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ApiError(400, "bad_json", f"the body is not valid JSON: {error}") from None


async def read_bounded(request: web.Request) -> bytes:
    """The body, decompressed, at most MAX_BODY bytes and BODY_S seconds."""
    if (request.content_length or 0) > MAX_BODY:
        await _discard(request)
        raise ApiError(413, "too_large", f"the body is larger than {MAX_BODY} bytes")
    try:
        if request.content.is_eof():  # it has come with the headers, as nearly every beacon
            return await request.read()
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise ApiError(408, "timeout", f"the body took longer than {BODY_S:g} seconds") from None
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(413, "too_large", f"the body is larger than {MAX_BODY} bytes") from None
    except web.RequestPayloadError:
        raise ApiError(400, "bad_body", "the body cannot be decompressed") from None


async def _discard(request: web.Request) -> None:
    """Read on without keeping anything: a client that is still sending would see a reset, not our answer."""
    discarded = 0
    with contextlib.suppress(TimeoutError, web.RequestPayloadError):
        async with asyncio.timeout(BODY_S):
            async for chunk in request.content.iter_any():
                discarded += len(chunk)
                if discarded > MAX_DISCARD:
                    return
