"""A circuit breaker: while something is away, one caller in a while finds out, the others do not wait."""

from __future__ import annotations

#: Seconds between tries while something is away.
PAUSE_S = 1.0


class Breaker:
    """Whether to try. `now` is seconds of one monotonic clock."""

    def __init__(self, *, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s
        self._retry_at: float | None = None

    @property
    def away(self) -> bool:
        """Whether the last try failed."""
        return self._retry_at is not None

    def allows(self, now: float) -> bool:
        """True while all is well; while it is away, for one caller per pause: its try tells the others."""
        if self._retry_at is None:
            return True
        if now < self._retry_at:
            return False
        self._retry_at = now + self._pause_s
        return True

    def failed(self, now: float) -> None:
        """A try failed: away for a pause."""
        self._retry_at = now + self._pause_s

    def succeeded(self) -> None:
        """A try succeeded: it is back."""
        self._retry_at = None
