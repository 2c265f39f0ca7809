"""The lean connection to the store: order, refusals, a server that is killed, one that hangs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import ConnectionError as Away
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as Silent

from storage.connect import connect
from storage.embedded import Server
from storage.pipe import Pipe, pairs


@pytest.fixture
async def pipe(own_valkey: Server) -> AsyncIterator[Pipe]:
    async with connect(own_valkey.url) as redis:
        made = Pipe(redis, patience_s=2.0)
        yield made
        await made.close()


async def test_replies_come_in_order_and_a_refusal_is_its_own_commands_alone(pipe: Pipe) -> None:
    added = [pipe.call("INCR", "count") for _ in range(200)]
    refused = pipe.call("HGETALL", "count")
    stored = pipe.call("HSET", "hash", "a", 1, "b", b"\xff")
    assert await asyncio.gather(*added) == list(range(1, 201))
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await refused
    assert await stored == 2
    assert dict(pairs(await pipe.call("HGETALL", "hash"))) == {b"a": b"1", b"b": b"\xff"}
    assert await pipe.call("GET", "nothing") is None


async def test_after_a_killed_server_the_next_command_connects_anew(pipe: Pipe, own_valkey: Server) -> None:
    assert await pipe.call("SET", "name", "kizashi") == b"OK"
    own_valkey.kill()
    with pytest.raises(Away):
        await pipe.call("GET", "name")
    own_valkey.restart()
    assert await pipe.call("GET", "name") == b"kizashi"


async def test_a_server_that_hangs_costs_the_patience_and_late_replies_are_nobodys(
    pipe: Pipe, own_valkey: Server
) -> None:
    pid = int(dict(line.split(":", 1) for line in (await pipe.call("INFO", "server")).decode().split("\r\n")
                   if ":" in line)["process_id"])  # fmt: skip
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Silent):
            await pipe.call("INCR", "late")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await pipe.call("ECHO", "mine") == b"mine"


async def test_who_waits_when_it_is_closed_is_told(own_valkey: Server) -> None:
    async with connect(own_valkey.url) as redis:
        made = Pipe(redis, patience_s=2.0)
        waiting = made.call("PING")
        await made.close()
        with pytest.raises(Away):
            await waiting
