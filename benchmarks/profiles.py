"""Where the time goes: the web process and the worker under Python's own profiler, by whose code it is and by what
is done, once they have started.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pstats
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks import beacon
from benchmarks.backends import Backend, preload, redis_streams
from benchmarks.harness import ROOT, Process, environment, until
from benchmarks.load import send
from benchmarks.results import Row, single
from core.events import Event
from storage.connect import connect
from storage.embedded import Server
from streams.plugins import log
from streams.topics import EVENTS as EVENTS_TOPIC
from streams.topics import GROUP
from tests.integration.exactly_once import clickstream

FAMILY = "What fell short"
#: Before the first of them are looked at, a tenth as many have been served.
REQUESTS, EVENTS = 2_000, 5_000
#: Rows of each process; what is less is left out.
MOST = 8
_BUILT_IN = "Python's and C's built-in functions, msgspec and system calls"

#: What is done, and the function that does it, with all that it calls.
Doing = Mapping[str, tuple[str, str]]
WEB: Doing = {
    "reading the body": ("server/body.py", "read_json"),
    "reading the profile": ("server/outage.py", "read"),
    "what the event does to the profile": ("server/decide.py", "ahead"),
    "deciding": ("server/decide.py", "decisions_for"),
    "publishing": ("streams/spool.py", "publish"),
    "writing the answer": ("server/collect.py", "_response"),
    "all of the handler": ("server/collect.py", "beacon"),
}
WORKER: Doing = {
    "what an event does to the profile": ("streams/recent.py", "advance"),
    "what is to be written beside it": ("streams/effects.py", "effects"),
    "packing profiles": ("streams/plugins/store.py", "_writes"),
    "writing": ("streams/plugins/writer.py", "write"),
    "all of the processor": ("streams/processor.py", "process"),
}


class Spent(NamedTuple):
    """Seconds in a function alone, and with all that it calls."""

    own: float
    whole: float


#: (file, function) -> the time in it.
Times = dict[tuple[str, str], Spent]


def rows() -> list[Row]:
    """Every row of this family."""
    return [*told("the web process", _web(), WEB), *told("the worker", _worker(), WORKER)]


def told(name: str, times: Times, doing: Doing) -> list[Row]:
    """A profile's rows. Raises KeyError for a function of `doing` that was never called."""
    owners: dict[str, float] = defaultdict(float)
    for (file, _), spent in times.items():
        owners[_whose(file)] += spent.own
    whole = sum(owners.values())
    shares = [(f"{name}: {one}", owners[one]) for one in sorted(owners, key=lambda one: -owners[one])[:MOST]]
    shares += [(f"{name}, {what}", _of(times, *where)) for what, where in doing.items()]
    return [single(FAMILY, title, 100 * spent / whole, "%") for title, spent in shares]


def _of(times: Times, path: str, function: str) -> float:
    """The time in a function of ours. Raises KeyError where there is none of that name."""
    return times[str(ROOT / path), function].whole


def _read(path: Path) -> Times:
    found: Times = {}
    stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
    for (file, _, function), (_, _, own, whole, _) in stats.items():
        before = found.get((file, function), Spent(0.0, 0.0))
        found[file, function] = Spent(before.own + own, before.whole + whole)
    return found


def _whose(file: str) -> str:
    if file in ("~", "<string>") or file.startswith("<"):
        return _BUILT_IN
    path = Path(file)
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1].removesuffix(".py")
    if path.is_relative_to(ROOT):
        return f"Kizashi's {path.relative_to(ROOT).parts[0]}/"
    return f"Python's {path.stem if path.parent.name.startswith('python') else path.parent.name}"


def _profiled(to: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "benchmarks.profiled", str(to))


def _web() -> Times:
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "store") as store:
        home, out = Path(folder), Path(folder) / "web.prof"
        tokens = asyncio.run(beacon.known_visitors(store.url, 500))
        with beacon.web(store.url, home, _profiled(out)) as (process, port):
            views = beacon.requests(itertools.cycle(tokens), port)
            asyncio.run(send(views, port=port, count=REQUESTS // 10, status=200))
            os.kill(process.pid, signal.SIGPROF)
            asyncio.run(send(views, port=port, count=REQUESTS, status=200))
        return _read(out)


def _worker() -> Times:
    with redis_streams() as backend, tempfile.TemporaryDirectory() as folder:
        out, home = Path(folder) / "worker.prof", Path(folder)
        events = clickstream(events=EVENTS + EVENTS // 10, visitors=1_000, seed=3)
        first, rest = events[: EVENTS // 10], events[EVENTS // 10 :]
        asyncio.run(preload(backend, first))
        env = environment(store_url=backend.store_url, data_dir=home)
        with Process(
            "cli.main", "worker", env=env, log=home / "worker.log", program=_profiled(out)
        ) as process:
            asyncio.run(_all_of(first, backend, process))
            os.kill(process.pid, signal.SIGPROF)
            asyncio.run(_more(rest, backend))
            asyncio.run(_all_of(events, backend, process))
        return _read(out)


async def _more(events: list[Event], backend: Backend) -> None:
    async with connect(backend.store_url) as redis:
        publisher = backend.publisher(redis)
        await publisher.publish(events)
        await publisher.close()


async def _all_of(events: list[Event], backend: Backend, process: Process) -> None:
    """Wait until the worker has counted every event."""
    async with connect(backend.store_url) as redis:

        async def counted() -> bool:
            at = await log.committed(redis, GROUP, [(EVENTS_TOPIC, 0)])
            return sum(at.values()) > len(events)

        await until(counted, process)
