"""Long work lets others have their turns, and only where its own has been long enough."""

from __future__ import annotations

import asyncio
import itertools

from streams.turns import Turns


async def test_the_others_get_a_turn_each_time_one_is_over() -> None:
    seconds = itertools.count()
    turns = Turns(lambda: next(seconds) / 10, length_s=0.35)
    others: list[int] = []

    async def work() -> None:
        for step in range(12):
            asyncio.get_running_loop().call_soon(others.append, step)
            before = len(others)
            await turns.next()
            if len(others) > before:
                rests.append(step)

    rests: list[int] = []
    await work()
    assert rests == [3, 7, 11]
