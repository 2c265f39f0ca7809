"""What must hold before `kizashi up` starts anything: each check passes, or raises one clear line."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from core.errors import KizashiError, SettingsError, StoreUnavailable
from server.config import Settings
from storage import embedded

#: After a killed run its processes need a moment to disappear.
GRACE_S = 1.5
STORE_WAIT_S = 3.0

T = TypeVar("T")


def writable(data_dir: Path) -> None:
    """The data directory is there, or can be made, and can be written."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=data_dir) as file:
            file.write(b"written\n")
    except OSError as error:
        reason = "it is not a directory" if isinstance(error, FileExistsError) else error.strerror
        raise SettingsError(f"KIZASHI_DATA_DIR: cannot write in {data_dir}: {reason}") from None


def only_run(data_dir: Path) -> int:
    """No other `kizashi up` uses this data directory; returns a descriptor to keep open until the end."""
    return _patiently(lambda: _lock(data_dir / "up.lock"))


def _lock(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise KizashiError(f"another `kizashi up` already runs on {path.parent}") from None
    return fd


def store(settings: Settings) -> None:
    """The given store answers; or, without one, the embedded server can start."""
    if settings.redis_url is None:
        embedded.find_server()
        _patiently(lambda: os.close(embedded.lock(settings.data_dir)))
        return
    try:
        asyncio.run(embedded.wait_ready(settings.redis_url, STORE_WAIT_S))
    except StoreUnavailable as error:
        raise StoreUnavailable(f"KIZASHI_REDIS_URL: {error}") from None


def port_free(host: str, port: int) -> None:
    """Nobody else listens there."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SettingsError(f"KIZASHI_HOST: cannot listen on {host}: {error.strerror}") from None
    _patiently(lambda: _bind(socket.socket(family, kind, proto), address, port))


def _bind(probe: socket.socket, address: tuple[object, ...], port: int) -> None:
    with probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise KizashiError(f"PORT: port {port} is in use; choose another with PORT=…") from None
            raise SettingsError(
                f"PORT: cannot listen on {address[0]} port {port}: {error.strerror}"
            ) from None


def _patiently(check: Callable[[], T]) -> T:
    """What is taken may become free in a moment; a wrong setting never becomes right."""
    give_up = time.monotonic() + GRACE_S
    while True:
        try:
            return check()
        except SettingsError:
            raise
        except KizashiError:
            if time.monotonic() >= give_up:
                raise
        time.sleep(0.1)
