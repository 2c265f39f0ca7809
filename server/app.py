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
from server.drain import REQUESTS_S, add_drain, give_notice
from server.errors import errors_as_json
from server.geo import Places
from server.interactions import add_interactions
from server.live import add_live
from server.live_hub import HUB
from server.metrics import Metrics
from server.openapi import add_openapi
from server.openapi_page import add_docs
from server.ops import add_ops
from server.outage import PATIENCE_S, SPOOL, PatientReader
from server.pixel import add_pixel
from server.preflight import preflight
from server.preview import add_preview
from server.request_log import request_log
from server.segment import add_segment
from server.site_files import SiteFiles
from server.site_schema import add_schema
from server.tokens import Tokens
from server.visitor_page import add_visitor_page
from sites.registry import Registry
from storage.connect import connect
from storage.garbage import spare_what_lives
from storage.logs import configure
from storage.pipe import Pipe
from streams.around import AroundReader
from streams.backend import publisher_for
from streams.spool import PATIENCE_S as BROKER_S
from streams.spool import SpoolingPublisher
from streams.spool_disk import MAX_BYTES, SpoolDisk

DEMO = Path(__file__).parent.parent / "examples" / "demo"
STORE_S = 5.0
#: A connection that has not brought a whole request's head for so long is closed: idle ones, and those that
#: drip their headers. aiohttp counts from the connection's start or its last answer, whatever bytes arrive.
KEEPALIVE_S = 14.0
#: After an answer that did not need the whole body, so long is read on before the connection is closed.
LINGER_S = 3.0


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def make_app(settings: Settings, *, spool_bytes: int = MAX_BYTES) -> web.Application:
    """The application with its parts; connections are opened when it starts. `spool_bytes` bounds the spool."""
    app = web.Application(
        middlewares=[request_log, errors_as_json, bearer_only], client_max_size=MAX_BODY + 1
    )
    app[state.SETTINGS] = settings
    app[state.CLOCK] = now_ms
    app[state.METRICS] = Metrics()
    app[state.TOKENS] = Tokens(secret_key=settings.secret_key or "")
    redis = connect(settings.store_url, socket_timeout=STORE_S)
    app[state.REDIS] = redis
    pipe = Pipe(redis, patience_s=PATIENCE_S)
    app[state.PIPE] = pipe
    app[state.PROFILES] = PatientReader(redis=redis, pipe=pipe, clock=time.monotonic)
    app[state.LINKS] = Links(public_url=settings.public_url, secret_key=settings.secret_key or "")
    app[state.OUTBOX] = Outbox(redis, visitor_url=app[state.LINKS])
    app[state.REGISTRY] = Registry(redis)
    app[state.AROUND] = AroundReader(pipe=pipe)
    app[state.PLACES] = Places(country=settings.geoip_db, company=settings.company_db)
    app[state.FILES] = SiteFiles(redis)
    app[SPOOL] = SpoolingPublisher(
        inner=publisher_for(redis=redis, broker_url=settings.broker_url, patience_s=BROKER_S),
        disk=SpoolDisk(settings.data_dir / "spool", max_bytes=spool_bytes),
        clock=time.monotonic,
        observe=app[state.METRICS].spooled,
    )
    app[state.METRICS].site_errors.set_function(lambda: app[state.REGISTRY].errors)
    app[state.METRICS].condition_errors.set_function(lambda: app[state.REGISTRY].condition_errors)
    app[state.METRICS].spool_bytes.set_function(lambda: app[SPOOL].size)
    app[state.PUBLISHER] = app[SPOOL]
    app.cleanup_ctx.append(_parts)
    _routes(app)
    return app


def _routes(app: web.Application) -> None:
    add_drain(app)
    add_ops(app)
    app.router.add_post("/v1/beacon", beacon)
    app.router.add_post("/v1/decisions", decisions)
    add_live(app, max_streams=app[state.SETTINGS].live_streams, observe=app[state.METRICS].lived)
    app[state.METRICS].live_streams.set_function(lambda: app[HUB].streams)
    add_preview(app)
    add_schema(app)
    app.router.add_route("OPTIONS", "/v1/{tail:.*}", preflight)
    add_interactions(app)
    add_segment(app)
    add_pixel(app)
    add_openapi(app)
    add_docs(app)
    add_admin(app)
    add_assets(app)
    if DEMO.is_dir():  # it comes with the source, not with the installed package
        add_demo(app, root=DEMO, reader=SiteDemoReader(app))
    add_visitor_page(app)


async def _parts(app: web.Application) -> AsyncIterator[None]:
    await app[SPOOL].start()
    await app[state.REGISTRY].start()
    async with app[state.PLACES].watching():
        yield
    await app[state.REGISTRY].stop()
    await app[state.PUBLISHER].close()
    await app[state.PIPE].close()
    await app[state.REDIS].aclose()


async def _serve(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    runner = web.AppRunner(
        make_app(settings),
        access_log=None,
        keepalive_timeout=KEEPALIVE_S,
        lingering_time=LINGER_S,
        shutdown_timeout=REQUESTS_S,
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
        spare_what_lives()
        await stopping.wait()
        await give_notice(runner)
    finally:
        await runner.cleanup()


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM."""
    configure(process="web")
    uvloop.run(_serve(settings))
