"""The Faust app: the `events` topic, the `profiles` table, and the one agent between them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import faust
import structlog
from redis.asyncio import Redis

from core.profiles import Profile
from core.recents import held
from sites.site import Site
from storage import keys
from storage.pipe import Pipe
from storage.profiles import Position, pack, unpack
from streams.backend import Backend
from streams.plugins.delivery import Batch, Quiet
from streams.plugins.store import Codec, Store
from streams.plugins.table import Table, TableManager
from streams.processor import Processor
from streams.reader import StoreReader
from streams.topics import GROUP
from streams.turns import Turns

log = structlog.get_logger()

#: Seconds between commits: how much is read again, and skipped by position, after a crash.
COMMIT_S = 0.5
#: The longest wait for a reply of the store, in seconds. A worker has nothing better to do.
STORE_S = 30.0


class App(faust.App):
    """Faust's app, and what its plugins do when going on would be wrong: end the process at once."""

    def on_fatal(self, error: BaseException) -> None:
        """Exit without tidying up: another worker may own the work already. The supervisor starts us anew."""
        log.error("worker stops", reason=f"{type(error).__name__}: {error}")
        os._exit(70)

    async def crash(self, reason: BaseException) -> None:
        """What Faust itself finds fatal is so for us: a half-alive worker holds work that it does not do."""
        self.on_fatal(reason)


def _app(backend: Backend) -> App:
    """Faust's app for this backend, with what it brings of its own switched off."""
    return App(
        GROUP,
        broker=backend.broker,
        store="kizashi-redis://table",
        Table=Table,
        TableManager=TableManager,
        key_serializer="raw",
        value_serializer="raw",
        topic_partitions=backend.partitions,
        table_standby_replicas=0,
        topic_disable_leader=True,
        broker_commit_interval=COMMIT_S,
        stream_buffer_maxsize=4096,
        Monitor=Quiet,
        web_enabled=False,
        autodiscover=False,
        **backend.settings,
    )


def _held(record: bytes) -> tuple[Position, Profile]:
    """A record as the table keeps it."""
    position, profile = unpack(record)
    return position, held(profile)


def _profiles(app: App, backend: Backend, redis: Redis) -> Store:
    """The data of the `profiles` table, connected to where it is kept."""
    store = cast("Store", app.Table("profiles", partitions=backend.partitions).data)
    store.connect_to(
        redis=redis,
        codec=Codec(key=lambda name: keys.profile(*name.split(":", 1)), pack=pack, unpack=_held),
        writer=backend.writer(app.transport),
        on_fatal=app.on_fatal,
    )
    return store


async def _consume(app: App, stream: Any, processor: Processor) -> None:
    """Process each batch of the stream, and acknowledge it then."""
    async for event in stream.noack().events():
        batch: Batch = event.value
        try:
            await processor.process(batch.partition, batch.records)
        except Exception as error:
            app.on_fatal(error)  # what is half done must be read again
            raise
        # Not before: Faust acknowledges by itself whatever an agent was at when it was stopped.
        event.ack()


def build_app(
    *,
    backend: Backend,
    sites: Callable[[], Mapping[str, Site]],
    look_again: Callable[[], Awaitable[None]],
    clock: Callable[[], int],
) -> App:
    """The app, wired. Start it with `streams.worker.run`."""
    app = _app(backend)
    redis = backend.redis(app.transport)
    store = _profiles(app, backend, redis)
    reader = StoreReader(redis=redis, pipe=Pipe(redis, patience_s=STORE_S))

    @app.agent(app.topic(backend.topic, partitions=backend.partitions), name="profile")
    async def profile(stream: Any) -> None:
        """Count each event into its visitor's profile."""
        processor = Processor(
            store=store,
            reader=reader,
            sites=sites,
            look_again=look_again,
            clock=clock,
            epoch=await backend.epoch(app.transport),
            pause=Turns(asyncio.get_running_loop().time).next,
        )
        await _consume(app, stream, processor)

    return app
