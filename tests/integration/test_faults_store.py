"""The store away, hung or full, the disk full, SIGTERM, clients that drip: what was accepted is not lost."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from redis.exceptions import OutOfMemoryError

from core.events import decode_event
from server.app import make_app
from server.config import ensure_secrets, from_env
from storage.embedded import Server
from storage.profiles import ProfileReader
from streams.plugins import log
from streams.topics import EVENTS, GROUP
from tests.processes import ADMIN_TOKEN, Stack, until
from tests.sites import DEMO

P0 = (EVENTS, 0)


@pytest.fixture
async def stack(own_valkey: Server, tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Stack]:
    async with Stack(store_url=own_valkey.url, data_dir=tmp_path / "data", port=free_port()) as running:
        await running.publish(DEMO)
        yield running


def view(path: str = "/", **more: Any) -> dict[str, Any]:
    return {"id": uuid.uuid4().hex, "type": "page", "url": f"http://shop.example{path}", **more}


async def post(
    http: aiohttp.ClientSession, base: str, *events: dict[str, Any], **more: Any
) -> tuple[int, Any]:
    body = json.dumps({"site": "demo", "events": list(events), "slots": ["hero"], **more})
    async with http.post(f"{base}/v1/beacon", data=body) as answer:
        return answer.status, json.loads(await answer.text())


async def health(stack: Stack) -> tuple[int, int, str]:
    """The statuses of /healthz and /readyz, and the problems told."""
    async with (
        stack.http.get(f"{stack.base}/healthz") as alive,
        stack.http.get(f"{stack.base}/readyz") as ready,
    ):
        return alive.status, ready.status, " ".join((await ready.json()).get("problems", []))


class Visit:
    """A visitor who sends page views one after another: `accepted` are the ids answered 200, in order."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.v = stack, ""
        self.accepted: list[str] = []
        self.refused: list[int] = []
        self.decisions: list[Any] = []

    async def send(self) -> None:
        """One page view, sent again until it is accepted, as the snippet does."""
        event = view()
        status, answer = await post(self.stack.http, self.stack.base, event, v=self.v)
        while status != 200:
            self.refused.append(status)
            await asyncio.sleep(0.05)
            status, answer = await post(self.stack.http, self.stack.base, event, v=self.v)
        self.v = answer["v"]
        self.accepted.append(event["id"])
        self.decisions.append(answer["decisions"]["hero"])

    async def go_on(self, stop: asyncio.Event) -> None:
        """Send until told to stop, or the server no longer answers."""
        while not stop.is_set():
            try:
                await self.send()
            except (aiohttp.ClientError, OSError):
                return


@asynccontextmanager
async def load(stack: Stack, *, visitors: int) -> AsyncIterator[list[Visit]]:
    """So many visitors, who send as fast as they are answered while the block runs."""
    visits = [Visit(stack) for _ in range(visitors)]
    await asyncio.gather(*(visit.send() for visit in visits))
    stop = asyncio.Event()
    sending = [asyncio.create_task(visit.go_on(stop)) for visit in visits]
    try:
        yield visits
    finally:
        stop.set()
        await asyncio.gather(*sending)


async def grows(visits: list[Visit], by: int) -> None:
    """Wait until so many more events were accepted."""
    target = sum(len(visit.accepted) for visit in visits) + by

    async def grown() -> bool:
        return sum(len(visit.accepted) for visit in visits) >= target

    await until(grown, 60)


async def assert_all_counted(stack: Stack, visits: list[Visit]) -> None:
    """Every accepted event, and nothing else, is in its visitor's profile, once."""
    reader = ProfileReader(redis=stack.redis)
    missing: set[str] = set()

    async def counted() -> bool:
        if stack.worker is None or stack.worker.poll() is not None:  # nobody restarts it here
            stack.start_worker()
        missing.clear()
        for visit in visits:
            profile = await reader.get("demo", visit.v.split(".")[0])
            missing.update(set(visit.accepted) - set(profile.seen if profile else ()))
        return not missing

    try:
        await until(counted, 90, every=0.3)
    except AssertionError:
        waiting = await log.end(stack.redis, P0) - (await log.committed(stack.redis, GROUP, [P0]))[P0]
        raise AssertionError(f"{len(missing)} missing, {waiting} not yet read\n{stack.logs()}") from None
    for visit in visits:
        view = await stack.visitor(visit.v)
        assert view["page_count"] == len(visit.accepted)
        assert view["score"] == len(visit.accepted) == sum(entry["points"] for entry in view["ledger"])


