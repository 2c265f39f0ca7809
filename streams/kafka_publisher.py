"""Getting accepted events into Kafka: acknowledged by all in-sync replicas before the sender is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.errors import StoreUnavailable
from core.events import Event, encode_event
from streams.plugins import kafka_topic
from streams.topics import event_key

#: How long a call waits for the acknowledgement before it says that the broker is away.
PUBLISH_S = 5.0
CLOSE_S = 5.0


class KafkaPublisher:
    """Appends to the events topic. Connects when first used or checked, and again whenever that is needed.

    Events whose acknowledgement came too late may still be in Kafka later: senders that repeat them are safe,
    an event id counts once.
    """

    def __init__(self, *, broker_url: str, redis: Redis, timeout_s: float = PUBLISH_S) -> None:
        self._broker_url, self._redis, self._timeout_s = broker_url, redis, timeout_s
        self.patience_s = timeout_s
        self._starting: asyncio.Task[AIOKafkaProducer] | None = None

    async def publish(self, events: Sequence[Event]) -> None:
        """Append `events`, each visitor's in order. Raises StoreUnavailable. May be cancelled."""
        if not events:
            return
        sent: list[asyncio.Future[object]] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                producer = await self._producer()
                for event in events:
                    key = event_key(event.site, event.visitor).encode()
                    sent.append(await producer.send(kafka_topic.TOPIC, key=key, value=encode_event(event)))
                await asyncio.gather(*sent)
        except (KafkaError, RedisError, OSError, TimeoutError) as error:
            await self._after(error)
            raise StoreUnavailable(f"the broker did not take the events: {error!r}") from error
        finally:
            for future in sent:  # those not done: nobody waits for them any more
                future.cancel()

    async def check(self) -> None:
        """Connect where that is not done yet, and ask for the topic's partitions. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout(self._timeout_s):
                producer = await self._producer()
                answered = await producer.client.force_metadata_update()
        except (KafkaError, RedisError, OSError, TimeoutError) as error:
            await self._after(error)
            raise StoreUnavailable(f"the broker does not answer: {error!r}") from error
        if not answered:
            raise StoreUnavailable("the broker does not answer")

    async def _producer(self) -> AIOKafkaProducer:
        """The producer, started. All that wait share one attempt."""
        if self._starting is None or _failed(self._starting):
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(_failed)
        return await asyncio.shield(self._starting)

    async def _start(self) -> AIOKafkaProducer:
        # First of all the topic: asked for an unknown one, a broker may make it with one partition.
        await kafka_topic.ensure(self._broker_url, redis=self._redis)
        producer = AIOKafkaProducer(
            bootstrap_servers=kafka_topic.servers(self._broker_url),
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=int(kafka_topic.REQUEST_S * 1000),
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _after(self, error: Exception) -> None:
        # A connection that comes and goes is the producer's own business; anything else may be for good.
        if isinstance(error, KafkaError) and not error.retriable:
            await self.close()

    async def close(self) -> None:
        """Wait for what is under way, though not for a broker that is away."""
        starting, self._starting = self._starting, None
        if starting is None:
            return
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting])
        if not _failed(starting):
            await _stop(starting.result())


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await producer.stop()
    except TimeoutError:
        await producer.client.close()


def _failed(task: asyncio.Task[AIOKafkaProducer]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
