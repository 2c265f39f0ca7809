"""The spool on disk: a bounded queue of records, durable when `append` returns, across the death of processes.

Blocking: call it from one thread at a time. Nothing is made on disk before there is something to keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.errors import StoreUnavailable
from streams.spool_file import HEAD, Segment
from streams.spool_home import Home

#: The most that one process holds on disk, in bytes.
MAX_BYTES = 256 << 20
#: A segment that has been passed on is deleted, so at most so much is both on disk and in the stream.
SEGMENT_BYTES = 8 << 20


class SpoolDisk:
    """The queue of one process: what it adopted from dead ones first, then its own."""

    def __init__(self, root: Path, *, max_bytes: int = MAX_BYTES, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._root, self._max_bytes, self._segment_bytes = root, max_bytes, segment_bytes
        self._adopted: list[Home] = []
        self._own: Home | None = None
        self._peeked: tuple[Segment, int] | None = None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for home in self._homes() for segment in home.segments)

    @property
    def empty(self) -> bool:
        """Whether everything has been passed on."""
        return all(segment.done for home in self._homes() for segment in home.segments)

    def append(self, groups: Sequence[Sequence[bytes]]) -> int:
        """Keep as many groups of records as there is room for, from the first on: how many, durably.

        Raises StoreUnavailable where the disk does not take them; then none is kept.
        """
        room, kept = self._max_bytes - self.size, 0
        for group in groups:
            room -= sum(len(payload) + HEAD.size for payload in group)
            if room < 0:
                break
            kept += 1
        if kept:
            try:
                self._tail().append([payload for group in groups[:kept] for payload in group])
            except OSError as error:
                raise StoreUnavailable(f"the spool cannot be written: {error}") from error
        return kept

    def _tail(self) -> Segment:
        self._own = self._own or Home.make(self._root)
        segments = self._own.segments
        if not segments or segments[-1].size >= self._segment_bytes:
            return self._own.add_segment()
        return segments[-1]

    def peek(self) -> list[bytes]:
        """The oldest records; none when all have been passed on. Raises OSError."""
        for segment in [segment for home in self._homes() for segment in home.segments]:
            payloads, end = segment.read()
            if payloads:
                self._peeked = segment, end
                return payloads
        self._let_go()
        return []

    def advance(self) -> None:
        """What was peeked last is in the stream. Raises OSError."""
        if self._peeked is None:
            return
        segment, end = self._peeked
        segment.read_to, self._peeked = end, None
        for home in self._homes():
            home.tidy()

    def adopt(self) -> bool:
        """Take over what dead processes left; whether anything waits now. Raises OSError."""
        if not self._root.is_dir():
            return False
        held = {home.path for home in self._homes()}
        for path in sorted(self._root.iterdir()):
            if path.is_dir() and path not in held and (home := Home.adopt(path)) is not None:
                self._adopted.append(home)
        self._let_go()
        return not self.empty

    def close(self) -> None:
        """Let go of everything; what is left is there for the next process."""
        for home in self._homes():
            home.tidy()
            home.close()
        self._adopted, self._own = [], None

    def _let_go(self) -> None:
        """Delete what has been passed on, and adopted directories that have nothing left in them."""
        for home in self._homes():
            home.tidy()
        for home in [home for home in self._adopted if not home.segments]:
            home.close()
            self._adopted.remove(home)

    def _homes(self) -> list[Home]:
        return [*self._adopted, *([self._own] if self._own else [])]
