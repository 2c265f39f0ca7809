"""Resident memory of the web process and the worker under steady load: does it stay flat?

`python -m benchmarks --soak-minutes 30` writes benchmarks/rss.json, which docs/performance.md shows; every run of
the benchmarks takes some seconds of the same load.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from redis.asyncio import Redis

from benchmarks import growth
from benchmarks.backends import BATCH
from benchmarks.beacon import known_visitors, web
from benchmarks.harness import Process, environment, until
from benchmarks.load import at_rate
from benchmarks.results import Machine, Row, aimed, compared, single, this_machine
from benchmarks.returning import Returning
from benchmarks.visitors import event
from core.events import Event
from storage.connect import connect
from storage.embedded import Server
from streams.backend import publisher_for
from streams.plugins import log
from streams.topics import EVENTS, GROUP

FILE = Path(__file__).parent / "rss.json"
FAMILY = "Memory of the processes"
#: Page views a second: so few that a small machine has room for what else is measured.
RATE = 60
SHORT_S, SHORT_EVERY_S = 40.0, 1.0
EVERY_S = 10.0
#: Visitors whom the worker counts before a long load, so that its cache is full from the beginning, of records as
#: the load makes them: a page view, two events more in place of the experiences met, and so many in a hundred come
#: again and again.
WARM = 50_000
AGAIN = 55
#: Flat is what grows by less than this share after the first third of the run, in which other caches fill.
FLAT = 1.05
#: The goal is that of a run of so many seconds.
LONG_S = 1_800.0
MIB_KIB = 1_024


class Soak(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `rss_mib` is, for each process, its RSS (MiB) every `every_s` seconds from the load's start;
    `events` is how many were in the stream at the end, all of them counted by the worker, those before the load
    among them.
    """

    machine: Machine
    seconds: float
    every_s: float
    page_views_a_second: float
    page_views: int
    events: int
    visitors: int
    rss_mib: dict[str, list[float]]


class Trend(msgspec.Struct, frozen=True):
    """The straight line that fits best through a run without its first third: RSS (MiB) where it begins and
    ends, and how much it rises in an hour (MiB).
    """

    begin: float
    end: float
    an_hour: float


def rows() -> list[Row]:
    """The rows of a short run made now."""
    return described(run(SHORT_S, every_s=SHORT_EVERY_S))


def kept(path: Path = FILE) -> list[Row]:
    """The rows of the long run in `path`; none where there is no such run."""
    return described(read(path)) if path.exists() else []


def described(soak: Soak) -> list[Row]:
    """A run's rows. A run of less than LONG_S has no goal."""
    span, long = _span(soak.seconds), soak.seconds >= LONG_S
    found = []
    for name, samples in soak.rss_mib.items():
        line = trend(samples, soak.every_s)
        row = compared(
            FAMILY,
            f"RSS of {name} at the end of {span} of load",
            [line.end],
            "MiB",
            "the same after the first third",
            [line.begin],
        )
        found.append(aimed(row, "ratio", most=FLAT) if long else row)
        found.append(single(FAMILY, f"RSS of {name}, growth in those {span}", line.an_hour, "MiB an hour"))
    counts = f"{soak.page_views:,} page views of {soak.visitors:,} visitors"
    name = f"events in those {span}, from {counts}, and before them"
    return [*found, single(FAMILY, name, soak.events, "events")]


def _span(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds:g} seconds"


def trend(samples: list[float], every_s: float) -> Trend:
    """The line through the last two thirds of `samples`, by least squares."""
    taken = samples[len(samples) // 3 :]
    middle, mean = (len(taken) - 1) / 2, sum(taken) / len(taken)
    spread = sum((at - middle) ** 2 for at in range(len(taken)))
    rise = sum((at - middle) * (value - mean) for at, value in enumerate(taken)) / spread if spread else 0.0
    return Trend(mean - rise * middle, mean + rise * middle, rise * 3_600 / every_s)


def run(seconds: float, *, every_s: float, rate: float = RATE, warm: int = 0) -> Soak:
    """Load a web process and a worker for so long, sampling their RSS. Before that the worker has counted the
    visits of `warm` visitors.
    """
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "store") as store:
        home = Path(folder)
        tokens = asyncio.run(known_visitors(store.url))
        with web(store.url, home) as (process, port), _worker(store.url, home) as worker:
            asyncio.run(_warm_up(store.url, warm, worker))
            visitors = Returning(tokens, port)
            sampled = {"the web process": process, "the worker": worker}
            rss, events = asyncio.run(
                _load(visitors, store.url, sampled, seconds=seconds, every_s=every_s, rate=rate, port=port)
            )
        return Soak(
            machine=this_machine(store.url),
            seconds=seconds,
            every_s=every_s,
            page_views_a_second=rate,
            page_views=int(rate * seconds),
            events=events,
            visitors=visitors.count,
            rss_mib=rss,
        )


