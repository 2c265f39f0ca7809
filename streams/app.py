"""The Faust app: the `events` topic, the `profiles` table, and the one agent between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, cast

import faust
import structlog

from sites.site import Site
from storage import keys
from storage.profiles import pack, unpack
from streams.plugins import log as stream_log
from streams.plugins.store import Codec, Store
from streams.plugins.table import Table, TableManager
from streams.plugins.transport import Transport, broker_url
from streams.plugins.writer import Writer
from streams.processor import Processor
from streams.topics import EVENTS, GROUP

log = structlog.get_logger()

#: Seconds between commits: how much is read again, and skipped by position, after a crash.
COMMIT_S = 0.5


class App(faust.App):
    """Faust's app, and what its plugins do when going on would be wrong: end the process at once."""

    def on_fatal(self, error: BaseException) -> None:
        """Exit without tidying up: another worker may own the work already. The supervisor starts us anew."""
        log.error("worker stops", reason=f"{type(error).__name__}: {error}")
        os._exit(70)


def build_app(*, redis_url: str, sites: Callable[[], Mapping[str, Site]], clock: Callable[[], int]) -> App:
    """The app, wired. Start it with `streams.worker.run`."""
    app = App(
        GROUP,
        broker=broker_url(redis_url),
        store="kizashi-redis://table",
        Table=Table,
        TableManager=TableManager,
        key_serializer="raw",
        value_serializer="raw",
        topic_partitions=1,
        table_standby_replicas=0,
        topic_disable_leader=True,
        broker_commit_interval=COMMIT_S,
        stream_buffer_maxsize=4096,
        web_enabled=False,
        autodiscover=False,
    )
    events = app.topic(EVENTS, key_type=bytes, value_type=bytes, partitions=1)
    profiles = app.Table("profiles", partitions=1)
    transport = cast("Transport", app.transport)
    store = cast("Store", profiles.data)
    store.connect_to(
        redis=transport.redis,
        codec=Codec(key=lambda name: keys.profile(*name.split(":", 1)), pack=pack, unpack=unpack),
        writer=Writer(redis=transport.redis, lease=transport.lease),
        on_fatal=app.on_fatal,
    )

    @app.agent(events, name="profile")
    async def profile(stream: Any) -> None:
        """Count each event into its visitor's profile."""
        epoch = await stream_log.epoch_of(transport.redis, EVENTS)
        processor = Processor(store=store, sites=sites, clock=clock, epoch=epoch)
        async for event in stream.events():
            message = event.message
            await processor.process(
                message.key, message.value, partition=message.partition, offset=message.offset
            )

    return app
