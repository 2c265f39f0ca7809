"""`kizashi up` with real processes: each comes back when killed, and none outlives the supervisor."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import supervise
from cli.main import main
from cli.welcome import addresses, origins, with_origins
from core.errors import KizashiError
from server.config import from_env

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

#: Stands for web and worker: says which process it is by a file, and ends with its supervisor.
PROGRAM = """\
import os, pathlib, signal, sys
from storage import lifeline
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
lifeline.die_with_parent(lifeline.parent(os.environ))
pathlib.Path(sys.argv[2], f"{sys.argv[1]}.{os.getpid()}").touch()
signal.sigwait([signal.SIGTERM])
with open(pathlib.Path(sys.argv[2], "stopped"), "a") as file:
    file.write(sys.argv[1] + "\\n")
"""


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


class Run:
    """One `kizashi up` on its own data directory."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.data = home, home / "data"
        self.marks = home / "marks"
        self.marks.mkdir(exist_ok=True)
        program = home / "program.py"
        program.write_text(PROGRAM)
        self.procfile = home / "Procfile"
        stand_in = f"{sys.executable} {program}"
        self.procfile.write_text(
            f"valkey: kizashi valkey\nweb: {stand_in} web {self.marks}\nworker: {stand_in} worker {self.marks}\n"
        )
        self.environ = {
            **os.environ,
            "PORT": str(port),
            "KIZASHI_DATA_DIR": str(self.data),
            "KIZASHI_WEB_WORKERS": "2",
            "PYTHONPATH": str(ROOT),
        }
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        # Its own process group, as a terminal gives it: Ctrl-C goes to the whole group.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up", "--procfile", str(self.procfile)],
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        eventually(self.is_full)

    def is_full(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "it ended at once"
        return {name: len(pids) for name, pids in self.pids().items()} == FULL

    def refused(self, **environ: str) -> str:
        """What `up` says when it does not start."""
        done = CliRunner().invoke(
            main, ["up", "--procfile", str(self.procfile)], env={**self.environ, **environ}
        )
        assert done.exit_code == 1
        assert done.stdout == ""
        return done.stderr

    def pids(self) -> dict[str, set[int]]:
        """The processes that run now, by program."""
        found: dict[str, set[int]] = {"valkey": set(), "web": set(), "worker": set()}
        for mark in self.marks.glob("*.*"):
            name, _, pid = mark.name.partition(".")
            found[name].add(int(pid))
        lock = self.data / "valkey.lock"
        found["valkey"] |= {int(lock.read_text() or 0) if lock.exists() else 0}
        return {name: {pid for pid in pids if pid and alive(pid)} for name, pids in found.items()}

    def everything(self) -> set[int]:
        return set().union(*self.pids().values())

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


FULL = {"valkey": 1, "web": 2, "worker": 1}


@pytest.fixture
def run(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Run]:
    run = Run(tmp_path, free_port())
    yield run
    run.end()


def test_each_killed_process_comes_back_and_no_second_run_starts(
    run: Run, free_port: Callable[[], int]
) -> None:
    run.start()
    for name in FULL:
        before = run.pids()
        victim = min(before[name])
        os.kill(victim, signal.SIGKILL)
        eventually(lambda name=name, gone=victim: len(run.pids()[name] - {gone}) == FULL[name])
        after = run.pids()
        assert len(after[name] - before[name]) == 1
        assert {other: after[other] for other in FULL if other != name} == {
            other: before[other] for other in FULL if other != name
        }
    assert run.refused(PORT=str(free_port())) == f"kizashi: another `kizashi up` already runs on {run.data}\n"
    assert run.pids() == after


def test_a_killed_supervisor_leaves_no_orphan_and_can_start_again(run: Run) -> None:
    run.start()
    orphans = run.everything()
    assert run.process is not None
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait()
    eventually(lambda: not any(map(alive, orphans)))
    run.start()
    os.killpg(run.process.pid, signal.SIGHUP)  # as when the terminal is closed
    assert run.process.wait(timeout=60) == 0
    assert run.everything() == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_in_order(run: Run, number: signal.Signals) -> None:
    run.start()
    before = run.everything()
    assert run.process is not None
    os.killpg(run.process.pid, number)
    assert run.process.wait(timeout=60) == 0
    assert not any(map(alive, before))
    assert (run.marks / "stopped").read_text().split() == ["web", "web", "worker"]


def test_a_port_in_use_is_one_line(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = run.refused(PORT=str(port))
    assert said == f"kizashi: PORT: port {port} is in use; choose another with PORT=…\n"
    assert run.everything() == set()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"KIZASHI_DATA_DIR": __file__},
            f"KIZASHI_DATA_DIR: cannot write in {__file__}: it is not a directory",
        ),
        ({"KIZASHI_HOST": "192.0.2.1"}, "PORT: cannot listen on 192.0.2.1 port "),
        ({"KIZASHI_REDIS_URL": "unix:///nowhere.sock"}, "KIZASHI_REDIS_URL: the store does not answer: "),
        ({"PORT": "http"}, "PORT: 'http' is not a whole number; allowed: "),
    ],
)
def test_what_cannot_start_is_said_in_one_line(run: Run, environ: dict[str, str], said: str) -> None:
    line = run.refused(**environ)
    assert line.startswith(f"kizashi: {said}")
    assert line.count("\n") == 1
    assert run.everything() == set()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no process"),
        ("web: a\nweb: b\n", "names a process twice"),
        ("web: no-such-program-anywhere --now\n", "there is no program no-such-program-anywhere"),
    ],
)
def test_a_procfile_that_cannot_work_is_refused(text: str, said: str) -> None:
    with pytest.raises(KizashiError, match=said):
        supervise.programs(text)


def test_the_built_in_procfile_is_the_one_in_the_checkout() -> None:
    assert (ROOT / "Procfile").read_text(encoding="utf-8") == supervise.PROCFILE


def test_the_demo_answers_wherever_it_is_opened() -> None:
    settings = from_env({"PORT": "81", "KIZASHI_PUBLIC_URL": "https://Kz.example.com/here"})
    wanted = ["http://localhost:81", "http://127.0.0.1:81", "https://kz.example.com"]
    assert origins(settings) == wanted
    assert origins(from_env({})) == ["http://localhost:8080", "http://127.0.0.1:8080"]
    for written in ("[http://localhost:8080]", "\n  - http://a\n  - http://b", "\n- http://a"):
        text = f"site: demo\norigins: {written}\nname: あ # kept\n"
        assert with_origins(text, wanted) == f"site: demo\norigins: {wanted}\nname: あ # kept\n"


def test_the_addresses_are_the_public_ones() -> None:
    lines = addresses(from_env({"KIZASHI_PUBLIC_URL": "https://kz.example.com"}), demo=True)
    shown = [line.split()[-1] for line in lines if "://" in line]
    assert shown == [f"https://kz.example.com/demo/{page}" for page in ("", "live", "slack")]
