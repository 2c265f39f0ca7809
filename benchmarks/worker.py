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
EVENTS, VISITORS = 10_000, 800
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
            return _speed(backend)
    except Unavailable as reason:
        print(f"\nNOT MEASURED, the worker on Kafka: {reason}\n", file=sys.stderr, flush=True)
        return [not_measured("The worker on Kafka", "this machine can have no Kafka broker")]


def _speed(backend: Backend) -> list[Row]:
    events = between(clickstream(events=EVENTS, visitors=VISITORS, seed=1), backend.partitions)
    worker, bare = _in_turns(backend, events, ROUNDS)
    family, yardstick = f"The worker on {backend.name}", "a bare consumer loop"
    size = f"{EVENTS:,} events, {VISITORS:,} visitors"

    def beside(name: str, unit: str, figure: Callable[[Drained], float]) -> Row:
        return compared(family, name, [*map(figure, worker)], unit, yardstick, [*map(figure, bare)])

    return [
        aimed(beside(f"CPU of an event ({size})", "µs CPU", lambda one: one.cpu_us), "ratio", most=2),
        beside(f"throughput ({size})", "events/s", lambda one: one.per_s),
        beside(f"from its start to the end of a backlog of {size}", "s", lambda one: one.lag_s),
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
        return [replace(events[0], id=name, visitor=name) for name in one_in_each(kind, partitions)]

    return [*marks(FIRST), *events, *marks(LAST)]


def lasts(partitions: int) -> list[str]:
    """The visitors of the marks that come last."""
    return one_in_each(LAST, partitions)


def one_in_each(kind: str, partitions: int) -> list[str]:
    """A visitor of each partition, whose name begins with `kind`."""
    names = (f"{kind}{number}" for number in itertools.count())
    found: dict[int, str] = {}
    while len(found) < partitions:
        name = next(names)
        found.setdefault(partition_of(event_key("demo", name).encode(), partitions), name)
    return list(found.values())


async def _drain(backend: Backend, start: Callable[[], Process], events: list[Event]) -> Drained:
    await preload(backend, events)
    firsts, lasts = (one_in_each(kind, backend.partitions) for kind in (FIRST, LAST))
    return await drained(
        backend.store_url, start, count=len(events) - len(firsts) - len(lasts), firsts=firsts, lasts=lasts
    )


async def drained(
    store_url: str, start: Callable[[], Process], *, count: int, firsts: Sequence[str], lasts: Sequence[str]
) -> Drained:
    """What it takes the process to count the `count` events that lie between those of the visitors `firsts` and
    those of `lasts`.
    """
    before, behind = ([keys.profile("demo", name) for name in names] for names in (firsts, lasts))
    async with connect(store_url) as redis:

        async def begun() -> bool:
            return bool(await redis.exists(*before))

        async def done() -> bool:
            return bool(await redis.exists(*behind) == len(behind))

        started = time.perf_counter()
        with start() as process:
            await until(begun, process)
            began, cpu = time.perf_counter(), process.cpu_s()
            await until(done, process)
            ended, used = time.perf_counter(), process.cpu_s() - cpu
    return Drained(cpu_us=used * 1e6 / count, per_s=count / (ended - began), lag_s=ended - started)
