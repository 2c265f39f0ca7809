"""Faust's transport over Redis Streams: its URL, its producer, and what producer and consumer share.

`kizashi-redis://host:port/db?scheme=redis` or `kizashi-redis://unix/?scheme=unix&path=/path/to/socket`;
`partitions` in the query is how many each topic has (1). Stock conductor and fetcher; the consumer and the
producer are ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, ClassVar
from urllib.parse import quote

from faust.transport import base
from faust.types import TP, RecordMetadata
from redis.asyncio import Redis
from yarl import URL

from storage import keys
from storage.connect import connect
from storage.lease import Lease
from streams.plugins import log
from streams.plugins.consumer import Consumer
from streams.plugins.table_hooks import TableHooks
from streams.topics import partition_of

#: How long a worker that no longer answers keeps its partitions.
LEASE_MS = 5_000


def broker_url(redis_url: str, *, partitions: int = 1) -> str:
    """This transport's URL for a Redis URL (`redis://`, `rediss://`, `unix://`)."""
    url = URL(redis_url)
    ours = {"partitions": str(partitions), "scheme": url.scheme}
    if url.scheme == "unix":
        ours["path"] = url.path
        url = URL.build(scheme="unix", host="unix", path="/", query=url.query)
    return str(url.with_scheme("kizashi-redis").update_query(ours))


def redis_url(url: URL) -> str:
    """The Redis URL of a URL of this transport: what is in its query besides ours is the client's."""
    rest = url.without_query_params("partitions", "scheme", "path")
    scheme = url.query.get("scheme", "redis")
    if scheme == "unix":
        return f"unix://{quote(url.query['path'])}" + (f"?{rest.query_string}" if rest.query else "")
    return str(rest.with_scheme(scheme))


class Producer(base.Producer):
    """Appends with acknowledgement; Faust's own topics and agents use it. The web process has a faster one."""

    transport: Transport

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        *_: Any,
        **__: Any,
    ) -> Awaitable[RecordMetadata]:
        """Append in the background; the awaitable answers once the server has it. Headers are not kept."""
        return asyncio.ensure_future(self.send_and_wait(topic, key, value, partition, timestamp))

    async def send_and_wait(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        *_: Any,
        **__: Any,
    ) -> RecordMetadata:
        """Append one message and wait for the server's answer. Headers are not kept."""
        tp = self.key_partition(topic, key or b"") if partition is None else TP(topic, partition)
        [offset] = await log.append(self.transport.redis, topic, [(tp.partition, key or b"", value or b"")])
        return RecordMetadata(
            topic=topic,
            partition=tp.partition,
            topic_partition=tp,
            offset=offset,
            timestamp=timestamp,
            timestamp_type=0,
        )

    async def flush(self) -> None:
        """Wait until what was buffered is sent."""
        await self.buffer.flush()

    def key_partition(self, topic: str, key: bytes) -> TP:
        """Where a key goes."""
        return TP(topic, partition_of(key, self.transport.partitions))

    async def create_topic(self, *_: Any, **__: Any) -> None:
        """A stream exists from its first message on."""


class Transport(TableHooks, base.Transport):
    """Makes consumers and producers; holds what they share."""

    Consumer: ClassVar[type] = Consumer
    Producer: ClassVar[type] = Producer
    driver_version = "kizashi-redis"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        url = redis_url(self.url[0])
        self.partitions = int(self.url[0].query.get("partitions", 1))
        self.redis: Redis = connect(url)
        #: Its own connection: a blocking read would hold up everything else.
        self.blocking: Redis = connect(url, socket_timeout=None)
        self.lease = Lease(self.redis, key=keys.lease(self.app.conf.id), ttl_ms=LEASE_MS)
