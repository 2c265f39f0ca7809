"""Who watches which visitor, and the one connection on which this process hears of changed profiles.

A channel per visitor: what is published for visitors whom nobody watches costs the store a lookup and reaches
no process, and a process hears of those it serves alone. What is missed while the connection is away is made up
for: whoever watches then looks again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import structlog
from aiohttp import web
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

from core.errors import KizashiError
from storage import keys

#: Seconds between two updates of one visitor: what happens in between comes with the later one.
PAUSE_S = 0.2
#: Watchers that look again in a second, when all have reason to: after an outage, after a publish.
LOOKS_PER_S = 500
#: Seconds between signs of life on the connection, and without any before it is given up.
PING_S, SILENCE_S = 5.0, 15.0
RECONNECT_S = 0.5
#: Channels in one command.
BATCH = 500

log = structlog.get_logger()


class TooManyStreams(KizashiError):
    """No more event streams can be opened. `of_visitor` says whether it is this visitor who has too many."""

    def __init__(self, *, of_visitor: bool) -> None:
        super().__init__("too many event streams are open")
        self.of_visitor = of_visitor


class Watcher:
    """One event stream. `changed` is set when there is reason to look; `again` when even what looks unchanged is
    to be sent, as the page may show something else by now. `gone()` says whether the browser has left.
    """

    def __init__(self, channel: str, gone: Callable[[], bool]) -> None:
        self.channel, self.gone = channel, gone
        self.changed = asyncio.Event()
        self.again = False


class _Room:
    """Everybody who watches one visitor. Mutable: streams come and go."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.watchers: set[Watcher] = set()
        self.heard = False  # whether the store has confirmed the channel, once
        self.quiet_until = 0.0
        self.timer: asyncio.Handle | None = None
        self.rings_at = 0.0  # uvloop gives a handle that does not know its time where that has come


