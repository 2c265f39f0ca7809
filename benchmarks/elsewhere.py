"""The goals in microseconds were set on a faster machine: what a time measured here would be there.

By the rule of three: bare aiohttp answering 204 took so much CPU a request there, and takes so much here. The
rule is rough, since two machines do not differ by one factor in all they do; no goal counts as reached by it.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.beacon import YARDSTICK
from benchmarks.results import Row

#: CPU (µs) of a request to bare aiohttp answering 204 over 64 connections on the machine of the goals.
BARE_THERE = 23.8
UNIT = "µs CPU"


def bare_here(rows: Sequence[Row]) -> float | None:
    """The least that it took in this run, in µs: more would flatter. None where it was not measured."""
    found = [row.beside for row in rows if (row.yardstick, row.unit) == (YARDSTICK, UNIT) and row.beside]
    return min(found, default=None)


def concerns(row: Row) -> bool:
    """Whether the row's goal is a time of CPU, which another machine reaches more easily."""
    return row.unit == UNIT and row.goal is not None and row.goal.of == "value"


def there(row: Row, bare: float) -> float:
    """The row's value on the machine of the goals, where bare aiohttp takes `bare` µs on this one."""
    return (row.value or 0.0) * BARE_THERE / bare
