"""Two web processes that share a port, beside one: requests a second, and CPU a request, under the same load."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.beacon import Target, known_visitors, requests, web_process
from benchmarks.harness import Group, in_turns, until
from benchmarks.load import CONNECTIONS, free_port, listeners
from benchmarks.results import Row, aimed, compared, cores
from storage.embedded import Server

FAMILY = "Two web processes"
ROUNDS = 3
#: Cores from which on two web processes have one each, beside the load generator and the store.
ENOUGH = 4
#: How much more two are to answer than one; and so what a request may cost of CPU, if they had a core each.
GOAL = 1.8
DEARER = round(2 / GOAL, 2)


class Answered(NamedTuple):
    """A round: CPU of all web processes a request, requests a second, their share of all cores' time (0 to 1)."""

    cpu_us: float
    per_s: float
    share: float


def rows() -> list[Row]:
    """Every row of this family."""
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "store") as store:
        home = Path(folder)
        tokens = asyncio.run(known_visitors(store.url))
        with _webs(store.url, home, 1, tokens) as one, _webs(store.url, home, 2, tokens) as two:
            measures: dict[str, Callable[[], Answered]] = {
                "one": lambda: _round(one),
                "two": lambda: _round(two),
            }
            samples = in_turns(measures, ROUNDS + 1)
    return described(samples["one"][1:], samples["two"][1:], cores())


def described(one: Sequence[Answered], two: Sequence[Answered], cores: int) -> list[Row]:
    """The rows of the rounds of one process and of two. Where there are too few cores for two, the requests a
    second have no goal.
    """
    size = f"{CONNECTIONS} connections, {cores} cores"
    figures: list[tuple[str, str, Callable[[Answered], float]]] = [
        (f"page views of known visitors by two web processes, {size}", "requests/s", lambda it: it.per_s),
        ("CPU of a page view, two web processes", "µs CPU", lambda it: it.cpu_us),
        ("share of all cores' time that the web processes had", "%", lambda it: 100 * it.share),
    ]
    per_s, cpu, share = (
        compared(FAMILY, name, [*map(figure, two)], unit, "one web process", [*map(figure, one)])
        for name, unit, figure in figures
    )
    per_s = aimed(per_s, "ratio", least=GOAL) if cores >= ENOUGH else per_s
    return [per_s, aimed(cpu, "ratio", most=DEARER), share]


@contextlib.contextmanager
def _webs(store_url: str, home: Path, count: int, tokens: Sequence[str]) -> Iterator[Target]:
    """So many web processes on one port."""
    port = free_port()

    async def all_listen() -> bool:
        return listeners(port) == count

    with Group(*(web_process(store_url, home, port) for _ in range(count))) as group:
        asyncio.run(until(all_listen, group))
        yield Target(group, port, requests(itertools.cycle(tokens), port), 200)


def _round(target: Target) -> Answered:
    used, started = target.process.cpu_s(), time.perf_counter()
    sample = target.sample(CONNECTIONS)
    took, used = time.perf_counter() - started, target.process.cpu_s() - used
    return Answered(sample.cpu_us, sample.per_s, used / took / cores())
