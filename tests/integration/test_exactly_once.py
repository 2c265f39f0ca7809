"""The worker killed with -9 at random moments: every profile, score, ledger and alert equals a clean run's."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.embedded import Server
from tests.integration.exactly_once import (
    assert_same,
    caught_up,
    clean_run,
    clickstream,
    kill_at_random,
    publish_all,
    site_of,
)
from tests.processes import Stack, until
from tests.sites import DEMO

SIZES = [
    pytest.param(5_000, 300, 3, id="short"),
    pytest.param(50_000, 2_000, 25, id="long", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("events", "visitors", "kills"), SIZES)
async def test_random_kills_change_nothing(
    own_valkey: Server,
    tmp_path: Path,
    free_port: Callable[[], int],
    figure: Callable[[str], None],
    events: int,
    visitors: int,
    kills: int,
) -> None:
    rng = random.Random(events)
    made = clickstream(events=events, visitors=visitors, seed=events)
    async with Stack(store_url=own_valkey.url, data_dir=tmp_path / "data", port=free_port()) as stack:
        await stack.publish(DEMO)
        expected = clean_run(made, await site_of(stack.redis))
        await publish_all(stack.redis, made)
        done = await kill_at_random(stack, kills=kills, rng=rng)

        async def drained() -> bool:
            return await caught_up(stack.redis)

        await until(drained, 300)
        figure(f"{len(made)} events, {done} kills, {len(expected.alerts)} alerts")
        await assert_same(stack.redis, expected)
        assert done >= kills // 2
