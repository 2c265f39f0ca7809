"""The worker's yardstick: a loop over the broker's own client that does the same pure step with the same writer.

No Faust, no table, no lease, no rebalance, no take-over, no dead letters, no sending of alerts; one batch after
the other. `python -m benchmarks.bare_consumer STORE_URL [BROKER_URL]`
"""

from __future__ import annotations

import sys

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis

from benchmarks.bare_steps import Message, Steps
from sites.registry import load_current
from storage import keys
from storage.connect import connect
from streams.plugins import kafka_topic, log
from streams.topics import EVENTS

#: Messages one read brings at the most, as in the worker's transports.
FROM_REDIS, FROM_KAFKA = 1_000, 2_000
GROUP = "bare"


async def from_redis(redis: Redis) -> None:
    """XREAD from the beginning, for ever."""
    steps, position = await _steps(redis, await log.epoch_of(redis, EVENTS)), 1
    while True:
        found = await log.read(redis, {(EVENTS, 0): position}, count=FROM_REDIS, block_ms=1_000)
        for entries in found.values():
            await steps.apply([Message(0, *entry) for entry in entries])
            position = entries[-1].offset + 1
            await redis.hset(keys.offsets(GROUP), f"{EVENTS}:0", str(position))


async def from_kafka(redis: Redis, broker_url: str) -> None:
    """Read every partition from the beginning, for ever."""
    cluster = await kafka_topic.ensure(broker_url, redis=redis)
    steps = await _steps(redis, await kafka_topic.epoch_of(redis, cluster))
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka_topic.servers(broker_url), group_id=GROUP, enable_auto_commit=False
    ) as consumer:
        tps = [TopicPartition(kafka_topic.TOPIC, number) for number in range(kafka_topic.PARTITIONS)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        while True:
            found = await consumer.getmany(timeout_ms=1_000, max_records=FROM_KAFKA)
            await steps.apply(
                [Message(r.partition, r.offset, r.key, r.value) for batch in found.values() for r in batch]
            )
            if found:
                await consumer.commit({tp: batch[-1].offset + 1 for tp, batch in found.items()})


async def _steps(redis: Redis, epoch: str) -> Steps:
    return Steps(redis, (await load_current(redis))["demo"], epoch)


async def main(store_url: str, broker_url: str | None = None) -> None:
    """Consume the store's stream, or the topic of the broker."""
    async with connect(store_url) as redis:
        await (from_kafka(redis, broker_url) if broker_url else from_redis(redis))


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
