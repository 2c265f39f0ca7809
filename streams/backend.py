"""Where events flow: the store's own streams on one machine, Kafka beyond it. The settings decide, here only.

Imports are made where they are needed: the web process needs no Faust, and only Kafka's users need its client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.errors import StoreUnavailable
from storage.connect import connect
from streams.plugins import log as stream_log
from streams.publisher import PATIENCE_S, Publisher, RedisPublisher
from streams.topics import EVENTS

if TYPE_CHECKING:
    from streams.plugins.writer import Writer

#: How long a worker waits for the broker before it gives up and is started anew.
BROKER_WAIT_S = 30.0
_RETRY_S = 0.5


class Backend(Protocol):
    """What the app must know of where events flow. `transport` is the app's, made by Faust from `broker`."""

    broker: str
    topic: str
    partitions: int
    settings: Mapping[str, Any]

    async def prepare(self) -> None: ...
    def redis(self, transport: Any) -> Redis: ...
    def writer(self, transport: Any) -> Writer: ...
    async def epoch(self, transport: Any) -> str: ...


class RedisStreams:
    """The store's streams: one worker owns them by its lease, others stand by."""

    def __init__(self, *, redis_url: str, partitions: int = 1) -> None:
        from streams.plugins import transport

        self.broker = transport.broker_url(redis_url, partitions=partitions)
        self.topic = EVENTS
        self.partitions = partitions
        self.settings: Mapping[str, Any] = {}

    async def prepare(self) -> None:
        """A stream exists from its first message on."""

    def redis(self, transport: Any) -> Redis:
        """The transport's connection."""
        return transport.redis  # type: ignore[no-any-return]

    def writer(self, transport: Any) -> Writer:
        """Writes under the lease."""
        from streams.plugins.writer import Writer

        return Writer(redis=transport.redis, lease=transport.lease)

    async def epoch(self, transport: Any) -> str:
        """The epoch of the topic's positions."""
        return await stream_log.epoch_of(transport.redis, EVENTS)


class Kafka:
    """A Kafka cluster: as many workers as there are partitions; no lease, each write is compared and set."""

    def __init__(self, *, broker_url: str, redis_url: str) -> None:
        from streams.plugins import kafka, kafka_topic

        self._url, self._redis_url = broker_url, redis_url
        self._topic = kafka_topic
        self._redis = connect(redis_url)
        self._cluster = ""
        self.broker = kafka.broker_url(broker_url)
        self.topic = kafka_topic.TOPIC
        self.partitions = kafka_topic.PARTITIONS
        self.settings = kafka.SETTINGS

    async def prepare(self) -> None:
        """Wait for the brokers, and make the topic where it is missing. Raises StoreUnavailable."""
        from aiokafka.errors import KafkaError

        # A connection of its own: the worker's loop is not this one.
        async with connect(self._redis_url) as redis:
            give_up = asyncio.get_running_loop().time() + BROKER_WAIT_S
            while True:
                try:
                    self._cluster = await self._topic.ensure(self._url, redis=redis)
                    return
                except (KafkaError, RedisError, OSError, TimeoutError) as error:
                    if asyncio.get_running_loop().time() > give_up:
                        raise StoreUnavailable(f"KIZASHI_BROKER_URL: {error!r}") from error
                await asyncio.sleep(_RETRY_S)

    def redis(self, _transport: Any) -> Redis:
        """A connection to the store."""
        return self._redis

    def writer(self, _transport: Any) -> Writer:
        """Compares and sets."""
        from streams.plugins.writer import Writer

        return Writer(redis=self._redis)

    async def epoch(self, _transport: Any) -> str:
        """The epoch of the topic's positions."""
        return await self._topic.epoch_of(self._redis, self._cluster)


def backend_for(*, redis_url: str, broker_url: str | None) -> Backend:
    """The backend of the settings."""
    if broker_url is None:
        return RedisStreams(redis_url=redis_url)
    return Kafka(broker_url=broker_url, redis_url=redis_url)


def publisher_for(
    *, redis: Redis, broker_url: str | None, partitions: int = 1, patience_s: float = PATIENCE_S
) -> Publisher:
    """The publisher of the settings. `partitions` are those of the store's streams; a Kafka topic has its own,
    and its client its own patience.
    """
    if broker_url is None:
        return RedisPublisher(redis=redis, partitions=partitions, patience_s=patience_s)
    from streams.kafka_publisher import KafkaPublisher

    return KafkaPublisher(broker_url=broker_url, redis=redis)
