"""The stream worker: events a second and CPU an event on a backlog, beside a bare consumer of the same broker."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from msgspec.structs import replace

from benchmarks.backends import Backend, preload
from benchmarks.harness import Process, in_turns, until
from benchmarks.results import Row, aimed, compared, not_measured
from core.events import Event
from storage import keys
from storage.connect import connect
from streams.topics import event_key, partition_of
from tests.integration.exactly_once import clickstream
from tests.kafka import Unavailable

ROUNDS = 3
EVENTS, VISITORS = 30_000, 2_000
BACKLOG, BACKLOG_VISITORS = 100_000, 10_000
#: Visitors of one event each, one per partition before the others and one behind them: their records tell when a
#: run begins and ends.
FIRST, LAST = "first", "last"


class Drained(NamedTuple):
    """One backlog drained. `lag_s` is from the start of the process to the last event's record."""

    cpu_us: float
    per_s: float
    lag_s: float


def rows(backends: Sequence[Callable[[], AbstractContextManager[Backend]]]) -> list[Row]:
    """Every row of this family, for each backend."""
    families = [_rows(start) for start in backends]
    speeds = [found[0] for found in families if found[0].value is not None]
    return [row for found in families for row in found] + _beside_each_other(speeds)


def _beside_each_other(speeds: Sequence[Row]) -> list[Row]:
    """Kafka's cost an event beside that of Redis Streams, where both were measured."""
    if len(speeds) < 2:
        return []
    own, other = speeds[1], speeds[0]
    yardstick = other.family.removeprefix("The ")
    row = compared(own.family, "CPU of an event", [own.value or 0], "µs CPU", yardstick, [other.value or 0])
    return [aimed(row, "ratio", most=1.5)]


def _rows(start: Callable[[], AbstractContextManager[Backend]]) -> list[Row]:
    try:
        with start() as backend:
            return _throughput(backend) + _lag(backend)
    except Unavailable as reason:
        print(f"\nNOT MEASURED, the worker on Kafka: {reason}\n", file=sys.stderr, flush=True)
        return [not_measured("The worker on Kafka", "this machine can have no Kafka broker")]


def _throughput(backend: Backend) -> list[Row]:
    events = between(clickstream(events=EVENTS, visitors=VISITORS, seed=1), backend.partitions)
    worker, bare = _in_turns(backend, events, ROUNDS)
    family, yardstick = f"The worker on {backend.name}", "a bare consumer loop"
    size = f"{EVENTS:,} events, {VISITORS:,} visitors"
    cpu = compared(
        family,
        f"CPU of an event ({size})",
        [one.cpu_us for one in worker],
        "µs CPU",
        yardstick,
        [one.cpu_us for one in bare],
    )
    return [
        aimed(cpu, "ratio", most=2),
        compared(
            family,
            f"throughput ({size})",
            [one.per_s for one in worker],
            "events/s",
            yardstick,
            [one.per_s for one in bare],
        ),
    ]


def _lag(backend: Backend) -> list[Row]:
    events = between(clickstream(events=BACKLOG, visitors=BACKLOG_VISITORS, seed=2), backend.partitions)
    worker, bare = _in_turns(backend, events, 1)
    name = f"from its start to the end of a backlog of {BACKLOG:,} events, {BACKLOG_VISITORS:,} visitors"
    return [
        compared(
            f"The worker on {backend.name}",
            name,
            [one.lag_s for one in worker],
            "s",
            "a bare consumer loop",
            [one.lag_s for one in bare],
        )
    ]


def _in_turns(backend: Backend, events: list[Event], rounds: int) -> tuple[list[Drained], list[Drained]]:
    samples = in_turns(
        {
            "worker": lambda: asyncio.run(_drain(backend, backend.worker, events)),
            "bare": lambda: asyncio.run(_drain(backend, backend.bare_consumer, events)),
        },
        rounds,
    )
    return samples["worker"], samples["bare"]


def between(events: list[Event], partitions: int) -> list[Event]:
    """`events` with the marks before and behind them."""

    def marks(kind: str) -> list[Event]:
        return [replace(events[0], id=name, visitor=name) for name in _one_in_each(kind, partitions)]

    return [*marks(FIRST), *events, *marks(LAST)]


def lasts(partitions: int) -> list[str]:
    """The visitors of the marks that come last."""
    return _one_in_each(LAST, partitions)


def _one_in_each(kind: str, partitions: int) -> list[str]:
    """A visitor of each partition."""
    names = (f"{kind}{number}" for number in itertools.count())
    found: dict[int, str] = {}
    while len(found) < partitions:
        name = next(names)
        found.setdefault(partition_of(event_key("demo", name).encode(), partitions), name)
    return list(found.values())


async def _drain(backend: Backend, start: Callable[[], Process], events: list[Event]) -> Drained:
    await preload(backend, events)
    firsts, lasts = (
        [keys.profile("demo", name) for name in _one_in_each(kind, backend.partitions)]
        for kind in (FIRST, LAST)
    )
    async with connect(backend.store_url) as redis:

        async def begun() -> bool:
            return bool(await redis.exists(*firsts))

        async def done() -> bool:
            return bool(await redis.exists(*lasts) == len(lasts))

        started = time.perf_counter()
        with start() as process:
            await until(begun, process)
            began, cpu = time.perf_counter(), process.cpu_s()
            await until(done, process)
            ended, used = time.perf_counter(), process.cpu_s() - cpu
    counted = len(events) - len(firsts) - len(lasts)
    return Drained(cpu_us=used * 1e6 / counted, per_s=counted / (ended - began), lag_s=ended - started)
