"""The admin API: read-only views, opened by the bearer token."""

from __future__ import annotations

import hmac
from typing import Any

import orjson
from aiohttp import web

from server import reports, state
from server.claims import add_claims
from server.decide import wire
from server.errors import ApiError, Handler, json_response
from server.people import add_people
from server.views import audience_views, visitor_view
from server.whole import Whole, decided, whole
from sites.registry import revisions
from storage import keys

MAX_ALERTS = 500


@web.middleware
async def bearer_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """401 for everything below /v1/admin/ without the admin token."""
    if request.path.startswith("/v1/admin/"):
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        wanted = request.app[state.SETTINGS].admin_token or ""
        if scheme.lower() != "bearer" or not wanted or not hmac.compare_digest(token.strip(), wanted):
            raise ApiError(401, "unauthorized", "the admin API needs the bearer token", field="authorization")
    return await handler(request)


async def visitor_data(app: web.Application, site_id: str, visitor: str) -> dict[str, Any]:
    """One visitor's view, its score as of now. Raises NotFound."""
    return await _view(app, await whole(app, site_id, visitor))


async def _view(app: web.Application, seen: Whole) -> dict[str, Any]:
    file = await app[state.FILES].get(seen.site)
    return visitor_view(seen) | {
        "audience_reasons": audience_views(seen, file),
        "decisions": wire(decided(seen, seen.now)),
    }


async def visitor(request: web.Request) -> web.Response:
    """`GET /v1/admin/sites/{site}/visitors/{visitor}`."""
    path = request.match_info
    return json_response(await visitor_data(request.app, path["site"], path["visitor"]))


async def alerts(request: web.Request) -> web.Response:
    """`GET /v1/admin/sites/{site}/alerts`, newest first."""
    limit = request.query.get("limit", "100")
    if not limit.isdecimal() or not 1 <= int(limit) <= MAX_ALERTS:
        raise ApiError(400, "bad_value", f"must be a whole number from 1 to {MAX_ALERTS}", field="limit")
    return json_response(await request.app[state.OUTBOX].recent(request.match_info["site"], int(limit)))


async def sites(request: web.Request) -> web.Response:
    """`GET /v1/admin/sites`: what is published."""
    found = request.app[state.REGISTRY].sites.values()
    return json_response([{"id": s.id, "name": s.name, "revision": s.revision} for s in found])


async def site_revisions(request: web.Request) -> web.Response:
    """`GET /v1/admin/sites/{site}/revisions`, newest first."""
    found = await revisions(request.app[state.REDIS], request.match_info["site"])
    return json_response(
        [{"site": r.site, "revision": r.number, "published_at": r.published_at} for r in found]
    )


async def dead_letters(request: web.Request) -> web.Response:
    """`GET /v1/admin/dlq`: events whose processing failed three times, with the reason."""
    letters = await request.app[state.REDIS].hvals(keys.DEAD_LETTERS)
    return json_response([orjson.loads(letter) for letter in letters])


def add_admin(app: web.Application) -> None:
    """Register the routes."""
    app.router.add_get("/v1/admin/sites", sites)
    app.router.add_get("/v1/admin/sites/{site}/revisions", site_revisions)
    app.router.add_get("/v1/admin/sites/{site}/visitors/{visitor}", visitor)
    app.router.add_get("/v1/admin/sites/{site}/alerts", alerts)
    app.router.add_get("/v1/admin/dlq", dead_letters)
    app.router.add_get("/v1/admin/sites/{site}/report/experiences", reports.experiences)
    app.router.add_get("/v1/admin/sites/{site}/report/alerts", reports.alerts)
    add_claims(app)
    add_people(app)
