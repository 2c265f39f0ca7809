"""docs/scale.md: what a very large site would take, worked out from the results."""

from __future__ import annotations

import math
from pathlib import Path

from benchmarks.results import Results

DOC = Path(__file__).parent.parent / "docs" / "scale.md"

EVENTS_A_DAY = 1_000_000_000
#: How much more the busiest hour has than the average one.
PEAK = 3
#: Events that one beacon brings: a page view, and what was read of the page before.
EVENTS_A_BEACON = 2
#: How busy a core may be on average, so that it can take what comes unevenly.
BUSY = 0.6
#: Visitors that are remembered, and the share of them of the last three days, whose recent events are kept too.
VISITORS, RECENT = 500_000_000, 0.05
#: Memory that one store server is to hold at the most.
STORE_GB = 64

_TEXT = """\
# A billion events a day, on paper

`python -m benchmarks --write-docs` works this page out of `benchmarks/results.json`
([performance.md](performance.md)): it is arithmetic over figures measured on one small machine, not a measurement.

| what | how | result |
|---|---|---|
| events a second, on average | {events:,} a day | {average:,.0f} |
| events a second, in the busiest hour | {peak} times that | {busiest:,.0f} |
| beacons a second, then | {a_beacon} events each | {beacons:,.0f} |
| CPU of a beacon | measured: a known visitor's page view | {beacon_us:,.0f} µs |
| **web cores** | at {busy:.0%} of what a core can do | **{web:,.0f}** |
| CPU of an event in the worker, on Kafka | measured | {worker_us:,.0f} µs |
| **worker cores**, and Kafka partitions | at {busy:.0%} of what a core can do | **{worker:,.0f}** |
| bytes of a visitor in the store | measured, settled | {settled:,.0f} |
| the same with the recent events | measured | {recent:,.0f} |
| **memory of the store** | {visitors:,} visitors, {share:.0%} of the last three days | **{memory_gb:,.0f} GB** |
| store servers, by memory | {store_gb} GB each | {stores:,.0f} |

What stands in the way of it today:

- **The store is one server.** The script that writes a profile with everything beside it touches several keys,
  which Redis Cluster would put on several servers. Until profiles are spread by visitor, the store ends at what
  one server holds and writes: {one_server:,} visitors in {store_gb} GB. That is the limit, not the web processes
  or the workers.
- **Web processes** share nothing and scale with their number. **Workers** scale with the partitions, of which the
  topic has 8 unless you make it with more.
- **A visitor's events are counted one after the other**, by one worker. One visitor who sends thousands of events
  a second is slowed down; many visitors are not.
- **Memory is what visitors cost**: those who came once and never again are kept for 400 days.
"""


def document(results: Results) -> str:
    """docs/scale.md. Raises StopIteration where a figure it needs was not measured."""
    beacon_us = _figure(results, "The beacon", "CPU of a page view of a known visitor, 64")
    worker_us = _figure(results, "The worker on Kafka", "CPU of an event (")
    settled = _figure(results, "Memory", "a visitor, at 100,000 visitors, settled")
    recent = _figure(results, "Memory", "a visitor, at 100,000 visitors")
    average = EVENTS_A_DAY / 86_400
    busiest = average * PEAK
    beacons = busiest / EVENTS_A_BEACON
    of_all = settled + RECENT * (recent - settled)
    memory_gb = VISITORS * of_all / 2**30
    return _TEXT.format(
        events=EVENTS_A_DAY, average=average, peak=PEAK, busiest=busiest, a_beacon=EVENTS_A_BEACON, busy=BUSY,
        beacons=beacons, beacon_us=beacon_us, web=math.ceil(beacons * beacon_us / 1e6 / BUSY),
        worker_us=worker_us, worker=math.ceil(busiest * worker_us / 1e6 / BUSY), settled=settled, recent=recent,
        visitors=VISITORS, share=RECENT, memory_gb=memory_gb, store_gb=STORE_GB,
        stores=math.ceil(memory_gb / STORE_GB), one_server=_round(STORE_GB * 2**30 / of_all),
    )  # fmt: skip


def _figure(results: Results, family: str, name: str) -> float:
    found = (row for row in results.rows if row.family.startswith(family) and row.name.startswith(name))
    return next(row.value for row in sorted(found, key=lambda one: len(one.name)) if row.value is not None)


def _round(count: float) -> int:
    """Two digits: more would be pretence."""
    size = 10 ** (len(str(int(count))) - 2)
    return int(count) // size * size
