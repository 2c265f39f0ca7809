"""The results for people: a table on the terminal, and docs/performance.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import elsewhere, notes
from benchmarks.results import Machine, Results, Row

DOC = Path(__file__).parent.parent / "docs" / "performance.md"

_HEADS = ("measured", "value", "beside", "yardstick", "ratio", "lowest to highest", "goal", "reached")
_THERE = "at the goals' machine"

_INTRO = """\
# Performance

`make bench` measures this; `python -m benchmarks --write-docs` writes this page from `benchmarks/results.json` and
`benchmarks/rss.json`, so every figure here is in one of them. Measured on {machine}.
{took}

A time says much about the machine and little about the code. What counts is the **ratio** to a yardstick measured
in the same run, in turns with it: value divided by yardstick, the median over the rounds, and the lowest and
highest of them. µs CPU are CPU microseconds of the process that does the work, user and system.

Where there is a goal, the row says whether it is reached, by the figure as it was measured here;
[what fell short](#what-fell-short) says where the time goes instead.
"""

_ELSEWHERE = """
The goals in µs were set on a machine where bare aiohttp answering 204 takes {there} µs CPU a request over 64
connections. In this run it took {here} µs at the least, {times} times as much. Beside such a goal a column says
what the value would be {head}: value × {there} / {here}. That is a rule of three and no measurement:
no goal counts as reached by it.
"""


def table(rows: Sequence[Row]) -> list[str]:
    """Lines for a terminal."""
    bare = elsewhere.bare_here(rows)
    lines: list[str] = []
    for family, members in _families(rows):
        _, *cells = _columns(members, bare)
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += ["", family]
        lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return lines


def document(results: Results, kept: Sequence[Row] = ()) -> str:
    """docs/performance.md, of a run and of the rows that are `kept` of longer ones."""
    bare = elsewhere.bare_here(results.rows)
    parts = [
        _INTRO.format(machine=described(results.machine), took=duration(results)),
        *_rule_of_three(bare),
    ]
    for family, members in _families([*results.rows, *kept]):
        parts.append(f"\n## {family}\n\n{notes.of(family)}\n{_markdown(_columns(members, bare))}")
    return "".join(parts)


def _families(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The rows by family, each where its first one stands."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.family, []).append(row)
    return list(found.items())


def _rule_of_three(bare: float | None) -> list[str]:
    if bare is None:
        return []
    there, times = elsewhere.BARE_THERE, f"{bare / elsewhere.BARE_THERE:.1f}"
    return [_ELSEWHERE.format(there=number(there), here=number(bare), times=times, head=_THERE)]


def _columns(rows: Sequence[Row], bare: float | None) -> list[tuple[str, ...]]:
    """The heads, then the cells of each row. One column more where goals are times of another machine."""
    lines = [_HEADS, *map(_cells, rows)]
    if bare is None or not any(map(elsewhere.concerns, rows)):
        return lines
    there = [_there(row, bare) for row in rows]
    return [(*line, more) for line, more in zip(lines, [_THERE, *there], strict=True)]


def _there(row: Row, bare: float) -> str:
    return f"{elsewhere.there(row, bare):.3g} {row.unit}" if elsewhere.concerns(row) else ""


def duration(results: Results) -> str:
    """How long the run took, and how much of the cores' time was kept from this machine meanwhile."""
    took = f"The run took {number(results.took_s)} s."
    if results.stolen is None:
        return took
    return (
        f"{took} Other machines on the same hardware took {results.stolen:.0%} of the cores' time meanwhile."
    )


def described(machine: Machine) -> str:
    """The machine in words."""
    return (
        f"{machine.cores} cores ({machine.processor}), {machine.memory_gb} GB, {machine.system}, "
        f"Python {machine.python}, Valkey {machine.valkey}"
    )


def number(value: float) -> str:
    """A figure as it is shown everywhere."""
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 100 else f"{value:g}"


def _markdown(lines: Sequence[tuple[str, ...]]) -> str:
    head, *rows = lines
    return "\n".join([_line(head), _line(["---"] * len(head)), *map(_line, rows)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Row) -> tuple[str, ...]:
    goal = _goal(row)
    if row.value is None:
        return (row.name, "-", "", "", "", "", *goal)
    value = f"{number(row.value)} {row.unit}"
    if row.yardstick is None or row.beside is None or row.ratio is None or row.spread is None:
        return (row.name, value, "", "", "", "", *goal)
    low, high = row.spread
    spread = f"{number(low)} to {number(high)}" if low != high else ""
    return (
        row.name,
        value,
        f"{number(row.beside)} {row.unit}",
        row.yardstick,
        number(row.ratio),
        spread,
        *goal,
    )


def _goal(row: Row) -> tuple[str, str]:
    """The goal, and whether it is reached."""
    goal = row.goal
    if goal is None:
        return "", ""
    unit = f" {row.unit}" if goal.of == "value" else ""
    what = "ratio " if goal.of == "ratio" else ""
    bounds = [f"≤ {number(goal.most)}" if goal.most is not None else ""]
    bounds += [f"≥ {number(goal.least)}" if goal.least is not None else ""]
    return f"{what}{' '.join(filter(None, bounds))}{unit}", "yes" if goal.reached_by(row) else "no"
