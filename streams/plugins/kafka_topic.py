"""The events topic on Kafka: made where it is missing, and the epoch its offsets belong to. No Faust in here."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from redis.asyncio import Redis

from storage import keys

#: A Kafka cluster is shared with others: the name says whose topic it is.
TOPIC = "kizashi-events"
#: What a topic made by us gets, and so how many workers can share the work.
PARTITIONS = 8

REQUEST_S = 5.0
_READY_TRIES = 50
_READY_EVERY_S = 0.1


def servers(broker_url: str) -> list[str]:
    """`host:port` of each broker in `kafka://host:port;host2:port`."""
    return [part.rpartition("://")[2].rstrip("/") for part in broker_url.split(";")]


async def ensure(broker_url: str, *, redis: Redis) -> str:
    """Make the topic where it is missing. The cluster's id.

    Replication is the cluster's default. A topic that exists stays as it is. The store is used only when the
    topic is made. Raises KafkaError, RedisError.
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=servers(broker_url), request_timeout_ms=int(REQUEST_S * 1000)
    )
    try:
        await admin.start()
        cluster = str((await admin.describe_cluster())["cluster_id"])
        if TOPIC not in await admin.list_topics():
            # A topic made anew counts its offsets from 0 again: the old ones must not cover them.
            await redis.set(_epoch_key(cluster), _new_epoch())
            await _create(admin)
        await _wait_for_leaders(admin)
        return cluster
    finally:
        await admin.close()


async def epoch_of(redis: Redis, cluster: str) -> str:
    """The name of this life of the topic: offsets compare only within it."""
    await redis.set(_epoch_key(cluster), _new_epoch(), nx=True)
    name: Any = await redis.get(_epoch_key(cluster))
    return str(name.decode())


async def _create(admin: AIOKafkaAdminClient) -> None:
    answer: Any = await admin.create_topics([NewTopic(TOPIC, PARTITIONS, -1, {})])
    _, code, reason = answer.topic_errors[0]
    if code not in (0, TopicAlreadyExistsError.errno):
        raise for_code(code)(f"cannot make the topic {TOPIC}: {reason}")


async def _wait_for_leaders(admin: AIOKafkaAdminClient) -> None:
    for _ in range(_READY_TRIES):
        [topic] = await admin.describe_topics([TOPIC])
        if topic["partitions"] and all(part["error_code"] == 0 for part in topic["partitions"]):
            return
        await asyncio.sleep(_READY_EVERY_S)


def _epoch_key(cluster: str) -> str:
    return keys.epoch(f"kafka:{cluster}:{TOPIC}")


def _new_epoch() -> str:
    return f"k{secrets.token_hex(4)}"
