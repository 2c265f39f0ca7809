"""The hub under both event loops: uvloop, which serves, has other timers than the one that runs the tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from redis.asyncio import Redis

from server.live_hub import LiveHub


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_who_is_woken_twice_at_once_looks_once(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def scenario() -> None:
        hub = LiveHub(Redis(), max_streams=10, max_per_visitor=5)
        watcher = hub.join("demo", "v1", gone=lambda: False)
        for _ in range(3):
            hub.published(frozenset({"demo"}))
        await asyncio.wait_for(watcher.changed.wait(), 10)
        watcher.changed.clear()
        hub.published(frozenset({"another"}))
        await asyncio.sleep(0)
        assert not watcher.changed.is_set()

    run(scenario())
