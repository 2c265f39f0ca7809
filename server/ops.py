"""Alive, ready, metrics."""

from __future__ import annotations

import asyncio

from aiohttp import web
from redis.exceptions import RedisError

from server import state
from server.drain import DRAIN
from server.errors import json_response
from server.outage import SPOOL

READY_S = 2.0


async def healthz(_request: web.Request) -> web.Response:
    """The process answers."""
    return json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """It can do its job: the store answers, no event waits on disk, sites are loaded, it is not stopping."""
    problems = request.app[SPOOL].problems()
    if request.app[DRAIN].begun:
        problems.append("this process is stopping")
    try:
        async with asyncio.timeout(READY_S):
            await request.app[state.REDIS].ping()
    except (TimeoutError, RedisError, OSError):
        problems.append("the store cannot be reached")
    if not request.app[state.REGISTRY].loaded:
        problems.append("the published sites are not loaded yet")
    if problems:
        return json_response({"status": "unavailable", "problems": problems}, status=503)
    return json_response({"status": "ready"})


async def metrics(request: web.Request) -> web.Response:
    """Prometheus' exposition format."""
    return web.Response(body=request.app[state.METRICS].render(), content_type="text/plain", charset="utf-8")


def add_ops(app: web.Application) -> None:
    """Register the routes."""
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
