"""`python -m benchmarks` runs, prints a table, writes the JSON; `--write-docs` only writes docs/."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import (
    beacon,
    growth,
    ladder,
    latency,
    memory,
    profiles,
    pure,
    report,
    rss,
    scale,
    snippet_size,
    two_webs,
    two_workers,
    worker,
)
from benchmarks.backends import BACKENDS
from benchmarks.results import FILE, Machine, Results, Row, read, stolen_s, this_machine, write
from storage.embedded import Server


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    # A topic made a moment ago: the client says each time that it tries again.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    if options.write_docs:
        _write_docs()
    elif options.soak_minutes:
        _soak(options.soak_minutes)
    else:
        _run_all(_families(options.backend or list(BACKENDS)), options.only)


def _write_docs() -> None:
    report.DOC.write_text(report.document(read(), rss.kept()), encoding="utf-8")
    scale.DOC.write_text(scale.document(read()), encoding="utf-8")


def _soak(minutes: float) -> None:
    soak = rss.run(minutes * 60, every_s=rss.EVERY_S, warm=rss.WARM)
    rss.write(soak)
    print("\n".join(report.table(rss.described(soak))))
    print(f"\nbenchmarks/{rss.FILE.name} is written")


def _run_all(families: dict[str, Callable[[], list[Row]]], only: Sequence[str] | None) -> None:
    """Run the families, print their rows and those kept of longer runs; write the JSON of a whole run."""
    wanted = only or list(families)
    started, stolen = time.monotonic(), stolen_s()
    rows = [row for name in wanted for row in _run(name, families[name])]
    took = time.monotonic() - started
    lost = round((stolen_s() - stolen) / took / (os.cpu_count() or 1), 3)
    results = Results(machine=_machine(), took_s=round(took), rows=rows, stolen=lost)
    kept = rss.kept() if "rss" in wanted else []
    print(
        "\n".join(
            ["", report.described(results.machine), report.duration(results), *report.table([*rows, *kept])]
        )
    )
    if wanted == list(families):
        write(results)
        print(f"\n{results.took_s} s; benchmarks/{FILE.name} is written")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--write-docs", action="store_true", help="write docs/performance.md and run nothing")
    parser.add_argument("--only", action="append", choices=[*_families([])], help="a family; writes no JSON")
    parser.add_argument("--backend", action="append", choices=[*BACKENDS], help="a broker; all by default")
    parser.add_argument(
        "--soak-minutes", type=float, help="only steady load for so long, sampling RSS: benchmarks/rss.json"
    )
    return parser.parse_args()


def _families(backends: list[str]) -> dict[str, Callable[[], list[Row]]]:
    return {
        "pure": pure.rows,
        "worker": lambda: worker.rows([BACKENDS[name] for name in backends]),
        "two-workers": two_workers.rows if "kafka" in backends else list,
        "growth": growth.rows,
        "beacon": beacon.rows,
        "ladder": ladder.rows,
        "two-webs": two_webs.rows,
        "latency": latency.rows,
        "rss": rss.rows,
        "memory": memory.rows,
        "profiles": profiles.rows,
        "snippet-size": snippet_size.rows,
    }


def _run(name: str, family: Callable[[], list[Row]]) -> list[Row]:
    print(f"measuring: {name}", end="", file=sys.stderr, flush=True)
    started = time.monotonic()
    rows = family()
    print(f", {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return rows


def _machine() -> Machine:
    with tempfile.TemporaryDirectory() as home, Server(Path(home)) as store:
        return this_machine(store.url)


if __name__ == "__main__":
    main()
