"""The events topic on a real broker: made once, its epoch as old as the topic; addresses; others' messages."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from msgspec.structs import replace
from redis.asyncio import Redis

from core.events import encode_event
from storage.profiles import ProfileReader
from streams.plugins import kafka as transport
from streams.plugins import kafka_topic
from tests import backends
from tests.backends import Kafka, caught_up
from tests.factories import page
from tests.kafka import Broker, free_ports
from tests.processes import Stack, until


@pytest.mark.parametrize(
    ("setting", "servers", "url"),
    [
        ("kafka://b1:9092", ["b1:9092"], "kizashi-kafka://b1:9092"),
        ("kafka://b1:9092/", ["b1:9092"], "kizashi-kafka://b1:9092"),
        ("kafka://b1:1;b2:2", ["b1:1", "b2:2"], "kizashi-kafka://b1:1;kizashi-kafka://b2:2"),
        ("kafka://b1:1;kafka://b2:2", ["b1:1", "b2:2"], "kizashi-kafka://b1:1;kizashi-kafka://b2:2"),
    ],
)
def test_addresses_of_brokers(setting: str, servers: list[str], url: str) -> None:
    assert kafka_topic.servers(setting) == servers
    assert transport.broker_url(setting) == url


async def partitions(broker: Broker) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    try:
        await admin.start()
        [topic] = await admin.describe_topics([kafka_topic.TOPIC])
        return len(topic["partitions"])
    finally:
        await admin.close()


async def test_a_missing_topic_is_made_once_by_whoever_comes_first(kafka: Broker, redis: Redis) -> None:
    clusters = await asyncio.gather(*(kafka_topic.ensure(kafka.url, redis=redis) for _ in range(5)))
    assert len(set(clusters)) == 1
    assert await partitions(kafka) == kafka_topic.PARTITIONS


async def test_a_topic_that_is_there_stays_as_it_is(kafka: Broker, redis: Redis) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    try:
        await admin.start()
        await admin.create_topics([NewTopic(kafka_topic.TOPIC, 3, 1)])
    finally:
        await admin.close()
    await kafka_topic.ensure(kafka.url, redis=redis)
    assert await partitions(kafka) == 3


async def test_an_epoch_lasts_as_long_as_its_topic(kafka: Broker, redis: Redis) -> None:
    cluster = await kafka_topic.ensure(kafka.url, redis=redis)
    first = await kafka_topic.epoch_of(redis, cluster)
    assert await kafka_topic.ensure(kafka.url, redis=redis) == cluster
    assert await kafka_topic.epoch_of(redis, cluster) == first
    await backends.empty(kafka)
    await kafka_topic.ensure(kafka.url, redis=redis)
    assert await kafka_topic.epoch_of(redis, cluster) != first


async def test_a_broker_that_is_not_there_is_said(redis: Redis) -> None:
    [port] = free_ports(1)
    with pytest.raises(KafkaError):
        await kafka_topic.ensure(f"kafka://127.0.0.1:{port}", redis=redis)


@pytest.mark.slow
async def test_messages_of_others_are_passed_over(kafka: Broker, kafka_stack: tuple[Stack, Kafka]) -> None:
    stack, backend = kafka_stack
    good = [encode_event(replace(page(f"/{number}"), visitor="v1")) for number in range(4)]
    key = b"demo:v1"
    messages = [
        (None, b"no key"),
        (b"nocolon", b"x"),
        (key, good[0]),
        (b"\xff:\xff", b"x"),
        (key, None),
        (key, good[1]),
        (key, good[2]),
        (None, b"no key again"),
        (key, good[3]),
    ]
    await kafka_topic.ensure(kafka.url, redis=stack.redis)
    async with AIOKafkaProducer(bootstrap_servers=kafka.address) as producer:
        for name, value in messages:
            await producer.send_and_wait(kafka_topic.TOPIC, value, key=name, partition=0)

    async def done() -> bool:
        return await caught_up(backend)

    await until(done, 60)
    profile = await ProfileReader(redis=stack.redis).get("demo", "v1")
    assert profile is not None
    assert profile.page_count == len(good)
