"""What a run leaves behind: rows, and the machine they were measured on."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import redis
from msgspec.structs import replace

FILE = Path(__file__).parent / "results.json"


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What a row is to reach: its value or its ratio, at most or at least so much."""

    of: Literal["value", "ratio"]
    most: float | None = None
    least: float | None = None

    def reached_by(self, row: Row) -> bool:
        """Whether the row does. One that could not be measured does not."""
        figure = row.value if self.of == "value" else row.ratio
        if figure is None:
            return False
        return (self.most is None or figure <= self.most) and (self.least is None or figure >= self.least)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `family` groups rows; `value` is a median in `unit`, None where it could not be measured.

    `yardstick` names what was measured beside it, in turns, in the same run, `beside` is the yardstick's
    median, and `ratio` the median of value / yardstick over the rounds, whose lowest and highest are in `spread`.
    """

    family: str
    name: str
    value: float | None
    unit: str
    yardstick: str | None = None
    beside: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    goal: Goal | None = None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What it ran on; nothing that names the machine."""

    cores: int
    memory_gb: int
    system: str
    processor: str
    python: str
    valkey: str


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `took_s` is how long it took; `stolen` the share (0 to 1) of the cores' time meanwhile that the
    machine beneath a virtual one did not give it, None where that was not measured.
    """

    machine: Machine
    took_s: int
    rows: list[Row]
    stolen: float | None = None


def compared(
    family: str, name: str, values: Sequence[float], unit: str, yardstick: str, beside: Sequence[float]
) -> Row:
    """A row beside its yardstick: `values` and `beside` are of the same rounds, in order."""
    ratios = [value / other for value, other in zip(values, beside, strict=True)]
    return Row(
        family=family,
        name=name,
        value=_short(statistics.median(values)),
        unit=unit,
        yardstick=yardstick,
        beside=_short(statistics.median(beside)),
        ratio=_short(statistics.median(ratios)),
        spread=(_short(min(ratios)), _short(max(ratios))),
    )


def aimed(
    row: Row, of: Literal["value", "ratio"], *, most: float | None = None, least: float | None = None
) -> Row:
    """The row beside its goal."""
    return replace(row, goal=Goal(of=of, most=most, least=least))


def single(family: str, name: str, value: float, unit: str) -> Row:
    """A row that has no yardstick."""
    return Row(family=family, name=name, value=_short(value), unit=unit)


def not_measured(family: str, reason: str) -> Row:
    """A row that says loudly why its family has no figures."""
    return Row(family=family, name=f"NOT MEASURED: {reason}", value=None, unit="")


def _short(value: float) -> float:
    """Three significant digits, or the whole number: more would be noise."""
    return float(round(value)) if abs(value) >= 1_000 else float(f"{value:.3g}")


def stolen_s() -> float:
    """Seconds since the start that this machine's cores were wanted, but not given to it (Linux)."""
    steal = Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]
    return int(steal) / os.sysconf("SC_CLK_TCK")


def cores() -> int:
    """Cores that this run may use."""
    return len(os.sched_getaffinity(0))


def this_machine(store_url: str) -> Machine:
    """The machine this runs on, with the store at `store_url`."""
    with redis.Redis.from_url(store_url, decode_responses=True) as client:
        server = client.info("server")
    return Machine(
        cores=cores(),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        system=platform.system(),
        processor=platform.machine(),
        python=platform.python_version(),
        valkey=str(server.get("valkey_version") or server["redis_version"]),
    )


def write(results: Results, path: Path = FILE) -> None:
    """Write the JSON, readable and in a stable order."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def read(path: Path = FILE) -> Results:
    """Read the JSON back. Raises msgspec.ValidationError where its shape is another."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
