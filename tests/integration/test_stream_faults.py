"""What the stream does when processes stall, die or fall behind, and when events come late. Real processes."""

from __future__ import annotations

import random
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from alerts.outbox import Outbox
from storage import keys
from storage.embedded import Server
from streams.plugins import log
from streams.topics import EVENTS, GROUP
from tests.integration.exactly_once import (
    assert_same,
    caught_up,
    clean_run,
    clickstream,
    progress,
    publish_all,
    site_of,
)
from tests.processes import Stack, end, until
from tests.sites import DEMO
from tests.slack_server import Call, SlackServer, stack_env

P0 = (EVENTS, 0)


@pytest.fixture
async def stack(own_valkey: Server, tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Stack]:
    async with Stack(store_url=own_valkey.url, data_dir=tmp_path / "data", port=free_port()) as running:
        await running.publish(DEMO)
        yield running


async def drained(stack: Stack, timeout: float = 120) -> None:
    """Wait until every event is committed. A worker that lost its lease ends: here nobody else restarts it."""

    async def done() -> bool:
        if stack.worker is None or stack.worker.poll() is not None:
            stack.start_worker()
        return await caught_up(stack.redis)

    await until(done, timeout)


async def test_events_in_any_order_leave_the_same_profiles(stack: Stack) -> None:
    made = clickstream(events=1_500, visitors=60, seed=7)
    received = max(event.at for event in made)
    made = [replace(event, received_at=received) for event in made]
    expected = clean_run(sorted(made, key=lambda e: e.at), await site_of(stack.redis))
    shuffled = random.Random(1).sample(made, len(made))
    expected.alerts = clean_run(shuffled, await site_of(stack.redis)).alerts
    await publish_all(stack.redis, shuffled)
    await drained(stack)
    await assert_same(stack.redis, expected)


async def test_a_waiting_worker_takes_over_and_the_sleeper_is_refused(stack: Stack) -> None:
    owner = stack.worker
    assert owner is not None
    await until(lambda: owned(stack))
    made = clickstream(events=3_000, visitors=200, seed=3)
    expected = clean_run(made, await site_of(stack.redis))
    stack.start_worker()
    await publish_all(stack.redis, made[:1_500])

    async def under_way() -> bool:
        return await progress(stack.redis) > 1

    await until(under_way)
    owner.send_signal(signal.SIGSTOP)
    try:
        await publish_all(stack.redis, made[1_500:])
        await drained(stack, 60)
        await assert_same(stack.redis, expected)
    except BaseException:
        end(owner, signal.SIGKILL)
        raise
    owner.send_signal(signal.SIGCONT)

    async def gone() -> bool:
        return owner.poll() is not None

    await until(gone, 30)
    assert owner.returncode == 70
    await assert_same(stack.redis, expected)


async def owned(stack: Stack) -> bool:
    """Whether some worker holds the lease."""
    return bool(await stack.redis.exists(keys.lease(GROUP)))


async def test_nothing_unread_is_trimmed_while_the_worker_sleeps(stack: Stack) -> None:
    made = clickstream(events=5_000, visitors=100, seed=5)
    assert stack.worker is not None
    await publish_all(stack.redis, made[:2_000])
    await drained(stack)
    stack.worker.send_signal(signal.SIGSTOP)
    try:
        read = await progress(stack.redis)
        await publish_all(stack.redis, made[2_000:])
        oldest = await log.start(stack.redis, P0)
        unread = await stack.redis.xlen(keys.stream(EVENTS, 0))
        assert oldest <= read
        assert unread >= 3_000
    finally:
        stack.worker.send_signal(signal.SIGCONT)
    await drained(stack)
    await assert_same(stack.redis, clean_run(made, await site_of(stack.redis)))

    async def trimmed() -> bool:  # after the commit
        return bool(await stack.redis.xlen(keys.stream(EVENTS, 0)) < 1_000)

    await until(trimmed)


