"""The spool: what is kept comes back whole and in order, whatever dies, tears or fills up."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.errors import StoreUnavailable
from core.events import Event
from storage.breaker import Breaker
from streams.publisher import MemoryPublisher
from streams.spool import SpoolingPublisher, decoded
from streams.spool_disk import SpoolDisk
from streams.spool_file import HEAD, frame, unframe
from tests.factories import page
from tests.processes import ROOT, until

ONE, TWO, THREE = b'{"a":1}', b"x" * 300, "兆し".encode()
ALL = frame(ONE) + frame(TWO) + frame(THREE)


def event(number: int, visitor: str = "v") -> Event:
    return replace(page("/", id=f"e{number:04d}"), visitor=visitor)


def ids(events: Sequence[Event]) -> list[str]:
    return [event.id for event in events]


def read_all(disk: SpoolDisk) -> list[bytes]:
    found = []
    while payloads := disk.peek():
        found += payloads
        disk.advance()
    return found


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_every_torn_tail_yields_the_whole_records_before_it() -> None:
    ends = [0, len(frame(ONE)), len(frame(ONE) + frame(TWO)), len(ALL)]
    for length in range(len(ALL) + 1):
        whole = sum(end <= length for end in ends[1:])
        assert unframe(ALL[:length]) == ([ONE, TWO, THREE][:whole], ends[whole]), length


@pytest.mark.parametrize(
    ("data", "payloads"),
    [
        (frame(ONE) + bytes(4_096), [ONE]),
        (frame(ONE) + HEAD.pack(2**32 - 1, 0) + b"x", [ONE]),
        *((flipped(ALL, at), []) for at in range(len(frame(ONE)))),
        *((flipped(ALL, len(ALL) - 1 - at), [ONE, TWO]) for at in range(len(frame(THREE)))),
    ],
)
def test_damage_is_never_read_as_a_record(data: bytes, payloads: list[bytes]) -> None:
    assert unframe(data)[0] == payloads


def test_records_come_back_in_order_over_many_segments(tmp_path: Path) -> None:
    disk = SpoolDisk(tmp_path, segment_bytes=1_000)
    records = [b"%04d" % number * 20 for number in range(300)]
    for start in range(0, 300, 3):
        assert disk.append([records[start : start + 2], records[start + 2 : start + 3]]) == 2
    assert len(list(tmp_path.glob("*/*.events"))) > 10
    first = disk.peek()
    assert disk.peek() == first, "peeking takes nothing away"
    disk.advance()
    assert first + read_all(disk) == records
    assert (disk.empty, disk.size) == (True, 0)
    assert disk.append([[b"later"]]) == 1
    assert read_all(disk) == [b"later"]
    disk.close()
    assert list(tmp_path.iterdir()) == []


def test_it_keeps_groups_whole_and_only_as_many_as_fit(tmp_path: Path) -> None:
    disk = SpoolDisk(tmp_path, max_bytes=10 * (HEAD.size + 92))
    group = [b"x" * 92] * 3
    assert disk.append([group, group]) == 2
    assert disk.append([group, group]) == 1
    assert disk.append([group]) == 0
    assert disk.size <= 1_000
    assert len(read_all(disk)) == 9
    assert disk.append([group]) == 1
    disk.close()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The kernel refuses to let this process's files grow further, after writing what still fits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_halfway_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    disk = SpoolDisk(tmp_path)
    disk.append([[b"first"]])
    size = disk.size
    with files_of_at_most(size + 150), pytest.raises(StoreUnavailable, match="cannot be written"):
        disk.append([[b"x" * 100, b"y" * 100]])
    [file] = tmp_path.glob("*/*.events")
    assert (disk.size, file.stat().st_size) == (size, size)
    disk.append([[b"second"]])
    assert read_all(disk) == [b"first", b"second"]
    disk.close()


def test_a_torn_tail_left_by_a_dead_process_is_ignored(tmp_path: Path) -> None:
    home = tmp_path / "1-dead"
    home.mkdir()
    (home / "00000001.events").write_bytes(frame(ONE) + frame(TWO)[:-1])
    (home / "00000002.events").write_bytes(frame(THREE) + bytes(100))
    disk = SpoolDisk(tmp_path)
    assert disk.adopt()
    assert read_all(disk) == [ONE, THREE]
    assert list(tmp_path.iterdir()) == []


DIES = """
import os, sys, pathlib
from streams.spool_disk import SpoolDisk
disk = SpoolDisk(pathlib.Path(sys.argv[1]))
disk.append([[b"%d" % n] for n in range(100)])
print("kept", flush=True)
sys.stdin.read()
"""


def test_what_a_dead_process_left_is_adopted_by_exactly_one(tmp_path: Path) -> None:
    first, second = SpoolDisk(tmp_path), SpoolDisk(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", DIES, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"kept\n"
        assert not first.adopt(), "it lives"
        process.kill()
        process.wait()
        assert [first.adopt(), second.adopt(), first.adopt()] == [True, False, True]
    assert read_all(second) == []
    assert read_all(first) == [b"%d" % n for n in range(100)]
    for disk in (first, second):
        disk.close()
    assert list(tmp_path.iterdir()) == []


def test_many_that_adopt_at_once_share_nothing(tmp_path: Path) -> None:
    for number in range(20):
        home = tmp_path / f"{number}-dead"
        home.mkdir()
        (home / "00000001.events").write_bytes(frame(b"%d" % number))
    program = (
        "import sys, pathlib; from streams.spool_disk import SpoolDisk\n"
        "disk = SpoolDisk(pathlib.Path(sys.argv[1])); print('up', flush=True); sys.stdin.readline()\n"
        "disk.adopt()\n"
        "while found := disk.peek():\n    disk.advance(); [print(p.decode(), flush=True) for p in found]\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [line for process in started for line in process.communicate()[0].split()]
    assert Counter(said) == Counter(str(number) for number in range(20))
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_drained_stays_for_the_next_start(tmp_path: Path) -> None:
    disk = SpoolDisk(tmp_path)
    disk.append([[ONE], [TWO]])
    disk.close()
    after = SpoolDisk(tmp_path)
    assert after.adopt()
    assert after.append([[THREE]]) == 1
    assert read_all(after) == [ONE, TWO, THREE]
    after.close()


def test_the_lock_is_the_one_that_others_see(tmp_path: Path) -> None:
    disk = SpoolDisk(tmp_path)
    disk.append([[ONE]])
    [lock] = tmp_path.glob("*/lock")
    fd = os.open(lock, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    disk.close()
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


def test_while_away_one_caller_a_pause_tries() -> None:
    breaker = Breaker(pause_s=1)
    assert [breaker.allows(now) for now in (0.0, 0.1)] == [True, True]
    breaker.failed(1.0)
    assert [breaker.allows(now) for now in (1.0, 1.9, 2.0, 2.1, 2.9, 3.0)] == [
        False, False, True, False, False, True,
    ]  # fmt: skip
    breaker.succeeded()
    assert (breaker.away, breaker.allows(3.1)) == (False, True)


class Broker(MemoryPublisher):
    """A broker in memory that can be away, or answer nothing at all; counts how often it is tried."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = 0
        self.away = False
        self.hangs = False

    async def publish(self, events: Sequence[Event]) -> None:
        self.tries += 1
        if self.hangs:
            await asyncio.sleep(3_600)
        if self.away:
            raise StoreUnavailable("gone")
        await super().publish(events)


