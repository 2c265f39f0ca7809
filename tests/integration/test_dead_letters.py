"""Events that cannot be processed: set aside with their reason while the rest flows on, replayed once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from redis.asyncio import Redis

from cli.main import main
from core.errors import StoreUnavailable
from core.events import Event, decode_event, encode_event
from storage import keys
from storage.embedded import Server
from streams.dead_letters import DeadLetters
from streams.publisher import MemoryPublisher, RedisPublisher
from streams.topics import EVENTS
from tests.factories import T0, event
from tests.processes import Stack, until
from tests.sites import DEMO

LATE = DEMO.replace("site: demo", "site: late").replace("demo-write-key", "late-write-key")
UNREADABLE = b'{"id": "half an ev'


@pytest.fixture
async def stack(own_valkey: Server, tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Stack]:
    async with Stack(store_url=own_valkey.url, data_dir=tmp_path / "data", port=free_port()) as running:
        await running.publish(DEMO)
        yield running


def page(visitor: str, *, site: str = "demo", at: int = T0) -> Event:
    return msgspec.structs.replace(event("page", id=uuid.uuid4().hex, at=at), site=site, visitor=visitor)


def kizashi(url: str, *args: str) -> Result:
    return CliRunner().invoke(main, ["dlq", *args], env={"KIZASHI_REDIS_URL": url})


async def dlq(stack: Stack, *args: str) -> Result:
    return await asyncio.to_thread(kizashi, stack.store_url, *args)


async def pages(stack: Stack, site: str, visitor: str) -> int:
    view = await stack.admin(f"/v1/admin/sites/{site}/visitors/{visitor}") or {}
    return int(view.get("page_count", 0))


async def published(stack: Stack, *events: Event) -> None:
    publisher = RedisPublisher(redis=stack.redis)
    await publisher.publish(events)
    await publisher.close()


async def test_a_damaged_record_sets_its_own_visitors_events_aside(stack: Stack) -> None:
    await stack.redis.set(keys.profile("demo", "v8"), b"damaged")
    await published(stack, page("v8"), page("v1"), page("v8"))
    await published(stack, page("v2"))

    async def flowed_on() -> bool:
        return (await pages(stack, "demo", "v1"), await pages(stack, "demo", "v2")) == (1, 1)

    await until(flowed_on)
    await until(lambda: waiting(stack, 2))
    assert await stack.redis.get(keys.profile("demo", "v8")) == b"damaged"


async def waiting(stack: Stack, count: int) -> bool:
    """Whether so many events are set aside."""
    return bool(await stack.redis.hlen(keys.DEAD_LETTERS) == count)


async def test_what_cannot_be_processed_is_set_aside_and_counts_once_when_replayed(stack: Stack) -> None:
    """FAULTS 5: an event of a site nobody has published, and a message that is no event, amid good ones."""
    poison = page("v1", site="late")
    await published(stack, page("v1"), poison)
    await stack.redis.xadd(keys.stream(EVENTS, 0), {b"k": b"demo:v1", b"v": UNREADABLE}, id="0-*")
    await published(stack, page("v1"), page("v2"))

    async def flowed_on() -> bool:
        return (await pages(stack, "demo", "v1"), await pages(stack, "demo", "v2")) == (2, 1)

    await until(flowed_on)
    unreadable, late = sorted(await DeadLetters(redis=stack.redis).all(), key=lambda letter: letter.id)
    assert late.id == f"late:v1:{poison.id}"
    assert late.reason == "NotFound: site 'late' is not published"
    assert late.event == poison
    assert unreadable.id.startswith("demo:v1:undecodable:")
    assert unreadable.reason.startswith("DecodeError: ")
    assert (unreadable.event, unreadable.text) == (None, UNREADABLE.decode())

    # Replayed while the site is still missing it fails again, and comes back as a letter.
    assert (await dlq(stack, "replay", late.id)).stdout == "replayed 1\n"

    async def back() -> bool:
        [again] = await DeadLetters(redis=stack.redis).get([late.id])
        return again is not None and again.at > late.at

    await until(back)

    await stack.publish(LATE)
    [kept] = await DeadLetters(redis=stack.redis).get([late.id])
    result = await dlq(stack, "replay", "--all")
    assert (result.exit_code, result.stdout) == (1, "replayed 1\n")
    assert result.stderr == (
        f"{unreadable.id}: not replayed, the message is not a readable event; kizashi dlq drop removes it\n"
    )
    # As after a crash between the stream's answer and the letter's removal: the letter is there once more.
    assert kept is not None
    await stack.redis.hset(keys.DEAD_LETTERS, kept.id, kept.stored)
    assert (await dlq(stack, "replay", late.id)).stdout == "replayed 1\n"
    await published(stack, page("v1", site="late"))

    async def drained() -> bool:
        return await pages(stack, "late", "v1") >= 2

    await until(drained)
    assert await pages(stack, "late", "v1") == 2
    assert await stack.redis.hkeys(keys.DEAD_LETTERS) == [unreadable.id.encode()]


# -- the command, on letters put there by hand


def letter(one: Event, *, at: int, reason: str = "ValueError: no") -> tuple[str, bytes]:
    key = f"{one.site}:{one.visitor}"
    stored = {"key": key, "reason": reason, "at": at, "event": encode_event(one).decode()}
    return f"{key}:{one.id}", msgspec.json.encode(stored)


MANGLED = {"key": "demo:v3", "reason": "DecodeError: \x1b[31mno\n", "at": T0 + 3_000, "event": "\ufffd"}
OLDER, NEWER = page("v1"), page("v2", site="shop")
LETTERS = dict(
    [
        letter(OLDER, at=T0 + 1_000),
        letter(NEWER, at=T0 + 2_000, reason="NotFound: site 'shop' is not published"),
        ("demo:v3:undecodable:00ff", msgspec.json.encode(MANGLED)),
    ]
)
ID_OF = {
    "older": f"demo:v1:{OLDER.id}",
    "newer": f"shop:v2:{NEWER.id}",
    "mangled": "demo:v3:undecodable:00ff",
}


@pytest.fixture
async def letters(redis: Redis) -> Redis:
    await redis.hset(keys.DEAD_LETTERS, mapping=dict(LETTERS))  # type: ignore[arg-type]
    return redis


LISTS: list[tuple[Sequence[str], list[list[str]]]] = [
    ((), [["demo", "v3", "-"], ["shop", "v2", "page"], ["demo", "v1", "page"]]),
    (("--site", "demo"), [["demo", "v3", "-"], ["demo", "v1", "page"]]),
    (("--limit", "1"), [["demo", "v3", "-"]]),
    (("--site", "nobody"), []),
]


@pytest.mark.parametrize(("options", "rows"), LISTS)
async def test_the_list_is_a_table_newest_first(
    letters: Redis, redis_url: str, options: Sequence[str], rows: list[list[str]]
) -> None:
    result = await asyncio.to_thread(kizashi, redis_url, "list", *options)
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["WHEN", "SITE", "VISITOR", "EVENT", "ID", "REASON"]
    assert [line.split()[2:5] for line in lines] == rows
    assert all(line.isprintable() for line in lines)
    for line in lines:
        assert line.index(line.split()[2]) == head.index("SITE")


async def test_a_line_holds_when_the_id_and_the_whole_reason(letters: Redis, redis_url: str) -> None:
    result = await asyncio.to_thread(kizashi, redis_url, "list", "--site", "shop")
    line = result.stdout.splitlines()[1]
    assert line.startswith("2026-11-02 01:00:02+00:00  shop  v2")
    assert line.endswith(f"{ID_OF['newer']}  NotFound: site 'shop' is not published")


#: what was asked -> exit code, stdout, what stderr says, letters left, events in the stream
CASES: list[tuple[list[str], int, str, str, set[str], list[Event]]] = [
    (["replay", "older"], 0, "replayed 1\n", "", {"newer", "mangled"}, [OLDER]),
    (["replay", "older", "older"], 0, "replayed 1\n", "", {"newer", "mangled"}, [OLDER]),
    (["replay", "newer", "older"], 0, "replayed 2\n", "", {"mangled"}, [NEWER, OLDER]),
    (["replay", "--all"], 1, "replayed 2\n", "not a readable event", {"mangled"}, [OLDER, NEWER]),
    (["replay", "mangled"], 1, "replayed 0\n", "not a readable event", set(ID_OF), []),
    (["replay", "older", "nothing"], 1, "", "there is no dead letter 'nothing'", set(ID_OF), []),
    (["replay"], 2, "", "give either ids", set(ID_OF), []),
    (["replay", "older", "--all"], 2, "", "give either ids", set(ID_OF), []),
    (["drop", "mangled"], 2, "", "--yes confirms it", set(ID_OF), []),
    (["drop", "mangled", "--yes"], 0, "dropped 1\n", "", {"older", "newer"}, []),
    (["drop", "nothing", "--yes"], 1, "", "there is no dead letter 'nothing'", set(ID_OF), []),
]


@pytest.mark.parametrize(("asked", "code", "out", "err", "left", "events"), CASES)
async def test_each_letter_asked_for_is_replayed_or_dropped_and_no_other(
    letters: Redis,
    redis_url: str,
    asked: list[str],
    code: int,
    out: str,
    err: str,
    left: set[str],
    events: list[Event],
) -> None:
    words = [ID_OF.get(word, word) for word in asked]
    result = await asyncio.to_thread(kizashi, redis_url, *words)
    assert (result.exit_code, result.stdout) == (code, out)
    assert err in result.stderr
    names: Any = await letters.hkeys(keys.DEAD_LETTERS)
    assert {name.decode() for name in names} == {ID_OF[n] for n in left}
    entries: Any = await letters.xrange(keys.stream(EVENTS, 0))
    appended = [decode_event(fields[b"v"]) for _, fields in entries]
    assert [msgspec.structs.replace(one, received_at=T0) for one in appended] == events
    assert all(one.received_at > T0 for one in appended)


async def test_a_letter_written_anew_during_its_replay_stays(letters: Redis) -> None:
    box = DeadLetters(redis=letters)
    _, failed_again = letter(OLDER, at=T0 + 9_000)

    class FailsAgain(MemoryPublisher):
        """A stream whose worker is quick: the event is a letter again before the publisher has answered."""

        async def publish(self, events: Sequence[Event]) -> None:
            await super().publish(events)
            await letters.hset(keys.DEAD_LETTERS, ID_OF["older"], failed_again)

    publisher = FailsAgain()
    assert await box.replay(await box.all(), publisher=publisher, now=T0 + 10_000) == 2
    assert [one.id for one in publisher.events] == [OLDER.id, NEWER.id]
    assert {one.id: one.stored for one in await box.all()} == {
        ID_OF["older"]: failed_again,
        ID_OF["mangled"]: LETTERS[ID_OF["mangled"]],
    }


async def test_what_the_stream_does_not_take_stays(letters: Redis) -> None:
    class Away(MemoryPublisher):
        """A stream that cannot be reached."""

        async def publish(self, events: Sequence[Event]) -> None:
            raise StoreUnavailable

    box = DeadLetters(redis=letters)
    with pytest.raises(StoreUnavailable):
        await box.replay(await box.all(), publisher=Away(), now=T0 + 10_000)
    assert {one.id: one.stored for one in await box.all()} == LETTERS


async def test_a_store_that_is_away_is_one_line(own_valkey: Server) -> None:
    own_valkey.stop()
    result = await asyncio.to_thread(kizashi, own_valkey.url, "replay", "--all")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("kizashi: the store cannot be reached: ")
    assert result.stderr.count("\n") == 1