@pytest.mark.parametrize(
    "count", [5_000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
async def test_a_backlog_becomes_one_digest_not_a_flood(
    own_valkey: Server,
    tmp_path: Path,
    free_port: Callable[[], int],
    count: int,
    figure: Callable[[str], None],
) -> None:
    now = int(time.time() * 1000)
    made = clickstream(events=count, visitors=count // 20, seed=11)
    shift = now - 3_600_000 - made[-1].at
    made = [replace(e, at=e.at + shift, received_at=e.received_at + shift) for e in made]
    async with SlackServer() as slack:
        running = Stack(
            store_url=own_valkey.url, data_dir=tmp_path / "data", port=free_port(), **stack_env(slack)
        )
        async with running as stack:
            stack.kill_worker()
            await stack.publish(DEMO)
            await publish_all(stack.redis, made)
            # Now: while it is computed the local Slack, which is in this process, answers nobody.
            downloads = len(clean_run(made, await site_of(stack.redis)).alerts)
            stack.start_worker()
            await drained(stack, 400)

            async def states() -> Counter[str]:
                return Counter(alert["state"] for alert in await Outbox(stack.redis).recent("demo", count))

            async def all_told() -> bool:
                return set(await states()) <= {"sent", "suppressed"}

            await until(all_told, 60)
            known = await states()
            assert known.total() == downloads
            assert known["sent"] > 100
            # One, but where a busy machine makes the worker pause for long.
            assert 1 <= len(slack.posted()) <= 3
            assert sum(map(told_by, slack.posted())) == known["sent"]
            figure(f"{known['sent']} stale alerts in {len(slack.posted())} messages")


def told_by(call: Call) -> int:
    """How many alerts a message tells."""
    return int(call.payload["metadata"]["event_payload"].get("count", 1))


async def test_logs_hold_no_personal_data(stack: Stack, own_valkey: Server) -> None:
    answer = await stack.beacon(
        {
            "id": "a",
            "type": "identify",
            "url": "http://shop.example/?mail=secret-person@example.com",
            "props": {
                "email": "secret-person@example.com",
                "name": "Secret Person",
                "phone": "+81-3-5555-0100",
            },
        }
    )
    await stack.redis.xadd(
        keys.stream(EVENTS, 0), {b"k": b"demo:x", b"v": b'{"secret-person@example.com'}, id="0-*"
    )
    await drained(stack)
    async with stack.http.post(f"{stack.base}/v1/beacon", data='{"site":"secret-person@example.com"}'):
        pass
    own_valkey.stop()
    async with stack.http.post(
        f"{stack.base}/v1/beacon", data='{"site":"demo","v":"' + answer["v"] + '","events":[]}'
    ):
        pass
    end(stack.web, signal.SIGTERM)
    end(stack.worker, signal.SIGTERM)
    logged = stack.logs()
    assert "dead-lettered" in logged
    for secret in ("secret-person", "Secret Person", "5555-0100", answer["v"], answer["v"].split(".")[1]):
        assert secret not in logged
    assert re.search(r"\b127\.0\.0\.1\b", logged) is None


BAD_KEYS = [b"nocolon", b"\xff\xfe:x", b"", b":", b"demo:", b":v1"]


async def test_a_message_under_a_bad_key_holds_up_nobody(stack: Stack) -> None:
    for key in BAD_KEYS:
        await stack.redis.xadd(keys.stream(EVENTS, 0), {b"k": key, b"v": b"{" + key}, id="0-*")
    made = clickstream(events=300, visitors=20, seed=2)
    await publish_all(stack.redis, made)
    await drained(stack)
    await assert_same(stack.redis, clean_run(made, await site_of(stack.redis)))
    letters = await stack.admin("/v1/admin/dlq")
    assert len(letters) == len(BAD_KEYS)
    assert all("names no site and visitor" in letter["reason"] for letter in letters)
    assert stack.worker is not None
    assert stack.worker.poll() is None