class Bench:
    """A spooling publisher on a broker that tests switch off and on."""

    def __init__(self, root: Path, *, max_bytes: int = 1 << 20, pause_s: float = 0.02) -> None:
        self.broker, self.seen = Broker(), Counter[str]()
        self.publisher = SpoolingPublisher(
            inner=self.broker,
            disk=SpoolDisk(root, max_bytes=max_bytes),
            clock=time.monotonic,
            observe=lambda what, count: self.seen.update({what: count}),
            patience_s=0.1,
            pause_s=pause_s,
            adopt_every_s=0.05,
        )

    async def drained(self) -> None:
        async def empty() -> bool:
            return not self.publisher.queueing

        await until(empty)


@asynccontextmanager
async def bench(root: Path, **how: float) -> AsyncIterator[Bench]:
    made = Bench(root, **how)  # type: ignore[arg-type]
    await made.publisher.start()
    yield made
    await made.publisher.close()


async def test_events_pass_straight_through_and_touch_no_disk(tmp_path: Path) -> None:
    async with bench(tmp_path / "spool") as b:
        await b.publisher.publish([event(1), event(2)])
        await b.publisher.publish([])
        assert ids(b.broker.events) == ["e0001", "e0002"]
        assert (b.publisher.queueing, b.publisher.problems(), b.seen) == (False, [], Counter())
    assert not (tmp_path / "spool").exists()


