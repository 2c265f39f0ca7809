"""Fixtures that every room's tests share: a real Valkey, clean for each test."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from storage.connect import connect
from storage.embedded import Server
from tests import backends
from tests.kafka import Broker, Unavailable, fetch

# A developer's own settings must not reach the processes that tests start.
for _name in [name for name in os.environ if name.startswith("KIZASHI_")] + ["PORT"]:
    os.environ.pop(_name, None)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real Valkey for the whole run. A test that kills its server takes `own_valkey`."""
    with Server(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Server]:
    """A real Valkey for this test alone, which may kill and restart it."""
    with Server(tmp_path / "own-valkey") as server:
        yield server


@pytest.fixture
async def redis(valkey: Server) -> AsyncIterator[Redis]:
    """A client (replies are bytes) of the run's Valkey, emptied first."""
    async with connect(valkey.url) as client:
        await client.flushall()
        yield client


@pytest.fixture
def redis_url(valkey: Server, redis: Redis) -> str:
    """The address of the run's Valkey, emptied first."""
    return valkey.url


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One real Kafka broker for the whole run. Without one the tests on Kafka are skipped, and fail in CI."""
    try:
        libs = fetch()
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"NO KAFKA FOR THE TESTS: {reason}", pytrace=False)
        pytest.skip(f"NO KAFKA FOR THE TESTS: {reason}")
    with Broker(tmp_path_factory.mktemp("kafka"), libs=libs) as broker:
        yield broker


@pytest.fixture
def kafka(kafka_broker: Broker) -> Broker:
    """The run's Kafka broker, emptied first. A test that kills it starts it again."""
    asyncio.run(backends.empty(kafka_broker))
    return kafka_broker


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives TCP ports of 127.0.0.1 that nobody listens on."""

    def give() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return give
