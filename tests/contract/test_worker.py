"""What the worker promises on every backend: each event once, on from where it was, over to another."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from storage import keys
from storage.embedded import Server
from storage.profiles import ProfileReader
from tests.backends import Backend, caught_up, publish_all
from tests.contract.conftest import over
from tests.factories import page
from tests.integration.exactly_once import assert_same, clean_run, clickstream, site_of
from tests.processes import Stack, end, until
from tests.sites import DEMO

DURABLE = over("redis-streams", "kafka")
#: Everything on a loaded machine, a Kafka session (6 s) among it.
SOON_S = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
async def stack(
    backend: Backend, own_valkey: Server, tmp_path: Path, free_port: Callable[[], int]
) -> AsyncIterator[Stack]:
    """Web and worker on the backend, with the demo site."""
    async with Stack(
        store_url=own_valkey.url,
        data_dir=tmp_path / "data",
        port=free_port(),
        worker=backend.worker,
        **backend.env,
    ) as stack:
        await stack.publish(DEMO)
        yield stack


async def all_done(backend: Backend, stack: Stack) -> None:
    """Wait until everything published is committed."""

    async def done() -> bool:
        return await caught_up(backend)

    try:
        await until(done, SOON_S)
    except AssertionError:
        print(stack.logs())
        raise


@over("redis-streams-3", "kafka")
async def test_a_restarted_worker_goes_on_where_the_last_one_was(backend: Backend, stack: Stack) -> None:
    made = clickstream(events=1_000, visitors=60, seed=3)
    expected = clean_run(made, await site_of(stack.redis))
    await publish_all(backend, made[:400])
    await all_done(backend, stack)
    before = await backend.committed()
    end(stack.worker, signal.SIGTERM)
    await publish_all(backend, made[400:])
    assert await backend.committed() == before == 400
    stack.start_worker()
    await all_done(backend, stack)
    await assert_same(stack.redis, expected)


@DURABLE
async def test_a_worker_stopped_in_the_midst_of_a_batch_leaves_the_rest_to_the_next(
    backend: Backend, stack: Stack
) -> None:
    made = clickstream(events=12_000, visitors=400, seed=6)  # more than it does before it stops
    expected = clean_run(made, await site_of(stack.redis))
    end(stack.worker, signal.SIGTERM)
    await publish_all(backend, made)
    reader = ProfileReader(redis=stack.redis)

    async def begun() -> bool:
        return await reader.get("demo", made[0].visitor) is not None

    stack.start_worker()
    await until(begun, SOON_S)
    end(stack.worker, signal.SIGTERM)
    assert await backend.committed() < len(made)
    stack.start_worker()
    await all_done(backend, stack)
    await assert_same(stack.redis, expected)


@over("redis-streams", "redis-streams-3", "kafka")
async def test_another_worker_takes_over_from_a_dead_one(
    backend: Backend, stack: Stack, figure: Callable[[str], None]
) -> None:
    made = clickstream(events=1_000, visitors=60, seed=4)
    expected = clean_run(made, await site_of(stack.redis))
    await publish_all(backend, made[:400])
    await all_done(backend, stack)
    first = stack.worker
    stack.start_worker()
    await publish_all(backend, made[400:600])
    await all_done(backend, stack)
    end(first, signal.SIGKILL)
    died = time.monotonic()
    await publish_all(backend, made[600:])
    await all_done(backend, stack)
    figure(f"taken over and done within {time.monotonic() - died:.1f} s")
    await assert_same(stack.redis, expected)


@DURABLE
async def test_an_event_that_cannot_be_processed_is_kept_and_the_rest_flow_on(
    backend: Backend, stack: Stack
) -> None:
    good = [replace(page("/"), visitor=f"v{number}") for number in range(20)]
    poison = replace(page("/"), site="nosuch", visitor="v3", id="poison")
    await publish_all(backend, [*good[:10], poison, *good[10:]])
    await all_done(backend, stack)
    [letter] = await stack.redis.hgetall(keys.DEAD_LETTERS)
    assert letter.decode().endswith("poison")
    reader = ProfileReader(redis=stack.redis)
    for event in good:
        profile = await reader.get("demo", event.visitor)
        assert profile is not None
        assert profile.page_count == 1
