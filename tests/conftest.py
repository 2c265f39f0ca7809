"""Fixtures that every room's tests share: a real Valkey, clean for each test."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from storage.connect import connect
from storage.embedded import Server
from tests import backends
from tests.kafka import Broker, Unavailable, fetch
from tests.ports import free_ports

# A developer's own settings must not reach the processes that tests start.
for _name in [name for name in os.environ if name.startswith("KIZASHI_")] + ["PORT"]:
    os.environ.pop(_name, None)


def pytest_configure(config: pytest.Config) -> None:
    """Markers of this file's own."""
    config.addinivalue_line("markers", "alone: measures time; no other test runs beside it")


#: Browser tests of the whole product, whose processes take seconds to start: they are started once for all.
ON_STACK = {"test_live_preview.py", "test_main_job.py", "test_segment_clients.py"}


class ByGroup(LoadScopeScheduling):
    """Gives each process a file's tests at a time; one all that is on Kafka, one all that is on the e2e stack.

    (xdist's own `loadgroup` marks the node ids, in a way that pytest 9.2 does not see.)
    """

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        if path.parent.name == "contract" or "kafka" in path.name:
            return "kafka"
        return "e2e stack" if path.parent.name == "e2e" and path.name in ON_STACK else str(path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Who runs what, where several processes share the tests."""
    return ByGroup(config, log)


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Says what was measured: it is printed when all tests are done, whatever process ran them."""
    return lambda said: record_property("figure", said)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures."""
    said = [
        f"{report.nodeid.rpartition('::')[2].partition('@')[0]}: {value}"
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "figure"
    ]
    if said:
        terminalreporter.section("measured")
        for line in dict.fromkeys(said):
            terminalreporter.line(line)


@pytest.fixture(autouse=True)
def _one_at_a_time(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A test marked `alone` measures time: no other one runs beside it, whatever process has it."""
    root = tmp_path_factory.getbasetemp()
    shared = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    with (shared / "turnstile").open("a") as turnstile, (shared / "running").open("a") as running:
        fcntl.flock(turnstile, fcntl.LOCK_EX)  # who waits to be alone lets no new one pass
        fcntl.flock(running, fcntl.LOCK_EX if request.node.get_closest_marker("alone") else fcntl.LOCK_SH)
        fcntl.flock(turnstile, fcntl.LOCK_UN)
        yield


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
    return lambda: free_ports(1)[0]
