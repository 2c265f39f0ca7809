"""Turns of the event loop: long work that hardly ever waits lets the others have theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: The longest turn, in seconds. Only a backlog makes one so long: the writes of a turn go together, and an alert
#: takes several turns to leave.
TURN_S = 0.05


class Turns:
    """`clock` is the event loop's, seconds."""

    def __init__(self, clock: Callable[[], float], *, length_s: float = TURN_S) -> None:
        self._clock, self._length_s = clock, length_s
        self._over = clock() + length_s

    async def next(self) -> None:
        """Wait for the next turn where this one has been long enough."""
        if self._clock() >= self._over:
            await asyncio.sleep(0)
            self._over = self._clock() + self._length_s
