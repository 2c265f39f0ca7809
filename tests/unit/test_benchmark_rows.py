"""What the benchmarks make of their samples: each row says what it is, and is beside its goal."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from benchmarks import elsewhere, growth, ladder, profiles, report, results, rss, two_webs, two_workers
from benchmarks.harness import Group, Process
from benchmarks.load import listeners
from benchmarks.results import Machine, Row, aimed, compared, single
from benchmarks.returning import MOST, Returning
from storage import keys
from storage.profiles import unpack
from tests.ports import free_ports

MACHINE = Machine(cores=2, memory_gb=8, system="Linux", processor="x86_64", python="3.11.0", valkey="9.0.0")

#: Beginnings of families and of names: what each whole run has to show.
SHOWN = [
    ("One event", "step, 20 rules, 10 past"),
    ("One event", "step, 20 rules, 10,000 past"),
    ("One event", "20 rules, none but"),
    ("One event", "step, 900 more rules that match nobody"),
    ("One event", "decide, 10 experiences"),
    ("The worker on Redis Streams", "CPU of an event ("),
    ("The worker on Redis Streams", "from its start to the end of a backlog"),
    ("The worker on Kafka", "CPU of an event ("),
    ("The worker on Kafka", "CPU of an event"),
    ("Two workers", "throughput of two workers, 4 partitions"),
    ("Two workers", "CPU of an event, both workers"),
    ("Growth", "CPU of an event in the worker, 1,000,000 visitors"),
    ("The beacon", "CPU of a page view of a known visitor, 64 connections"),
    ("The beacon", "CPU of a page view of a known visitor, 8 connections"),
    ("The beacon", "10,000 requests a second: one process carries"),
    ("The beacon", "p50 of a page view of a known visitor, 300 requests a second"),
    ("Two web processes", "page views of known visitors by two web processes"),
    ("Two web processes", "CPU of a page view, two web processes"),
    ("Beacon to Slack", "p50"),
    ("Beacon to Slack", "p99"),
    ("Memory in the store", "1,000,000 visitors"),
    ("Memory in the store", "the profile record of somebody identified"),
    ("Memory of the processes", "RSS of the web process"),
    ("Memory of the processes", "RSS of the worker"),
    ("What fell short", "the web process: "),
    ("What fell short", "the worker: "),
    ("The tag's size", "kizashi.js"),
]


@pytest.mark.parametrize(("family", "name"), SHOWN)
def test_every_row_is_in_the_results_and_on_the_page(family: str, name: str) -> None:
    found = [
        row for row in results.read().rows if row.family.startswith(family) and row.name.startswith(name)
    ]
    assert found
    page = report.DOC.read_text(encoding="utf-8")
    assert all(f"| {row.name} | " in page for row in found)


def test_p99_has_a_goal_beside_the_yardstick_and_one_in_itself() -> None:
    goals = [row.goal for row in results.read().rows if row.name.startswith("p99 of a page view")]
    assert {goal.of for goal in goals if goal} == {"ratio", "value"}


def test_the_long_run_is_kept_and_shown() -> None:
    soak = rss.read()
    assert set(soak.rss_mib) == {"the web process", "the worker"}
    assert all(len(samples) == soak.seconds // soak.every_s for samples in soak.rss_mib.values())
    page = report.DOC.read_text(encoding="utf-8")
    rows = rss.kept()
    assert all(f"| {row.name} | " in page for row in rows)
    assert len([row for row in rows if row.goal]) == (2 if soak.seconds >= rss.LONG_S else 0)
    assert set(json.loads(rss.FILE.read_text())["machine"]) == set(Machine.__struct_fields__)


# -- RSS


def soak(samples: list[float], *, every_s: float) -> rss.Soak:
    return rss.Soak(
        machine=MACHINE,
        seconds=len(samples) * every_s,
        every_s=every_s,
        page_views_a_second=10,
        page_views=100,
        events=220,
        visitors=40,
        rss_mib={"the worker": samples},
    )


TRENDS = [
    # The first third is left out, whatever it did.
    ([1.0, 50.0, *[100.0] * 4], 60, rss.Trend(100, 100, 0)),
    ([0.0, 0.0, 0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0], 3_600, rss.Trend(10, 60, 10)),
    ([0.0, 0.0, 90.0, 80.0, 70.0, 60.0], 1_800, rss.Trend(90, 60, -20)),
    # What goes up and down is flat.
    ([9.0, 9.0, 10.0, 14.0, 14.0, 10.0], 10, rss.Trend(12, 12, 0)),
]


@pytest.mark.parametrize(("samples", "every_s", "line"), TRENDS)
def test_the_trend_is_the_line_through_the_last_two_thirds(
    samples: list[float], every_s: float, line: rss.Trend
) -> None:
    found = rss.trend(samples, every_s)
    assert (found.begin, found.end, found.an_hour) == pytest.approx((line.begin, line.end, line.an_hour))


RUNS: list[tuple[list[float], float, str, bool | None]] = [
    ([50.0] * 60 + [100.0] * 120, 10, "30 minutes", True),
    ([50.0] * 60 + [100.0 + number for number in range(120)], 10, "30 minutes", False),
    # Half a minute says nothing about half an hour: no goal.
    ([100.0 + number for number in range(40)], 1, "40 seconds", None),
]


@pytest.mark.parametrize(("samples", "every_s", "span", "reached"), RUNS)
def test_a_long_run_s_rss_is_to_be_flat(
    samples: list[float], every_s: float, span: str, reached: bool | None
) -> None:
    end, growth_, events = rss.described(soak(samples, every_s=every_s))
    assert end.name == f"RSS of the worker at the end of {span} of load"
    assert growth_.unit == "MiB an hour"
    assert events.name.startswith(f"events in those {span}, from 100 page views of 40 visitors")
    assert (end.goal.reached_by(end) if end.goal else None) is reached


def test_what_a_process_has_started_counts_with_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "print(); input()"], stdin=-1, stdout=-1) as child:
        assert child.stdout
        child.stdout.read(1)
        both, alone = rss.rss_mib(os.getpid()), rss.rss_mib(child.pid)
        child.communicate(b"\n")
    assert both > rss.rss_mib(os.getpid()) + alone / 2 > alone / 2 > 0


def test_visitors_return_and_new_ones_are_remembered() -> None:
    visitors = Returning(["a", "b"], 80)
    asked = [_token(request) for request in islice(visitors.requests(), 2_000)]
    seen = Counter(asked)
    assert set(seen) == {"", "a", "b"}
    assert 0.35 < seen[""] / len(asked) < 0.45
    for number in range(2 * MOST):
        visitors.heard(b'{"v": "n%d"}' % number)
    visitors.heard(b'{"v": "n%d"}' % (2 * MOST - 1))  # here already
    assert visitors.count == 2 + 2 * MOST
    back = {_token(request) for request in islice(visitors.requests(), 20_000)} - {""}
    assert len(back) <= MOST
    assert f"n{2 * MOST - 1}" in back or len(back) > MOST / 2


def _token(request: bytes) -> str:
    return str(json.loads(request.partition(b"\r\n\r\n")[2])["v"])


# -- what one process carries


def server(carries: int) -> Callable[[int], list[float]]:
    """Answers in a millisecond up to a rate; beyond it, later and later."""

    def took(rate: int) -> list[float]:
        behind = max(0.0, 1 / carries - 1 / rate)
        return [1.0 + 1_000 * behind * number for number in range(2 * rate)]

    return took


@pytest.mark.parametrize(
    ("carries", "found"), [(50, 0), (100, 100), (900, 800), (1_000, 1_000), (20_000, ladder.ASKED)]
)
def test_the_highest_rate_is_the_last_whose_answers_keep_up(carries: int, found: int) -> None:
    assert ladder.highest(server(carries)) == found
    row = ladder.carried(found)
    assert (row.value, row.beside) == (found, 10_000)
    assert row.goal
    assert row.goal.reached_by(row) is (found == 10_000)


def test_a_rate_is_tried_again_before_it_is_too_high() -> None:
    tried: list[int] = []

    def took(rate: int) -> list[float]:
        tried.append(rate)
        busy_once = rate == 200 and tried.count(200) == 1
        return [1_000.0 if busy_once or rate > 450 else 1.0] * 100

    assert ladder.highest(took) == 450
    assert tried == [100, 200, 200, 300, 450, 600, 600]


def test_p99_is_beside_both_goals() -> None:
    own = [[float(number) for number in range(101)]] * 3
    rows = ladder.described(own, [[50.0] * 101] * 3, 1_250)
    assert [row.value for row in rows] == [50, 99, 99]
    assert [(row.goal.of, row.goal.most, row.goal.reached_by(row)) for row in rows if row.goal] == [
        ("ratio", 3, True),
        ("value", 5, False),
    ]
    assert all("1,250 requests a second" in row.name for row in rows)


# -- two of them


def test_two_web_processes_have_a_goal_where_each_can_have_a_core() -> None:
    one = [two_webs.Answered(1_000, 900, 0.4), two_webs.Answered(900, 1_000, 0.5)]
    two = [two_webs.Answered(1_100, 1_800, 0.8), two_webs.Answered(990, 1_900, 0.9)]
    enough, few = (two_webs.described(one, two, cores) for cores in (4, 2))
    assert [row.ratio for row in enough] == pytest.approx([1.95, 1.1, 1.9])
    assert enough[0].goal
    assert enough[0].goal.least == 1.8
    assert enough[0].goal.reached_by(enough[0])
    assert few[0].goal is None
    assert "2 cores" in few[0].name
    assert few[1].goal == enough[1].goal == results.Goal(of="ratio", most=1.11)
    assert few[2].value == 85


def test_two_workers_are_beside_one() -> None:
    one, two = [two_workers.Counted(500, 1_000, 0.4)], [two_workers.Counted(550, 1_500, 0.7)]
    rows = two_workers.described(one, two)
    assert [(row.unit, row.value, row.beside) for row in rows] == [
        ("events/s", 1_500, 1_000),
        ("µs CPU", 550, 500),
        ("%", 70, 40),
    ]


def test_a_group_is_all_of_its_processes(tmp_path: Path) -> None:
    def process(name: str, cpu_s: float) -> Process:
        work = f"while time.process_time() < {cpu_s}: pass"
        code = f"import time\n{work}\nprint('{name}', flush=True)\ntime.sleep(60)"
        return Process(code, env=os.environ, log=tmp_path / name, program=(sys.executable, "-c"))

    members = process("a", 0.2), process("b", 0.3)
    with Group(*members) as group:
        while set(group.said().split()) != {"a", "b"}:
            assert group.alive
            time.sleep(0.01)
        assert group.cpu_s() >= 0.5 > members[0].cpu_s()
        members[1].__exit__()
        assert not group.alive
        assert members[0].alive
    assert not members[0].alive


def test_processes_that_share_a_port_are_counted() -> None:
    [port] = free_ports(1)
    assert listeners(port) == 0
    with socket.socket() as one, socket.socket() as two:
        for number, listener in enumerate((one, two), 1):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            assert listeners(port) == number


# -- growth


async def test_the_store_is_filled_with_records_as_the_worker_writes_them(redis: Redis) -> None:
    here = [f"{number:032x}" for number in (0, 999)]
    await growth.fill(redis, 1_000, here)
    assert await redis.dbsize() == 1_000
    for name in here:
        record: Any = await redis.get(keys.profile("demo", name))
        profile = unpack(record)[1]
        assert (profile.id, profile.page_count, profile.recent) == (name, 3, 0)
    assert await redis.ttl(keys.profile("demo", name)) > 0


@pytest.mark.parametrize("visitors", [1_000, 1_000_000])
def test_as_many_are_here_whatever_the_store_holds(visitors: int) -> None:
    first, second = growth.visits(visitors, 1), growth.visits(visitors, 2)
    for events in (first, second):
        seen = Counter(event.visitor for event in events)
        assert set(seen.values()) == {growth.EACH}
        assert len(seen) == growth.HERE
        assert max(int(name, 16) for name in seen) > 0.9 * visitors
    assert max(event.at for event in first) < min(event.at for event in second)
    assert not {event.id for event in first} & {event.id for event in second}


# -- the machine


def test_the_page_says_what_was_taken_from_this_machine_meanwhile() -> None:
    rows = [single("f", "n", 1, "bytes")]
    quiet, busy, old = (
        results.Results(machine=MACHINE, took_s=500, rows=rows, stolen=it) for it in (0, 0.614, None)
    )
    assert "took 0% of the cores' time" in report.document(quiet)
    assert "The run took 500 s. Other machines on the same hardware took 61% of" in report.document(busy)
    assert "Other machines" not in report.document(old)
    assert results.stolen_s() >= 0


def test_a_goal_in_microseconds_is_shown_for_its_machine_but_reached_only_as_measured() -> None:
    bare = compared(
        "b", "CPU of a view, 64 connections", [500.0], "µs CPU", "bare aiohttp answering 204", [47.6]
    )
    step = aimed(single("a", "step", 15, "µs CPU"), "value", most=10)
    other = aimed(single("a", "bytes", 15, "bytes"), "value", most=10)
    more = compared("b", "CPU of a new one", [500.0], "µs CPU", "bare aiohttp answering 204", [70])
    rows = [step, other, more, bare]
    assert elsewhere.bare_here(rows) == 47.6
    assert elsewhere.there(step, 47.6) == 7.5
    page = report.document(results.Results(machine=MACHINE, took_s=1, rows=rows))
    assert "takes 23.8 µs CPU" in page
    assert "it took 47.6 µs at the least, 2.0 times as much" in page
    assert "| step | 15 µs CPU |  |  |  |  | ≤ 10 µs CPU | no | 7.5 µs CPU |" in page
    assert "| bytes | 15 bytes |  |  |  |  | ≤ 10 bytes | no |  |" in page
    # No column where no goal is such a time, and none where the yardstick was not measured.
    assert report.table([bare, single("a", "n", 1, "s")])[-1] == "  n  1 s"
    assert "goals' machine" not in report.document(
        results.Results(machine=MACHINE, took_s=1, rows=[Row(family="f", name="n", value=1, unit="s")])
    )


def test_a_profile_is_told_by_owner_and_by_what_is_done() -> None:
    body, reads = str(profiles.ROOT / "server/body.py"), ("server/body.py", "read_json")
    spent = {
        (body, "read_json"): profiles.Spent(own=1.0, whole=3.0),
        ("/usr/lib/python3.11/site-packages/aiohttp/web.py", "serve"): profiles.Spent(own=5.0, whole=9.0),
        ("~", "<built-in method len>"): profiles.Spent(own=4.0, whole=4.0),
    }
    found = profiles.told("the web process", spent, {"reading the body": reads})
    assert [(row.name, row.value) for row in found] == [
        ("the web process: aiohttp", 50),
        ("the web process: Python's and C's built-in functions, msgspec and system calls", 40),
        ("the web process: Kizashi's server/", 10),
        ("the web process, reading the body", 30),
    ]
    with pytest.raises(KeyError):
        profiles.told("the web process", spent, {"what has another name now": ("server/body.py", "gone")})


@pytest.mark.parametrize("doing", [profiles.WEB, profiles.WORKER])
def test_what_the_profile_tells_of_is_there(doing: profiles.Doing) -> None:
    for path, function in doing.values():
        assert re.search(rf"^ *(async )?def {function}\(", (profiles.ROOT / path).read_text(), re.MULTILINE)
