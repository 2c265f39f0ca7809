"""Commands to the store over one connection, all of one turn of the event loop written together.

For the path that every page view takes. redis-py, which serves everything else, takes a connection from a pool,
writes and reads for each command; here a command costs a future and its bytes. See docs/adr/0010-pipe.md.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, cast

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as Away
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as Silent

Word = str | bytes | int | float

CONNECT_S = 5.0
#: How often to look for commands that have waited too long, in shares of the patience.
_LOOKS = 5


def pairs(reply: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The fields and values of a hash, which come one after the other."""
    return zip(reply[::2], reply[1::2], strict=True)


class Pipe:
    """A lean way to the server and database that `redis` names. It connects when first used.

    Replies are as protocol 2 has them, texts as bytes. No command is ever sent twice: what was on its way when the
    connection broke fails, and the next command connects anew.
    """

    def __init__(self, redis: Redis, *, patience_s: float) -> None:
        self._redis, self._patience_s = redis, patience_s
        self._line: _Line | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._held: list[tuple[bytes, asyncio.Future[Any]]] = []

    def call(self, *words: Word) -> asyncio.Future[Any]:
        """Send a command; the future is its reply. It raises redis' ResponseError for a refusal, ConnectionError
        where the server is away, TimeoutError where it is silent for `patience_s`.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]
        if self._line is not None and self._line.open:
            self._line.send(packed, future)
            return future
        self._held.append((packed, future))
        if self._dialing is None or self._dialing.done():
            self._dialing = asyncio.create_task(self._dial(), name="pipe-dial")
        return future

    async def close(self) -> None:
        """Hang up; what waits fails."""
        if self._dialing is not None:
            self._dialing.cancel()
            await asyncio.gather(self._dialing, return_exceptions=True)
        self._fail(Away("closed"))
        if self._line is not None:
            self._line.hang_up("closed")

    async def _dial(self) -> None:
        try:
            async with asyncio.timeout(min(CONNECT_S, self._patience_s)):
                line = await self._connected()
        except Exception as error:  # whatever it is, those who wait must hear of it
            return self._fail(Away(f"the server cannot be reached: {error or 'timeout'}"))
        self._line = line
        held, self._held = self._held, []
        for packed, future in held:
            line.send(packed, future)

    def _fail(self, error: Exception) -> None:
        held, self._held = self._held, []
        for _, future in held:
            if not future.done():
                future.set_exception(error)

    async def _connected(self) -> _Line:
        """A line that is past its greeting."""
        how = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        line = await _open(how, self._patience_s)
        loop = asyncio.get_running_loop()
        for words in _greeting(how):
            reply: asyncio.Future[Any] = loop.create_future()
            line.send(hiredis.pack_command(words), reply)  # type: ignore[arg-type]
            try:
                await reply
            except BaseException:
                line.hang_up("refused")
                raise
        return line


async def _open(how: AbstractConnection, patience_s: float) -> _Line:
    loop = asyncio.get_running_loop()
    if isinstance(how, UnixDomainSocketConnection):
        return (await loop.create_unix_connection(lambda: _Line(loop, patience_s), how.path))[1]
    tls = how.ssl_context.get() if isinstance(how, SSLConnection) else None
    host, port = getattr(how, "host", "localhost"), getattr(how, "port", 6379)
    return (await loop.create_connection(lambda: _Line(loop, patience_s), host, port, ssl=tls))[1]


def _greeting(how: AbstractConnection) -> list[tuple[Word, ...]]:
    """What a new connection says first: who we are, and which database is meant."""
    said: list[tuple[Word, ...]] = []
    if how.password:
        said.append(("AUTH", how.username, how.password) if how.username else ("AUTH", how.password))
    if how.db:
        said.append(("SELECT", how.db))
    return said


class _Line(asyncio.Protocol):
    """One connection: what waits to be written, and who waits for the replies, in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, patience_s: float) -> None:
        self._loop, self._patience_s = loop, patience_s
        self._reader = hiredis.Reader(replyError=ResponseError)
        self._transport: asyncio.Transport
        self._out: list[bytes] = []
        self._pending: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self.open = False

    def send(self, packed: bytes, future: asyncio.Future[Any]) -> None:
        """Write with everything else of this turn."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(packed)
        self._pending.append((self._loop.time(), future))
        if self._watch is None:
            self._watch = self._loop.call_later(self._patience_s / _LOOKS, self._look)

    def hang_up(self, why: str) -> None:
        """Close at once; who waits is told."""
        self.open = False
        self._transport.abort()
        self._tell(Away(why))

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self.open:
            self._transport.write(b"".join(out))

    def _look(self) -> None:
        """Tell those who have waited too long. Their replies, should they come, are nobody's any more."""
        now, self._watch = self._loop.time(), None
        for since, future in self._pending:
            if now - since < self._patience_s:
                break
            if not future.done():
                future.set_exception(Silent("the server does not answer"))
        if self._pending and now - self._pending[0][0] > self._patience_s + CONNECT_S:
            self.hang_up("the server has been silent for too long")
        elif self._pending:
            self._watch = self._loop.call_later(self._patience_s / _LOOKS, self._look)

    def _tell(self, error: Exception) -> None:
        pending, self._pending = self._pending, deque()
        for _, future in pending:
            if not future.done():
                future.set_exception(error)

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.open = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        reader, pending = self._reader, self._pending
        reader.feed(data)
        while (reply := self._next(reader)) is not False:
            _, future = pending.popleft()
            if future.done():
                continue  # who asked has given up
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    def _next(self, reader: hiredis.Reader) -> Any:
        try:
            return reader.gets()
        except hiredis.ProtocolError as error:
            self.hang_up(f"the server sent what is no reply: {error}")
            return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._watch is not None:
            self._watch.cancel()
        self._tell(Away(f"the connection was lost: {exc or 'closed by the server'}"))
