"""The embedded Valkey: what it keeps, and whom it does not outlive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from core.errors import KizashiError, StoreUnavailable
from storage.connect import connect
from storage.embedded import LONGEST_SOCKET_PATH, Server, exec_server, lock, socket_path, wait_ready

ROOT = Path(__file__).parents[2]


def eventually(condition: Callable[[], object], timeout: float = 30) -> None:
    give_up = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_what_was_acknowledged_survives_sigkill(own_valkey: Server) -> None:
    async with connect(own_valkey.url) as client:
        for number in range(500):
            await client.xadd("s", {"n": number}, id=f"0-{number + 1}")
    own_valkey.restart()
    async with connect(own_valkey.url) as client:
        kept = [int(fields[b"n"]) for _, fields in await client.xrange("s")]
    assert kept == list(range(500))


async def test_it_is_set_up_to_lose_nothing_and_to_be_private(valkey: Server) -> None:
    wanted = {
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
        "port": "0",
        "save": "",
        "protected-mode": "yes",
    }
    async with connect(valkey.url, decode=True) as client:
        assert await client.config_get(*wanted) == wanted
    assert socket_path(valkey.data_dir).stat().st_mode & 0o777 == 0o700


def test_a_second_server_on_the_same_directory_is_refused(own_valkey: Server) -> None:
    process = own_valkey.process
    assert process is not None
    with pytest.raises(KizashiError, match=rf"\(process {process.pid}\) already uses"):
        exec_server(own_valkey.data_dir)
    command = [sys.executable, "-m", "cli.main", "valkey"]
    environ = {**os.environ, "KIZASHI_DATA_DIR": str(own_valkey.data_dir)}
    second = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "already uses" in second.stderr
    assert process.poll() is None


def test_the_lock_goes_with_the_server(own_valkey: Server) -> None:
    with pytest.raises(KizashiError, match="already uses"):
        lock(own_valkey.data_dir)
    own_valkey.kill()
    fd = lock(own_valkey.data_dir)
    assert fd > 2
    os.close(fd)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time; from storage.embedded import Server;"
        "server = Server(pathlib.Path(sys.argv[1])); server.start();"
        "print(server.process.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            server = next(int(line) for line in parent.stdout if line.strip().isdigit())
            assert alive(server)
        finally:
            parent.kill()
    eventually(lambda: not alive(server))
    with Server(tmp_path):  # at once: neither lock nor socket is in the way
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a watching process does this")
def test_it_does_not_start_when_its_parent_is_gone_already(tmp_path: Path) -> None:
    environ = {**os.environ, "KIZASHI_SUPERVISED": str(2**22 + 1), "KIZASHI_DATA_DIR": str(tmp_path)}
    orphan = subprocess.run([sys.executable, "-m", "cli.main", "valkey"], cwd=ROOT, env=environ, timeout=60)
    assert orphan.returncode == -signal.SIGKILL


async def test_a_long_path_gets_a_short_private_socket(tmp_path: Path) -> None:
    data_dir = tmp_path / ("深い" * 20) / "data"
    assert len(os.fsencode(data_dir / "valkey.sock")) > LONGEST_SOCKET_PATH
    with Server(data_dir) as server:
        path = socket_path(data_dir)
        assert len(os.fsencode(path)) <= LONGEST_SOCKET_PATH
        assert path.parent.stat().st_mode & 0o777 == 0o700
        async with connect(server.url, decode=True) as client:
            await client.set("k", "v")
            assert await client.get("k") == "v"
        assert (data_dir / "valkey").is_dir()


def test_each_directory_has_its_own_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 150)
    paths = {socket_path(base / name) for base in (tmp_path, deep) for name in ("a", "b")}
    assert len(paths) == 4


async def test_waiting_for_a_store_that_is_not_there_says_why(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="the store does not answer: Error 2 connecting"):
        await wait_ready(f"unix://{tmp_path}/none.sock", 0.1)


async def test_a_command_is_not_repeated_when_its_answer_is_lost(own_valkey: Server) -> None:
    async with connect(own_valkey.url) as client:
        await client.incr("n")
        await client.client_kill_filter(skipme=False, _type="normal")
        with pytest.raises(RedisConnectionError):
            await client.incr("n")
        assert int(await client.get("n")) == 1
