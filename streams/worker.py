"""The worker process: the Faust app, the published sites, and the sender of alerts."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import faust
import uvloop
from mode import Service
from redis.asyncio import Redis

from alerts.budget import Budget
from alerts.dispatch import Dispatcher
from alerts.links import Links
from alerts.sinks.choice import SinkSettings, also_sinks, choose_sink
from sites.registry import Registry
from storage.connect import connect
from storage.garbage import spare_what_lives
from storage.logs import configure
from streams.app import App, build_app
from streams.backend import Backend, backend_for, publisher_for
from streams.timers import Timers

#: Messages that one channel gets in ten minutes; what is more comes as digests.
BUDGET = Budget(limit=60, window_s=600.0)


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


class Companions(Service):
    """What runs beside the agent: the registry, loaded before the first event, the dispatcher, the timers."""

    def __init__(self, *, registry: Registry, dispatcher: Dispatcher, timers: Timers, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._registry, self._dispatcher, self._timers = registry, dispatcher, timers

    async def on_start(self) -> None:
        """Load the sites."""
        await self._registry.start()

    @Service.task
    async def _dispatch(self) -> None:
        await self._dispatcher.run()

    @Service.task
    async def _tick(self) -> None:
        await self._timers.run()

    async def on_stop(self) -> None:
        """Stop sending; what is not sent stays in the outbox."""
        await self._dispatcher.stop()
        await self._registry.stop()


def run(
    *,
    redis_url: str,
    broker_url: str | None,
    public_url: str,
    secret_key: str,
    sinks: SinkSettings,
    backend: Backend | None = None,
) -> None:
    """Work until SIGINT or SIGTERM. Raises StoreUnavailable where the broker stays away, ValueError for a sink's
    setting that cannot be read.

    `backend` is that of the two URLs unless given.
    """
    configure(process="worker")
    uvloop.install()
    redis = connect(redis_url)
    registry = Registry(redis)
    dispatcher = _dispatcher(redis, sinks, Links(public_url=public_url, secret_key=secret_key))
    backend = backend or backend_for(redis_url=redis_url, broker_url=broker_url)
    asyncio.run(backend.prepare())
    app = build_app(backend=backend, sites=lambda: registry.sites, look_again=registry.refresh, clock=now_ms)
    publisher = publisher_for(redis=redis, broker_url=broker_url, partitions=backend.partitions)
    timers = Timers(redis=redis, publisher=publisher, clock=now_ms)
    spare_what_lives()
    companions = Companions(registry=registry, dispatcher=dispatcher, timers=timers)
    _worker(app, companions).execute_from_commandline()


def _dispatcher(redis: Redis, sinks: SinkSettings, links: Links) -> Dispatcher:
    sink = choose_sink(
        bot_token=sinks.slack_bot_token,
        webhook_url=sinks.slack_webhook_url,
        api_url=sinks.slack_api_url,
        buttons=sinks.slack_buttons,
    )
    also = also_sinks(
        webhook_url=sinks.webhook_url,
        webhook_secret=sinks.webhook_secret,
        smtp_url=sinks.smtp_url,
        outgoing_allow=sinks.outgoing_allow,
        visitor_url=links,
        clock=now_ms,
    )
    return Dispatcher(redis, sink, also=also, visitor_url=links, clock=now_ms, budget=BUDGET)


def _worker(app: App, *companions: Service) -> faust.Worker:
    """A Faust worker without its web server, its spinner and its hold on our logs."""
    return faust.Worker(
        app,
        *companions,
        loglevel="WARNING",
        redirect_stdouts=False,
        override_logging=False,
        quiet=True,
        stdout=Path(os.devnull).open("w"),  # the spinner's, for as long as the process lives
    )
