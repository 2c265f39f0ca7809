"""When to send, as values: how long to wait after a failure, and what is too old to be news."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_MS = 60_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Pacing:
    """Waits in seconds, ages in milliseconds.

    `base_s` doubles with each failure up to `cap_s`. Alerts older than `stale_ms` are no news: more than
    `singles` of them become one digest, once none has joined them for `quiet_s` (waiting at most
    `gather_s`). An alert that could not be sent for `give_up_ms` has failed.
    """

    base_s: float = 1.0
    cap_s: float = 60.0
    stale_ms: int = 15 * MINUTE_MS
    singles: int = 2
    quiet_s: float = 2.0
    gather_s: float = 30.0
    give_up_ms: int = 24 * 60 * MINUTE_MS

    def delay_s(self, failures: int, jitter: float) -> float:
        """The wait after that many failures in a row; `jitter` in [0, 1) spreads it over its upper half."""
        whole = min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, 30))
        return whole * (0.5 + jitter / 2)
