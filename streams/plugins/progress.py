"""How far a partition is done, where batches are begun in order. No Faust in here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Progress:
    """The batches of one partition since the last seek, each known by the offset of its last record.

    A batch that was begun and is never finished holds back all after it: nothing is committed over a hole.
    """

    def __init__(self) -> None:
        self._begun: deque[int] = deque()
        self._finished: set[int] = set()
        #: The offset after the last one done; None where nothing is done yet.
        self.reached: int | None = None

    @property
    def under_way(self) -> int:
        """Batches that are begun and hold back what is committed."""
        return len(self._begun)

    def begin(self, last: int) -> None:
        """A batch is on its way to the agent."""
        self._begun.append(last)

    def finish(self, lasts: Iterable[int]) -> None:
        """Batches are done. Those begun before the last seek are nobody's any more."""
        self._finished.update(lasts)
        while self._begun and self._begun[0] in self._finished:
            last = self._begun.popleft()
            self._finished.discard(last)
            self.reached = last + 1