class LiveHub:
    """Wakes the streams of a visitor when the profile changes. `max_streams` are for the process."""

    def __init__(self, redis: Redis, *, max_streams: int, max_per_visitor: int) -> None:
        self._redis = redis
        self._max_streams, self._max_per_visitor = max_streams, max_per_visitor
        self._rooms: dict[str, _Room] = {}
        self._turn = 0.0  # when the next of many that wake at once does
        self._touched: dict[str, None] = {}  # channels to be joined or left, in order
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.streams = 0
        self.stopping = False

    # -- Streams

    @property
    def enabled(self) -> bool:
        """Whether streams are served at all."""
        return self._max_streams > 0

    def has_room(self) -> bool:
        """Whether one more stream may be opened now."""
        return not self.stopping and self.streams < self._max_streams

    def join(self, site: str, visitor: str, *, gone: Callable[[], bool]) -> Watcher:
        """Watch a visitor. The first reason to look comes at once, or as soon as the store can be heard.

        Raises TooManyStreams.
        """
        channel = keys.live(site, visitor)
        room = self._rooms.get(channel)
        if not self.has_room():
            self._sweep(list(self._rooms))
            if not self.has_room():
                raise TooManyStreams(of_visitor=False)
        if room is not None and len(room.watchers) >= self._max_per_visitor:
            self._sweep([channel])
            if len(room.watchers) >= self._max_per_visitor:
                raise TooManyStreams(of_visitor=True)
        watcher = Watcher(channel, gone)
        room = self._rooms.setdefault(channel, _Room(site))
        room.watchers.add(watcher)
        self.streams += 1
        if room.heard:
            watcher.changed.set()
        else:
            self._touch(channel)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """End a watch; twice is once."""
        room = self._rooms.get(watcher.channel)
        if room is None or watcher not in room.watchers:
            return
        room.watchers.discard(watcher)
        self.streams -= 1
        if not room.watchers:
            if room.timer is not None:
                room.timer.cancel()
            del self._rooms[watcher.channel]
            self._touch(watcher.channel)

    def _sweep(self, channels: list[str]) -> None:
        """Forget the streams whose browsers have left without our noticing yet."""
        for channel in channels:
            room = self._rooms.get(channel)
            for watcher in [one for one in room.watchers if one.gone()] if room else ():
                watcher.changed.set()
                self.leave(watcher)

    # -- Reasons to look

    def published(self, sites: frozenset[str]) -> None:
        """These sites have a new revision: whoever watches them looks again, in turn."""
        for room in self._rooms.values():
            if room.site in sites:
                self._wake_in_turn(room)

    def close(self) -> None:
        """End every stream: their browsers come back to another process."""
        self.stopping = True
        for room in self._rooms.values():
            for watcher in room.watchers:
                watcher.changed.set()

    def _wake_in_turn(self, room: _Room) -> None:
        self._turn = max(asyncio.get_running_loop().time(), self._turn + 1 / LOOKS_PER_S)
        self._wake(room, self._turn)

    def _wake(self, room: _Room, at: float = 0.0) -> None:
        """Wake a room's watchers, not before `at` (the loop's time), and not too often."""
        loop = asyncio.get_running_loop()
        at = max(at, room.quiet_until)
        if room.timer is not None:
            if room.rings_at <= at:
                return
            room.timer.cancel()
        room.timer, room.rings_at = loop.call_at(at, self._ring, room), at

    def _ring(self, room: _Room) -> None:
        room.timer = None
        room.quiet_until = asyncio.get_running_loop().time() + PAUSE_S
        for watcher in room.watchers:
            watcher.changed.set()

    # -- The connection

    async def start(self) -> None:
        """Listen; while the store is away, try again and again."""
        self._task = asyncio.create_task(self._run(), name="live-hub")

    async def stop(self) -> None:
        """Stop listening."""
        self.close()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _touch(self, channel: str) -> None:
        self._touched[channel] = None
        self._work.set()

    async def _run(self) -> None:
        while not self.stopping:
            try:
                await self._listen()
            except* Exception as errors:  # without this task no page would hear of anything again
                log.warning("changed profiles cannot be heard of", reason=type(errors.exceptions[0]).__name__)
            # Processes that lost the store together must not all come back at the same moment.
            await asyncio.sleep(RECONNECT_S * (0.5 + random.random()))  # noqa: S311

    async def _listen(self) -> None:
        connection = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()
            self._touched = dict.fromkeys(self._rooms)
            self._work.set()
            over = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._speak(connection, over))
                tasks.create_task(self._hear(connection, over))
        finally:
            await connection.disconnect(nowait=True)

    async def _speak(self, connection: AbstractConnection, over: asyncio.Event) -> None:
        """Join and leave channels as streams come and go, until it is `over`."""
        # Not by cancellation alone: the client library can swallow one.
        while not over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_S):
                    await self._work.wait()
            for command in self._commands():
                if not over.is_set():
                    await connection.send_command(*command, check_health=False)

    def _commands(self) -> list[tuple[str, ...]]:
        """What to say now; a sign of life where there is nothing."""
        self._work.clear()
        touched, self._touched = self._touched, {}
        wanted = [name for name in touched if name in self._rooms]
        unwanted = [name for name in touched if name not in self._rooms]
        commands = [("SUBSCRIBE", *names) for names in _batches(wanted)]
        commands += [("UNSUBSCRIBE", *names) for names in _batches(unwanted)]
        return commands or [("PING",)]

    async def _hear(self, connection: AbstractConnection, over: asyncio.Event) -> None:
        try:
            while not self.stopping:
                reply = await connection.read_response(timeout=SILENCE_S, disconnect_on_error=False)
                if reply is None:
                    raise TimeoutError
                if isinstance(reply, list):
                    self._heard(*map(_text, reply[:2]))
        finally:
            over.set()
            self._work.set()

    def _heard(self, what: str, channel: str) -> None:
        room = self._rooms.get(channel)
        if room is None:
            return
        if what == "message":
            self._wake(room)
        elif what == "subscribe":
            for watcher in (
                room.watchers if room.heard else ()
            ):  # after an outage nobody knows what was missed
                watcher.again = True
            room.heard = True
            self._wake_in_turn(room)


def _batches(names: list[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


HUB = web.AppKey("live_hub", LiveHub)