@contextlib.contextmanager
def _worker(store_url: str, home: Path) -> Iterator[Process]:
    env = environment(store_url=store_url, data_dir=home)
    with Process("cli.main", "worker", env=env, log=home / "worker.log") as process:
        yield process


async def _warm_up(store_url: str, count: int, worker: Process) -> None:
    """The visits of so many visitors whom the store knows."""
    rng = random.Random(2)
    async with connect(store_url) as redis:
        names = [f"{number:032x}" for number in range(count)]
        await growth.fill(redis, count, names)
        publisher = publisher_for(redis=redis, broker_url=None)
        for first in range(0, count, BATCH):
            visits = [_visit(rng, name) for name in names[first : first + BATCH]]
            await publisher.publish([made for visit in visits for made in visit])
            await _all_counted(redis, worker)  # the stream itself is not what is measured
        await publisher.close()


def _visit(rng: random.Random, name: str) -> list[Event]:
    """A page view, what was met there, and further page views of as many visitors as come again."""
    kinds = ["page", "engage", "engage"]
    while rng.randrange(100) < AGAIN:
        kinds.append("page")
    at = time.time_ns() // 1_000_000
    return [event(rng, at=at, visitor=name, kind=kind) for kind in kinds]


async def _all_counted(redis: Redis, worker: Process) -> int:
    """Wait until the worker has counted every event; how many there are."""
    events = await log.end(redis, (EVENTS, 0)) - 1

    async def counted() -> bool:
        return await _committed(redis) >= events

    await until(counted, worker, every=0.1)
    return events


async def _load(
    visitors: Returning,
    store_url: str,
    sampled: Mapping[str, Process],
    *,
    seconds: float,
    every_s: float,
    rate: float,
    port: int,
) -> tuple[dict[str, list[float]], int]:
    """What was sampled, and how many events there were; the worker has counted them all."""
    async with asyncio.TaskGroup() as group:  # where a process ends, so does the load
        samples = group.create_task(_sample(sampled, seconds=seconds, every_s=every_s))
        count = int(rate * seconds)
        await at_rate(
            visitors.requests(), port=port, rate=rate, count=count, status=200, heard=visitors.heard
        )
    async with connect(store_url) as redis:
        return samples.result(), await _all_counted(redis, sampled["the worker"])


async def _committed(redis: Redis) -> int:
    return sum(at - 1 for at in (await log.committed(redis, GROUP, [(EVENTS, 0)])).values())


async def _sample(
    sampled: Mapping[str, Process], *, seconds: float, every_s: float
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in sampled}
    started = time.monotonic()
    for number in range(1, int(seconds / every_s) + 1):
        await asyncio.sleep(max(0.0, started + number * every_s - time.monotonic()))
        for name, process in sampled.items():
            if not process.alive:
                raise RuntimeError(f"{name} has ended\n{process.said()}")
            found[name].append(round(rss_mib(process.pid), 1))
    return found


def rss_mib(pid: int) -> float:
    """Resident memory (MiB) of a process and of those it has started. Raises OSError where it has ended."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    children = [
        child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()
    ]
    return own / MIB_KIB + sum(rss_mib(int(child)) for child in children)


def write(soak: Soak, path: Path = FILE) -> None:
    """Write the JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(soak), indent=1) + b"\n")


def read(path: Path = FILE) -> Soak:
    """Read the JSON back. Raises msgspec.ValidationError where its shape is another."""
    return msgspec.json.decode(path.read_bytes(), type=Soak)
