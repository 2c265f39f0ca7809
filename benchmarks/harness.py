"""How things are measured: in turns, in CPU time, and which processes take part."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

ROOT = Path(__file__).parent.parent
#: CPU time to spend on one sample of a function.
SAMPLE_S = 0.04
SECRET_KEY = "benchmark-secret-key"

T = TypeVar("T")


def in_turns(measures: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Every measure once per round, one after the other: what slows the machine meets all of them."""
    samples: dict[str, list[T]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            samples[name].append(measure())
    return samples


def cpu_us(call: Callable[[Any], object], arguments: Iterable[Any]) -> Callable[[], float]:
    """A measure: CPU microseconds a call, the arguments taken in turn without end."""
    given = list(arguments)

    def timed(calls: int) -> int:
        started = time.process_time_ns()
        for argument in itertools.islice(itertools.cycle(given), calls):
            call(argument)
        return time.process_time_ns() - started

    once = max(1, timed(len(given)) / len(given))
    calls = max(len(given), int(SAMPLE_S * 1e9 / once))

    def measure() -> float:
        gc.collect()
        return timed(calls) / calls / 1_000

    return measure


class Process:
    """A child process, its output in `log`. A context manager: it is ended in order at the end.

    `program` runs Python modules unless said otherwise.
    """

    def __init__(
        self,
        *command: str,
        env: Mapping[str, str],
        log: Path,
        program: Sequence[str] = (sys.executable, "-m"),
    ) -> None:
        self._log = log
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                [*program, *command], cwd=ROOT, env=dict(env), stdout=out, stderr=out
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(30)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._child.pid

    def cpu_s(self) -> float:
        """CPU seconds it has used, all threads, user and system: Linux' clock of another process."""
        return time.clock_gettime((~self._child.pid << 3) | 2)

    def said(self) -> str:
        """The end of its output."""
        return self._log.read_text(errors="replace")[-2_000:]

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None


class Group:
    """Several processes taken as one. A context manager: all are ended in order at the end."""

    def __init__(self, *members: Process) -> None:
        self._members = members

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.ExitStack() as stack:
            for member in self._members:
                stack.push(member)

    def cpu_s(self) -> float:
        """CPU seconds of all of them."""
        return sum(member.cpu_s() for member in self._members)

    def said(self) -> str:
        """The ends of their outputs."""
        return "\n".join(member.said() for member in self._members)

    @property
    def alive(self) -> bool:
        """Whether all of them still run."""
        return all(member.alive for member in self._members)


def environment(*, store_url: str, data_dir: Path, port: int = 0, **more: str) -> dict[str, str]:
    """The environment of a Kizashi process: no setting of the user's own reaches it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KIZASHI_")}
    return inherited | {
        "PORT": str(port or 8080),
        "KIZASHI_REDIS_URL": store_url,
        "KIZASHI_DATA_DIR": str(data_dir),
        "KIZASHI_SECRET_KEY": SECRET_KEY,
        "KIZASHI_ADMIN_TOKEN": "benchmark-admin-token",
        **more,
    }


async def until(
    condition: Callable[[], Awaitable[bool]], process: Process | Group | None = None, every: float = 0.005
) -> None:
    """Wait until `condition` holds. Raises RuntimeError when it does not within minutes, or `process` ends."""
    give_up = time.monotonic() + 180
    while not await condition():
        if time.monotonic() > give_up or (process and not process.alive):
            said = f"\n{process.said()}" if process else ""
            raise RuntimeError(f"never true: {condition.__qualname__}{said}")
        await asyncio.sleep(every)