async def green(stack: Stack) -> None:
    async def is_green() -> bool:
        return (await health(stack))[1] == 200

    await until(is_green, 40)


async def test_valkey_killed_under_load_loses_nothing(stack: Stack, own_valkey: Server) -> None:
    async with load(stack, visitors=20) as visits:
        for _ in range(3):
            await grows(visits, 200)
            own_valkey.kill()
            await grows(visits, 100)
            own_valkey.start()
            await green(stack)
        await grows(visits, 200)
    assert [visit.refused for visit in visits if visit.refused] == []
    await assert_all_counted(stack, visits)


AWAY = [
    pytest.param(2, id="short"),
    pytest.param(60, id="long", marks=[pytest.mark.soak, pytest.mark.timeout(300)]),
]


@pytest.mark.parametrize("seconds", AWAY)
async def test_while_valkey_is_away_events_are_kept_in_order(
    stack: Stack, own_valkey: Server, seconds: int
) -> None:
    stack.kill_worker()  # what is in the stream stays there to be looked at
    async with load(stack, visitors=4) as visits:
        await grows(visits, 50)
        before = [len(visit.accepted) + 1 for visit in visits]  # one more may be under way
        own_valkey.stop()
        await grows(visits, 50)
        assert (await health(stack))[:2] == (200, 503)
        assert "events wait on disk" in (await health(stack))[2]
        assert (await post(stack.http, stack.base, v=visits[0].v))[1]["decisions"] == {"hero": None}
        assert (await post(stack.http, stack.base))[1]["decisions"] == {"hero": None}
        await asyncio.sleep(seconds)
        during = [len(visit.accepted) for visit in visits]
        own_valkey.start()
        await green(stack)
        await grows(visits, 50)
        await until(lambda: all_decided(visits), 40)
    for visit, first, last in zip(visits, before, during, strict=True):
        assert visit.refused == []
        assert set(map(bool, visit.decisions[first:last])) == {False}, "an original for each"
    entries = await log.read(stack.redis, {P0: 1}, count=1_000_000, block_ms=10)
    arrived = [event for entry in entries[P0] if (event := decode_event(entry.value)).type != "exposure"]
    for visit in visits:
        mine = [event.id for event in arrived if event.visitor == visit.v.split(".")[0]]
        assert list(dict.fromkeys(mine)) == visit.accepted
    await assert_all_counted(stack, visits)
    assert list((stack.data_dir / "spool").glob("*/*.events")) == []


async def all_decided(visits: list[Visit]) -> bool:
    """Whether each visitor's last page view got its decision."""
    return all(visit.decisions[-1] for visit in visits)


async def test_a_valkey_that_hangs_holds_up_no_page(stack: Stack, own_valkey: Server) -> None:
    visit = Visit(stack)
    while not visit.decisions or visit.decisions[-1] is None:  # a busy machine may be late with the first
        await visit.send()
    assert own_valkey.process is not None
    own_valkey.process.send_signal(signal.SIGSTOP)
    try:
        # The store's time limit is 5 s a call: waiting for each would take minutes.
        async with asyncio.timeout(40):
            for _ in range(30):
                await visit.send()
                assert (await post(stack.http, stack.base, v=visit.v))[1]["decisions"] == {"hero": None}
        assert (await health(stack))[:2] == (200, 503)
        assert visit.decisions[-30:] == [None] * 30
    finally:
        own_valkey.process.send_signal(signal.SIGCONT)
    await green(stack)
    await assert_all_counted(stack, [visit])


READ = ("sites/demo/visitors/{v}", "sites/demo/visitors?email=taro@acme.co.jp", "sites/demo/visitors/{v}/export",
        "sites/demo/leads?email=taro@acme.co.jp", "sites/demo/leads/m1", "sites/demo/leads/m1/export",
        "sites/demo/accounts/acme.co.jp", "sites/demo/alerts", "sites/demo/revisions", "dlq",
        "sites/demo/report/experiences", "sites/demo/report/alerts")  # fmt: skip


@pytest.mark.parametrize("hangs", [False, True], ids=["away", "hangs"])
async def test_the_admin_api_says_that_asking_again_may_help(
    stack: Stack, own_valkey: Server, hangs: bool
) -> None:
    visit = Visit(stack)
    await visit.send()
    await assert_all_counted(stack, [visit])
    assert own_valkey.process is not None
    if hangs:
        own_valkey.process.send_signal(signal.SIGSTOP)
    else:
        own_valkey.stop()

    async def ask(path: str) -> tuple[int, str | None]:
        url = f"{stack.base}/v1/admin/{path.format(v=visit.v.split('.')[0])}"
        async with stack.http.get(url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}) as answer:
            return answer.status, answer.headers.get("Retry-After")

    try:
        answers = dict(zip(READ, await asyncio.gather(*map(ask, READ)), strict=True))
    finally:
        if hangs:
            own_valkey.process.send_signal(signal.SIGCONT)
    assert answers == dict.fromkeys(READ, (503, "1"))


