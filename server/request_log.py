"""A log line for each request that failed or was slow, with its id."""

from __future__ import annotations

import secrets
import time

import structlog
from aiohttp import web

from server.errors import Handler

log = structlog.get_logger()


@web.middleware
async def request_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each request an id, and log those that failed or were slow."""
    request_id = secrets.token_hex(8)
    structlog.contextvars.bind_contextvars(request=request_id)
    begun = time.perf_counter()
    response = await handler(request)
    took = time.perf_counter() - begun
    if response.status >= 500 or (took > 1 and response.content_type != "text/event-stream"):
        log.warning("request", path=request.path, status=response.status, ms=round(took * 1000))
    if not response.prepared:
        response.headers["X-Request-Id"] = request_id
    return response
