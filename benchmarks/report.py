"""The results for people: a table on the terminal, and docs/performance.md."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.results import Machine, Results, Row

DOC = Path(__file__).parent.parent / "docs" / "performance.md"

_HEADS = ("measured", "value", "beside", "yardstick", "ratio", "lowest to highest", "goal", "reached")

_INTRO = """\
# Performance

`make bench` measures this; `python -m benchmarks --write-docs` writes this page from `benchmarks/results.json`, so
every figure here is in that file. Measured on {machine}.

A time says much about the machine and little about the code. What counts is the **ratio** to a yardstick measured
in the same run, in turns with it: value divided by yardstick, the median over the rounds, and the lowest and
highest of them. µs CPU are CPU microseconds of the process that does the work, user and system.

Where there is a goal, the row says whether it is reached; [what fell short](#what-fell-short) says where the time
goes instead.
"""

_NOTES = {
    "One event, one decision": """\
`step` is all that one event does to a visitor: fold, score, audiences, alert rules. Its cost must not grow with
the visitor's past; the yardstick's does, with the profile's size. An event id counts once in 24 hours, so a
profile keeps the ids of a day.
""",
    "The worker": """\
The bare consumer reads the same broker in one process, does the same pure step and writes with the same writer,
but has no Faust, lease, take-over, dead letters or sending of alerts: the ratio is what those cost.
""",
    "The beacon": """\
A request brings a page view and asks for two slots; it is answered once the stream has acknowledged the event.
The load comes from the same machine over keep-alive connections. nginx with Lua reads the same profile from the
same store and appends the event, and nothing else: no signature, no scoring, no decision. The latency is that of
requests sent at a steady rate, whatever the answers take. The goal of its p99 is also to be under 5 ms: where bare
aiohttp is slow as well, the ratio alone says little.
""",
    "Beacon to Slack": """\
From sending the beacon to the arrival of the alert at a local server that speaks Slack's API, through the web
process, the stream, the worker and the outbox. The client, that server and all processes share the machine.
""",
    "What fell short": """\
Shares of the CPU time, by whose code it is spent in, of the whole: Python's own profiler (cProfile) over the web
process and the worker under the same load as above, their start included. It makes many small calls look dearer
than they are.
""",
    "The tag's size": """\
What a browser fetches before a page can be tracked and its slots be filled. A peer's figure is measured in this
run, of the file that its npm package brings for pages, or quoted from its published script. They differ in what
they do: none of them both tracks and swaps.
""",
    "Memory": """\
Profile, ledger, alerts and recent events in Valkey. In this mix 80 % of the visitors have one to three page views,
16 % up to 12, 4 % up to 60. Recent events are kept for 75 hours: what is settled is without them.
""",
}


def table(rows: Sequence[Row]) -> list[str]:
    """Lines for a terminal."""
    lines: list[str] = []
    for family, members in groupby(rows, key=lambda row: row.family):
        cells = [_cells(row) for row in members]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += ["", family]
        lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return lines


def document(results: Results) -> str:
    """docs/performance.md."""
    parts = [_INTRO.format(machine=described(results.machine))]
    for family, members in groupby(results.rows, key=lambda row: row.family):
        parts.append(f"\n## {family}\n\n{_note(family)}\n{_markdown(list(members))}")
    return "".join(parts)


def described(machine: Machine) -> str:
    """The machine in words."""
    return (
        f"{machine.cores} cores ({machine.processor}), {machine.memory_gb} GB, {machine.system}, "
        f"Python {machine.python}, Valkey {machine.valkey}"
    )


def number(value: float) -> str:
    """A figure as it is shown everywhere."""
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 100 else f"{value:g}"


def _note(family: str) -> str:
    return "".join(note for start, note in _NOTES.items() if family.startswith(start))


def _markdown(rows: Sequence[Row]) -> str:
    lines = [_line(_HEADS), _line(["---"] * len(_HEADS)), *(_line(_cells(row)) for row in rows)]
    return "\n".join(lines) + "\n"


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
