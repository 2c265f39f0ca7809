"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from storage.embedded import Server
from tests.backends import Kafka
from tests.kafka import Broker
from tests.processes import Stack
from tests.sites import DEMO


@pytest.fixture
async def stack(own_valkey: Server, tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Stack]:
    """Web and worker with the demo site, on a Valkey of their own."""
    async with Stack(store_url=own_valkey.url, data_dir=tmp_path / "data", port=free_port()) as running:
        await running.publish(DEMO)
        yield running


@pytest.fixture
async def kafka_stack(
    kafka: Broker, own_valkey: Server, tmp_path: Path, free_port: Callable[[], int]
) -> AsyncIterator[tuple[Stack, Kafka]]:
    """Web and worker on Kafka, with the demo site, and the backend to publish to."""
    backend = Kafka(kafka, own_valkey)
    stack = Stack(store_url=own_valkey.url, data_dir=tmp_path / "data", port=free_port(), **backend.env)
    async with stack:
        await stack.publish(DEMO)
        yield stack, backend
    await backend.close()
