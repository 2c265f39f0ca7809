"""Every backend of the stream, each with nothing in it: a test that takes one runs over all it names."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage.embedded import Server
from tests import backends
from tests.kafka import Broker

#: How many partitions the streams on Redis have.
PARTITIONS = {"redis-streams": 1, "redis-streams-3": 3}


@pytest.fixture
def made(request: pytest.FixtureRequest) -> backends.Backend:
    """The backend named by the test's parameter, on servers of the test's own or the run's broker."""
    if request.param == "memory":
        return backends.Memory()  # type: ignore[return-value]
    server: Server = request.getfixturevalue("own_valkey")
    if request.param.startswith("redis-streams"):
        return backends.RedisStreams(server, PARTITIONS[request.param])
    broker: Broker = request.getfixturevalue("kafka")
    return backends.Kafka(broker, server)


@pytest.fixture
async def backend(made: backends.Backend) -> AsyncIterator[backends.Backend]:
    """The backend, closed after the test."""
    yield made
    await made.close()


def over(*names: str) -> pytest.MarkDecorator:
    """Runs a test over these backends."""
    return pytest.mark.parametrize("made", names, ids=names, indirect=True)
