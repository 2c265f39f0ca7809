"""One file of the spool: records appended at its end, each with its length and checksum, read from its start."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import structlog

#: Before each record: its length and the CRC-32 of its bytes.
HEAD = struct.Struct(">II")
#: How much is read at a time, in bytes. No record is larger: an event is at most 32 KB on the wire.
READ_BYTES = 256 << 10

log = structlog.get_logger()


def frame(payload: bytes) -> bytes:
    """A record as written. `payload` is not empty."""
    return HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def unframe(data: bytes) -> tuple[list[bytes], int]:
    """The whole, undamaged records at the start of `data`, and how many bytes they take."""
    payloads, at = [], 0
    while at + HEAD.size <= len(data):
        length, checksum = HEAD.unpack_from(data, at)
        payload = data[at + HEAD.size : at + HEAD.size + length]
        # A length of zero is never written: a tail of zeros, as a power cut leaves it, has a valid checksum.
        if not length or len(payload) < length or zlib.crc32(payload) != checksum:
            break
        payloads.append(payload)
        at += HEAD.size + length
    return payloads, at


class Segment:
    """An open segment. `size` is where what is durable ends, `read_to` what has been passed on. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self._fd).st_size
        self.read_to = 0

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write the records and wait for the disk. Where that fails, nothing of them is left."""
        data = memoryview(b"".join(map(frame, payloads)))
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._fd, data[written:], self.size + written)
            os.fsync(self._fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.size)
            raise
        self.size += written

    def read(self) -> tuple[list[bytes], int]:
        """The next records and where they end. A damaged rest counts as read."""
        data = os.pread(self._fd, min(READ_BYTES, self.size - self.read_to), self.read_to)
        payloads, length = unframe(data)
        if not payloads and self.read_to < self.size:
            self._drop_the_rest()
        return payloads, self.read_to + length

    def _drop_the_rest(self) -> None:
        # What a crash tore was never answered as accepted; the rest of a file that the disk damaged is lost.
        log.error("damaged end of a spool file ignored", file=self.path.name, bytes=self.size - self.read_to)
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self.read_to)
        self.size = self.read_to

    @property
    def done(self) -> bool:
        """Whether everything in it has been passed on."""
        return self.read_to >= self.size

    def remove(self) -> None:
        """Close and delete it."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close it; what is in it stays."""
        os.close(self._fd)
