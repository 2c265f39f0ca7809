"""A process's part of the spool: a directory of segments, locked as long as the process lives.

Several web processes share the spool directory. What a dead one leaves is taken over by exactly one that
lives: whoever gets the lock. The lock is an open file's (`flock`), so it ends with the process, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import Self

from streams.spool_file import Segment

LOCK = "lock"
SUFFIX = ".events"


class Home:
    """A locked directory and its segments, oldest first. Raises OSError."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path, self._lock = path, lock
        self.segments = [Segment(file) for file in sorted(path.glob(f"*{SUFFIX}"))]
        self._number = max((int(segment.path.stem) for segment in self.segments), default=0)

    @classmethod
    def make(cls, root: Path) -> Self:
        """A new one of this process's own."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = root / f"{os.getpid()}-{secrets.token_hex(4)}"
            path.mkdir(mode=0o700)
            try:
                lock = _lock(path)
                _sync_directory(root)
            except OSError:
                with contextlib.suppress(OSError):
                    path.rmdir()
                raise
            if lock is not None:
                return cls(path, lock)

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """The one at `path`, if whoever made it is dead and nobody else has adopted it."""
        lock = _lock(path)
        return None if lock is None else cls(path, lock)

    def add_segment(self) -> Segment:
        """A new, empty segment behind the others."""
        segment = Segment(self.path / f"{self._number + 1:08d}{SUFFIX}")
        self._number += 1
        self.segments.append(segment)
        _sync_directory(self.path)
        return segment

    def tidy(self) -> None:
        """Delete the segments that have been passed on."""
        for segment in [segment for segment in self.segments if segment.done]:
            self.segments.remove(segment)
            segment.remove()

    def close(self) -> None:
        """Let go of it: deleted when nothing is left in it, else there for the next process to adopt."""
        for segment in self.segments:
            segment.close()
        if not self.segments:
            with contextlib.suppress(OSError):
                (self.path / LOCK).unlink(missing_ok=True)
                self.path.rmdir()
        os.close(self._lock)


def _lock(path: Path) -> int | None:
    """The open lock file of a directory; None where another process has it, or has just deleted it."""
    try:
        fd = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        deleted = os.fstat(fd).st_nlink == 0
    except BlockingIOError:
        deleted = True
    if deleted:
        os.close(fd)
        return None
    return fd


def _sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
