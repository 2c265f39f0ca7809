"""Which errors are news to the operator: a template that fails for every visitor is told once a minute."""

from __future__ import annotations

from collections.abc import Iterable

EVERY_MS = 60_000
#: Different errors that are remembered; beyond it the oldest is forgotten, and would be told again.
MOST = 1_000


class Complaints:
    """Remembers what was told when. Mutable: one for each process."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def news(self, errors: Iterable[str], now: int) -> list[str]:
        """Those of `errors` (`Decisions.errors`) not told within a minute. `now` is epoch ms."""
        return [error for error in errors if self._is_news(error, now)]

    def _is_news(self, error: str, now: int) -> bool:
        at = self._told.get(error)
        if at is not None and 0 <= now - at < EVERY_MS:
            return False
        self._told.pop(error, None)
        if len(self._told) >= MOST:
            del self._told[next(iter(self._told))]
        self._told[error] = now
        return True
