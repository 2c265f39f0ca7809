"""How many page views a second one web process carries, and how long an answer takes at a steady rate."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.beacon import FAMILY, YARDSTICK, Target, bare, known_visitors, requests, web
from benchmarks.harness import in_turns
from benchmarks.load import at_rate
from benchmarks.results import Row, aimed, compared
from storage.embedded import Server

#: The load that is asked for, and the rates that are tried until one is too high (requests a second).
ASKED = 10_000
RATES = (100, 200, 300, 450, 600, 800, 1_000, 1_250, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 7_000, ASKED)
#: Seconds that a rate is tried for, and how often before it counts as too high: a neighbour may have been busy.
STEP_S, TRIES = 2, 2
#: A server that keeps up answers the last quarter of them within this time, half of them (ms).
KEEPS_UP_MS = 100
#: Requests a second beside the highest rate that is carried; rounds at each, and the seconds of a round.
STEADY, ROUNDS, ROUND_S = 300, 3, 2
#: p99: at most so many times bare aiohttp's, and at most so many ms.
TIMES, AT_MOST_MS = 3, 5


def rows() -> list[Row]:
    """Every row of this family."""
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "store") as store:
        home = Path(folder)
        tokens = asyncio.run(known_visitors(store.url, 500))
        with web(store.url, home) as (process, port), bare(home, tokens) as other:
            known = Target(process, port, requests(itertools.cycle(tokens), port), 200)
            most = highest(lambda rate: _took(known, rate, STEP_S))
            found = [carried(most)]
            for rate in sorted({STEADY, most} - {0}):
                found += _latency(known, other, rate)
            return found


def highest(took: Callable[[int], Sequence[float]]) -> int:
    """The last rate of RATES that is carried before one that is not; 0 where the first is not. `took` are the
    times (ms) of the answers at a rate, in order.
    """
    good = itertools.takewhile(lambda rate: any(keeps_up(took(rate)) for _ in range(TRIES)), RATES)
    return max(good, default=0)


def keeps_up(took: Sequence[float]) -> bool:
    """Whether a load was carried: its last requests are answered as soon as they come."""
    return statistics.median(took[-(len(took) // 4) :]) <= KEEPS_UP_MS


def carried(most: int) -> Row:
    """What one process carries, beside what is asked for."""
    name = f"{ASKED:,} requests a second: one process carries"
    return aimed(
        compared(FAMILY, name, [most], "requests/s", "what is asked for", [ASKED]), "value", least=ASKED
    )


def _latency(own: Target, other: Target, rate: int) -> list[Row]:
    samples = in_turns(
        {"own": lambda: _took(own, rate, ROUND_S), "other": lambda: _took(other, rate, ROUND_S)}, ROUNDS
    )
    return described(samples["own"], samples["other"], rate)


def described(own: Sequence[Sequence[float]], other: Sequence[Sequence[float]], rate: int) -> list[Row]:
    """The rows of the rounds at a rate: what each answer took (ms), of Kizashi and of the yardstick."""

    def row(percent: int, name: str) -> Row:
        figures = ([percentile(one, percent) for one in rounds] for rounds in (own, other))
        return compared(FAMILY, f"p{percent} {name}", next(figures), "ms", YARDSTICK, next(figures))

    what = f"of a page view of a known visitor, {rate:,} requests a second"
    return [
        row(50, what),
        aimed(row(99, f"{what}, beside the yardstick's"), "ratio", most=TIMES),
        aimed(row(99, f"{what}, in itself"), "value", most=AT_MOST_MS),
    ]


def percentile(values: Sequence[float], percent: int) -> float:
    """So many in a hundred are at most this."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _took(target: Target, rate: int, seconds: float) -> list[float]:
    return asyncio.run(
        at_rate(target.requests, port=target.port, rate=rate, count=int(rate * seconds), status=target.status)
    )
