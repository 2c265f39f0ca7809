"""CORS preflights: a page that sends JSON, not the snippet's text/plain, is asked about first."""

from __future__ import annotations

from aiohttp import web

from server import state
from server.errors import ApiError
from server.origins import is_listed


async def preflight(request: web.Request) -> web.Response:
    """Allow an origin that some published site lists."""
    origin = request.headers.get("Origin", "")
    if not is_listed(origin, list(request.app[state.REGISTRY].sites.values())):
        raise ApiError(403, "foreign_origin", "no published site lists this origin", field="origin")
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "authorization, content-type, x-retry-count",
            "Access-Control-Max-Age": "600",
            "Vary": "Origin",
        },
    )
