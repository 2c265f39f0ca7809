"""A small HTTP/1.1 client for load: keep-alive connections, each sending its next request after the answer."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

#: Connections where nothing else is said.
CONNECTIONS = 64


class Load(NamedTuple):
    """What was sent: requests answered, in how many seconds."""

    requests: int
    seconds: float


def request(body: bytes, *, port: int) -> bytes:
    """A beacon's POST as bytes."""
    head = (
        f"POST /v1/beacon HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: text/plain\r\n"
        f"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def send(
    requests: Iterator[bytes], *, port: int, count: int, status: int, connections: int = CONNECTIONS
) -> Load:
    """Send `count` requests over `connections`. Raises RuntimeError for an answer with another status."""
    left = iter(range(count))
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_connection(requests, left, port, status))
    return Load(count, time.perf_counter() - started)


async def _connection(requests: Iterator[bytes], left: Iterator[int], port: int, status: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in left:
        writer.write(next(requests))
        await _answer(reader, status)
    writer.close()


async def at_rate(
    requests: Iterator[bytes],
    *,
    port: int,
    rate: float,
    count: int,
    status: int,
    heard: Callable[[bytes], object] = len,
) -> list[float]:
    """Send `count` requests at `rate` a second, whatever the answers take; `heard` is given each answer's body.
    How long each took from the moment it was due, in milliseconds: a server that falls behind does not make the
    load wait with it.
    """
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    took: list[float] = []

    async def one(due: float, call: bytes) -> None:
        reader, writer = await idle.get()
        writer.write(call)
        heard(await _answer(reader, status))
        took.append((time.perf_counter() - due) * 1_000)
        idle.put_nowait((reader, writer))

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            due = started + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(due, next(requests)))
    while not idle.empty():
        idle.get_nowait()[1].close()
    return took


async def _answer(reader: asyncio.StreamReader, status: int) -> bytes:
    """The body of an answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    if int(head[9:12]) != status:
        raise RuntimeError(f"answered {head[9:12].decode()}, not {status}")
    lower = head.lower()
    if (start := lower.find(b"content-length:")) < 0:
        return b""
    length = int(lower[start + 15 : lower.index(b"\r\n", start)])
    return await reader.readexactly(length)


def listeners(port: int) -> int:
    """How many sockets wait for connections on the port, over IPv4: processes may share one."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    waits = "0A"
    return sum(line[1].endswith(f":{port:04X}") and line[3] == waits for line in lines)


async def listening(port: int) -> bool:
    """Whether somebody answers on the port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
