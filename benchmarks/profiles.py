"""Where the time goes: the web process and the worker under Python's own profiler, by whose code it is."""

from __future__ import annotations

import asyncio
import itertools
import pstats
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks import beacon, worker
from benchmarks.backends import preload, redis_streams
from benchmarks.harness import ROOT, Process, environment, until
from benchmarks.load import send
from benchmarks.results import Row, single
from storage import keys
from storage.connect import connect
from storage.embedded import Server
from tests.integration.exactly_once import clickstream

FAMILY = "What fell short"
REQUESTS, EVENTS = 2_000, 5_000
#: Rows of each process; what is less is left out.
MOST = 8
_BUILT_IN = "Python's and C's built-in functions, msgspec and system calls"


def rows() -> list[Row]:
    """Every row of this family."""
    return [*_shares("the web process", _web()), *_shares("the worker", _worker())]


def _shares(name: str, stats: pstats.Stats) -> list[Row]:
    spent: Counter[str] = Counter()
    for (file, _, _), (_, _, own, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        spent[_whose(file)] += own
    whole = sum(spent.values())
    return [
        single(FAMILY, f"{name}: {whose}", 100 * own / whole, "%") for whose, own in spent.most_common(MOST)
    ]


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
    return (sys.executable, "-m", "cProfile", "-o", str(to), "-m")


def _web() -> pstats.Stats:
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "store") as store:
        home, out = Path(folder), Path(folder) / "web.prof"
        tokens = asyncio.run(beacon.known_visitors(store.url, 500))
        with beacon.web(store.url, home, _profiled(out)) as (_, port):
            views = beacon.requests(itertools.cycle(tokens), port)
            asyncio.run(send(views, port=port, count=REQUESTS, status=200))
        return pstats.Stats(str(out))


def _worker() -> pstats.Stats:
    with redis_streams() as backend, tempfile.TemporaryDirectory() as folder:
        out, home = Path(folder) / "worker.prof", Path(folder)
        events = clickstream(events=EVENTS, visitors=1_000, seed=3)
        asyncio.run(preload(backend, worker.between(events, backend.partitions)))
        env = environment(store_url=backend.store_url, data_dir=home)
        with Process(
            "cli.main", "worker", env=env, log=home / "worker.log", program=_profiled(out)
        ) as process:
            asyncio.run(_done(backend.store_url, process))
        return pstats.Stats(str(out))


async def _done(store_url: str, process: Process) -> None:
    last = keys.profile("demo", worker.lasts(1)[0])
    async with connect(store_url) as redis:

        async def done() -> bool:
            return bool(await redis.exists(last))

        await until(done, process)
