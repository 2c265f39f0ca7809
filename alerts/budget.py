"""How many messages a channel gets, so that a burst does not bury it. Times are seconds of one clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """At most `limit` messages to a channel within `window_s`. A quarter of them is kept for digests (evenly
    spread) and for urgent alerts: after a burst, nobody waits for the whole window.
    """

    limit: int = 60
    window_s: float = 600.0

    @property
    def reserve(self) -> int:
        """How many of the messages are not for single alerts."""
        return self.limit // 4

    @property
    def spacing_s(self) -> float:
        """At least so long between two digests."""
        return self.window_s / self.reserve if self.reserve else 0.0


class Spent:
    """What a channel has spent of its budget. Kept in memory on a clock that no one can set back."""

    def __init__(self, budget: Budget, *, ages_s: Iterable[float] = (), now: float = 0.0) -> None:
        """`ages_s` are the ages of messages posted before this process began."""
        self._budget = budget
        kept = sorted((min(max(age, 0.0), budget.window_s) for age in ages_s), reverse=True)
        self._posts = deque(now - age for age in kept)
        self._digest_at: float | None = None

    def add(self, now: float, *, digest: bool = False) -> None:
        """A message was posted."""
        self._posts.append(now)
        self._digest_at = now if digest else self._digest_at

    def single_wait(self, now: float) -> float:
        """Seconds until a single alert may be posted; 0: now."""
        return self._wait(now, self._budget.limit - self._budget.reserve)

    def urgent_wait(self, now: float) -> float:
        """Seconds until an urgent alert may be posted."""
        return self._wait(now, self._budget.limit)

    def digest_wait(self, now: float) -> float:
        """Seconds until a digest may be posted."""
        spaced = 0.0 if self._digest_at is None else self._digest_at + self._budget.spacing_s - now
        return max(0.0, spaced, self._wait(now, self._budget.limit))

    def _wait(self, now: float, limit: int) -> float:
        while self._posts and now - self._posts[0] >= self._budget.window_s:
            self._posts.popleft()
        over = len(self._posts) - limit
        if over < 0:
            return 0.0
        return max(0.0, self._posts[min(over, len(self._posts) - 1)] + self._budget.window_s - now)
