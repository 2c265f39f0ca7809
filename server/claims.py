"""`POST /v1/admin/sites/{site}/alerts/{alert}/release`: take an alert from whoever has claimed it."""

from __future__ import annotations

from aiohttp import web

from alerts.clicks import Clicks
from alerts.outbox import Outbox
from core.errors import NotFound
from server import state
from server.errors import json_response


async def release(request: web.Request) -> web.Response:
    """`{"id", "released", "owner"}`: whether this released it (false: nobody had it), and who has it now (null, or
    whoever has claimed it since). 404 for an alert that this site does not have (any more).
    """
    app, path = request.app, request.match_info
    redis, alert_id = app[state.REDIS], path["alert"]
    outbox = Outbox(redis)
    stored = (await outbox.load([alert_id]))[0]
    if stored is None or stored.alert.site != path["site"]:
        raise NotFound(f"site {path['site']!r} has no alert {alert_id!r}")
    released = await Clicks(redis).release(alert_id, by="", at=app[state.CLOCK]())
    (standing,) = await outbox.standings([stored.alert])
    return json_response({"id": alert_id, "released": bool(released), "owner": standing.owner or None})


def add_claims(app: web.Application) -> None:
    """Register the route. It is below /v1/admin/: only the bearer token opens it."""
    app.router.add_post("/v1/admin/sites/{site}/alerts/{alert}/release", release)