async def test_events_wait_on_disk_and_leave_in_order_new_ones_behind(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.broker.away = True
        for number in range(50):
            await b.publisher.publish([event(number)])
            await b.publisher.publish([event(1_000 + number, "w")])
        assert b.broker.events == []
        assert b.publisher.problems() == [f"events wait on disk for the broker ({b.publisher.size} bytes)"]
        b.broker.away = False
        for number in range(50, 300):
            await b.publisher.publish([event(number)])
        await b.drained()
        assert ids([e for e in b.broker.events if e.visitor == "v"]) == ids([event(n) for n in range(300)])
        assert ids([e for e in b.broker.events if e.visitor == "w"]) == [f"e{1_000 + n}" for n in range(50)]
        assert b.broker.events[0] == event(0)
        assert b.seen["kept"] == b.seen["drained"] >= 100
        assert (b.publisher.problems(), b.publisher.size, b.seen["refused"]) == ([], 0, 0)


async def test_many_at_once_share_few_writes_and_few_tries(tmp_path: Path) -> None:
    async with bench(tmp_path, pause_s=30) as b:
        b.broker.away = True
        await b.publisher.publish([event(0)])
        tried = b.broker.tries
        await asyncio.gather(*(b.publisher.publish([event(n)]) for n in range(1, 501)))
        assert b.seen["kept"] == 501
        assert b.broker.tries <= tried + 1, "only the drainer tries"


async def test_a_broker_that_hangs_costs_its_patience_once(tmp_path: Path) -> None:
    async with bench(tmp_path, pause_s=30) as b:
        b.broker.hangs = True
        await b.publisher.publish([event(0)])
        for number in range(1, 50):
            await b.publisher.publish([event(number)])
        assert b.seen["kept"] == 50
        assert b.broker.tries <= 2


async def test_a_full_spool_refuses_and_takes_again_once_drained(tmp_path: Path) -> None:
    async with bench(tmp_path, max_bytes=2_000) as b:
        b.broker.away = True
        answers = [
            (await asyncio.gather(b.publisher.publish([event(n)]), return_exceptions=True))[0]
            for n in range(100)
        ]
        kept = [n for n, answer in enumerate(answers) if answer is None]
        assert {str(answer) for answer in answers if answer} == {"the spool is full"}
        assert 1 < len(kept) < 20
        assert b.seen == {"kept": len(kept), "refused": 100 - len(kept)}
        assert "the broker is away and the spool takes no more events" in b.publisher.problems()
        b.broker.away = False
        await b.drained()
        assert ids(b.broker.events) == ids([event(n) for n in kept])
        await b.publisher.publish([event(200)])
        assert b.broker.events[-1] == event(200)


async def test_a_disk_that_cannot_be_written_refuses_and_recovers(tmp_path: Path) -> None:
    in_the_way = tmp_path / "spool"
    in_the_way.write_text("a file where the directory should be")
    async with bench(in_the_way) as b:
        b.broker.away = True
        for number in range(5):
            with pytest.raises(StoreUnavailable, match="cannot be written"):
                await b.publisher.publish([event(number)])
        in_the_way.unlink()
        await b.publisher.publish([event(5)])
        b.broker.away = False
        await b.drained()
        assert ids(b.broker.events) == ["e0005"]


async def test_a_living_process_drains_what_a_dead_one_left(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        dead = Bench(tmp_path)
        dead.broker.away = True
        await dead.publisher.publish([event(1), event(2)])
        await dead.publisher.close()

        async def adopted() -> bool:
            return len(b.broker.events) == 2

        await until(adopted)
        await b.drained()
        assert ids(b.broker.events) == ["e0001", "e0002"]


async def test_closing_drains_where_the_broker_is_there_and_keeps_the_rest_where_not(tmp_path: Path) -> None:
    for back in (True, False):
        b = Bench(tmp_path, pause_s=30)
        await b.publisher.start()
        b.broker.away = True
        await asyncio.gather(*(b.publisher.publish([event(n)]) for n in range(10)))
        b.broker.away = not back
        await b.publisher.close()
        assert len(b.broker.events) == (10 if back else 0)
        assert bool(list(tmp_path.iterdir())) != back
    async with bench(tmp_path) as after:
        await after.drained()
        assert ids(after.broker.events) == ids([event(n) for n in range(10)])


def test_a_record_of_another_version_does_not_hold_up_the_others() -> None:
    assert decoded([b"{}", b"not JSON"]) == []
