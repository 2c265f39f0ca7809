"""The web process: everything is made here, once, and handed over by keyword."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop
from aiohttp import web

from alerts.links import Links
from alerts.outbox import Outbox
from core.errors import SettingsError
from server import state
from server.admin import add_admin, bearer_only
from server.assets import add_assets
from server.body import MAX_BODY
from server.collect import beacon
from server.config import Settings
from server.decisions import decisions
from server.demo import add_demo
from server.demo_reader import SiteDemoReader
from server.errors import errors_as_json
from server.metrics import Metrics
from server.ops import add_ops
from server.preflight import preflight
from server.request_log import request_log
from server.tokens import Tokens
from server.visitor_page import add_visitor_page
from sites.registry import Registry
from storage.connect import connect
from storage.logs import configure
from storage.profiles import ProfileReader
from streams.publisher import RedisPublisher

DEMO = Path(__file__).parent.parent / "examples" / "demo"
STORE_S = 5.0
#: Idle connections are closed; aiohttp's own default is over an hour.
KEEPALIVE_S = 30.0
DRAIN_S = 15.0


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def make_app(settings: Settings) -> web.Application:
    """The application with its parts; connections are opened when it starts."""
    app = web.Application(
        middlewares=[request_log, errors_as_json, bearer_only], client_max_size=MAX_BODY + 1
    )
    app[state.SETTINGS] = settings
    app[state.CLOCK] = now_ms
    app[state.METRICS] = Metrics()
    app[state.TOKENS] = Tokens(secret_key=settings.secret_key or "")
    redis = connect(settings.store_url, socket_timeout=STORE_S)
    app[state.REDIS] = redis
    app[state.PROFILES] = ProfileReader(redis=redis)
    app[state.LINKS] = Links(public_url=settings.public_url, secret_key=settings.secret_key or "")
    app[state.OUTBOX] = Outbox(redis, visitor_url=app[state.LINKS])
    app[state.REGISTRY] = Registry(redis)
    app[state.PUBLISHER] = RedisPublisher(redis=redis)
    app.cleanup_ctx.append(_parts)
    _routes(app)
    return app


def _routes(app: web.Application) -> None:
    add_ops(app)
    app.router.add_post("/v1/beacon", beacon)
    app.router.add_post("/v1/decisions", decisions)
    app.router.add_route("OPTIONS", "/v1/{tail:.*}", preflight)
    add_admin(app)
    add_assets(app)
    if DEMO.is_dir():  # it comes with the source, not with the installed package
        add_demo(app, root=DEMO, reader=SiteDemoReader(app))
    add_visitor_page(app)


async def _parts(app: web.Application) -> AsyncIterator[None]:
    await app[state.REGISTRY].start()
    yield
    await app[state.REGISTRY].stop()
    await app[state.PUBLISHER].close()
    await app[state.REDIS].aclose()


async def _serve(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    runner = web.AppRunner(
        make_app(settings), access_log=None, keepalive_timeout=KEEPALIVE_S, shutdown_timeout=DRAIN_S
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, reuse_port=sys.platform != "win32")
        try:
            await site.start()
        except OSError as error:
            raise SettingsError(
                f"PORT: cannot listen on {settings.host}:{settings.port}: {error.strerror}"
            ) from None
        await stopping.wait()
    finally:
        await runner.cleanup()


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM."""
    configure(process="web")
    uvloop.run(_serve(settings))