async def test_a_web_process_killed_with_events_on_disk_loses_none(stack: Stack, own_valkey: Server) -> None:
    visit = Visit(stack)
    await visit.send()
    own_valkey.kill()
    for _ in range(20):
        await visit.send()
    stack.kill_web()
    own_valkey.start()
    stack.start_web()
    await stack.ready()
    await visit.send()
    await assert_all_counted(stack, [visit])


@pytest.fixture
async def small(own_valkey: Server, tmp_path: Path) -> AsyncIterator[tuple[str, Server]]:
    """A web process in this one, whose spool holds some ten events."""
    environ = {"KIZASHI_REDIS_URL": own_valkey.url, "KIZASHI_DATA_DIR": str(tmp_path / "small")}
    app = make_app(ensure_secrets(from_env(environ)), spool_bytes=3_000)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/"), own_valkey


async def test_beyond_the_bound_of_the_spool_it_is_503(stack: Stack, small: tuple[str, Server]) -> None:
    base, valkey = small
    v = (await post(stack.http, base, view()))[1]["v"]
    valkey.stop()
    answers = [await post(stack.http, base, view(), v=v) for _ in range(40)]
    statuses = [status for status, _ in answers]
    kept = statuses.index(503)
    assert kept >= 3
    assert statuses == [200] * kept + [503] * (40 - kept)
    assert answers[-1][1]["error"]["code"] == "unavailable"
    async with stack.http.get(f"{base}/readyz") as answer:
        assert "takes no more events" in " ".join((await answer.json())["problems"])
    async with stack.http.get(f"{base}/metrics") as answer:
        text = await answer.text()
    assert f'kizashi_spool_events_total{{what="kept"}} {float(kept)}' in text
    assert f'kizashi_spool_events_total{{what="refused"}} {float(40 - kept)}' in text
    valkey.start()

    async def accepted_again() -> bool:
        status, answer = await post(stack.http, base, view(), v=v)
        return status == 200 and answer["decisions"]["hero"] is not None

    await until(accepted_again)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data directory whose spool is a file system of 256 KB."""
    spool = tmp_path / "data" / "spool"
    spool.mkdir(parents=True)
    mount, umount = shutil.which("mount"), shutil.which("umount")
    made = mount and umount and sys.platform == "linux" and os.getuid() == 0
    if not made or subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", spool]).returncode:
        pytest.skip(
            "only root may mount a small file system; tests/unit/test_spool.py fails writes without one"
        )
    yield spool
    subprocess.run([umount, "-l", spool], check=True)


async def test_a_full_disk_is_503_and_recovers_by_itself(
    small_disk: Path, own_valkey: Server, free_port: Callable[[], int]
) -> None:
    port = free_port()
    async with Stack(store_url=own_valkey.url, data_dir=small_disk.parent, port=port) as stack:
        await stack.publish(DEMO)
        visit = Visit(stack)
        await visit.send()
        own_valkey.stop()
        accepted, status = [], 200
        while status == 200:
            event = view(props={"filler": "x" * 5_000})
            status, _ = await post(stack.http, stack.base, event, v=visit.v)
            accepted += [event["id"]] if status == 200 else []
        assert status == 503
        assert len(accepted) > 20
        assert [(await post(stack.http, stack.base, event, v=visit.v))[0] for _ in range(5)] == [503] * 5
        assert (await health(stack))[:2] == (200, 503)
        own_valkey.start()
        await green(stack)
        visit.accepted += accepted
        await visit.send()
        await assert_all_counted(stack, [visit])


async def test_a_valkey_out_of_memory_evicts_nothing_and_loses_nothing(
    stack: Stack, own_valkey: Server
) -> None:
    old = Visit(stack)
    await old.send()
    await assert_all_counted(stack, [old])
    fillers = {f"filler:{number}": b"x" * 100_000 for number in range(220)}
    await stack.redis.mset(fillers)
    await stack.redis.config_set("maxmemory", "20mb")
    with pytest.raises(OutOfMemoryError):
        await stack.redis.set("one", "more")
    visit = Visit(stack)
    for _ in range(20):
        await visit.send()
        await old.send()
    assert visit.decisions == [None] * 20
    assert (await health(stack))[:2] == (200, 503)
    assert int((await stack.redis.info("stats"))["evicted_keys"]) == 0
    assert await stack.redis.exists(*fillers) == len(fillers)
    await stack.redis.config_set("maxmemory", "0")
    await green(stack)
    await assert_all_counted(stack, [old, visit])


async def test_sigterm_under_load_loses_nothing(stack: Stack) -> None:
    assert stack.web is not None
    seen: list[tuple[int, str]] = []

    async def watch() -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.get(f"{stack.base}/readyz") as answer:
                        seen.append((answer.status, await answer.text()))
                except (aiohttp.ClientError, OSError):
                    return
                await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    async with load(stack, visitors=20) as visits:
        await grows(visits, 300)
        stack.web.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(stack.web.wait, 20) == 0
    await watching
    stopping = ["this process is stopping" in text for _, text in seen]
    first = stopping.index(True)
    assert 200 in {status for status, _ in seen[:first]}
    assert all(stopping[first:])
    assert {status for status, _ in seen[first:]} == {503}
    stack.start_web()
    await stack.ready()
    # The last event of each may have been taken without its answer getting through: only more is allowed.
    reader = ProfileReader(redis=stack.redis)
    for visit in visits:

        async def counted(visit: Visit = visit) -> bool:
            profile = await reader.get("demo", visit.v.split(".")[0])
            return profile is not None and set(visit.accepted) <= set(profile.seen)

        await until(counted, 60)
        assert (await stack.visitor(visit.v))["page_count"] - len(visit.accepted) in (0, 1)


async def test_sigterm_while_valkey_is_away_leaves_the_events_for_the_next_start(
    stack: Stack, own_valkey: Server
) -> None:
    visit = Visit(stack)
    await visit.send()
    own_valkey.kill()
    for _ in range(10):
        await visit.send()
    assert stack.web is not None
    stack.web.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(stack.web.wait, 20) == 0
    own_valkey.start()
    stack.start_web()
    await stack.ready()
    await assert_all_counted(stack, [visit])


HEAD = b"POST /v1/beacon HTTP/1.1\r\nHost: x\r\n"
BODY = json.dumps({"site": "demo", "events": [view()]}).encode()
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY

#: What is sent at once, what then drips on, and how the answers begin (nothing: closed without one).
SLOW: list[tuple[str, bytes, bytes, list[bytes]]] = [
    ("nothing at all", b"", b"", []),
    ("half a request line", b"POST /v1/be", b"", []),
    ("headers that drip", HEAD, b"X-A: b\r\n", []),
    ("one header that drips", HEAD + b"X-A: ", b"b", []),
    ("headers that drip after a request", WHOLE + HEAD, b"X-A: b\r\n", [b"HTTP/1.1 200"]),
    ("a body that drips", HEAD + b"Content-Length: 1000\r\n\r\n{", b" ", [b"HTTP/1.1 408"]),
    ("a chunked body that drips", HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"1\r\n \r\n",
     [b"HTTP/1.1 408"]),
]  # fmt: skip


async def drip(port: int, first: bytes, more: bytes) -> tuple[bytes, float]:
    """Send slowly until the server hangs up: what it said, and after how many seconds it closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begun = time.monotonic()
    said = b""
    writer.write(first)
    try:
        while time.monotonic() - begun < 40:
            try:
                chunk = await asyncio.wait_for(reader.read(65536), 0.5)
                if not chunk:
                    return said, time.monotonic() - begun
                said += chunk
            except TimeoutError:
                writer.write(more)
    except ConnectionError:
        return said, time.monotonic() - begun
    finally:
        writer.close()
    raise AssertionError("the connection is still open")


@pytest.mark.slow
async def test_slow_clients_are_closed_and_hold_up_nobody(stack: Stack) -> None:
    port = int(stack.base.rpartition(":")[2])
    dripping = [asyncio.create_task(drip(port, first, more)) for _, first, more, _ in SLOW]
    visit = Visit(stack)
    while not all(task.done() for task in dripping):
        await visit.send()
        await asyncio.sleep(0.2)
    for (name, _, _, answers), task in zip(SLOW, dripping, strict=True):
        said, after = await task
        found = [b"HTTP/1.1 " + part[:3] for part in said.split(b"HTTP/1.1 ")[1:]]
        assert found == answers, name
        # The promise is 15 seconds; the others are for a busy machine.
        assert after < 20, name
    await assert_all_counted(stack, [visit])
