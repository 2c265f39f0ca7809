"""`python -m benchmarks` runs, prints a table, writes the JSON; `--write-docs` only writes docs/."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import beacon, latency, memory, profiles, pure, report, scale, snippet_size, worker
from benchmarks.backends import BACKENDS
from benchmarks.results import FILE, Machine, Results, Row, read, this_machine, write
from storage.embedded import Server


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    # A topic made a moment ago: the client says each time that it tries again.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    if options.write_docs:
        report.DOC.write_text(report.document(read()), encoding="utf-8")
        scale.DOC.write_text(scale.document(read()), encoding="utf-8")
        return
    families = _families(options.backend or list(BACKENDS))
    wanted = options.only or list(families)
    started = time.monotonic()
    rows = [row for name in wanted for row in _run(name, families[name])]
    results = Results(machine=_machine(), took_s=round(time.monotonic() - started), rows=rows)
    print("\n".join(["", report.described(results.machine), *report.table(rows)]))
    if wanted == list(families):
        write(results)
        print(f"\n{results.took_s} s; benchmarks/{FILE.name} is written")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--write-docs", action="store_true", help="write docs/performance.md and run nothing")
    parser.add_argument("--only", action="append", choices=[*_families([])], help="a family; writes no JSON")
    parser.add_argument("--backend", action="append", choices=[*BACKENDS], help="a broker; all by default")
    return parser.parse_args()


def _families(backends: list[str]) -> dict[str, Callable[[], list[Row]]]:
    return {
        "pure": pure.rows,
        "worker": lambda: worker.rows([BACKENDS[name] for name in backends]),
        "beacon": beacon.rows,
        "latency": latency.rows,
        "memory": memory.rows,
        "profiles": profiles.rows,
        "snippet-size": snippet_size.rows,
    }


def _run(name: str, family: Callable[[], list[Row]]) -> list[Row]:
    print(f"measuring: {name}", file=sys.stderr, flush=True)
    return family()


def _machine() -> Machine:
    with tempfile.TemporaryDirectory() as home, Server(Path(home)) as store:
        return this_machine(store.url)


if __name__ == "__main__":
    main()
