"""One open event stream: what it sends of a visitor's decisions, and when."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
import structlog
from aiohttp import web
from redis.exceptions import RedisError

from core.errors import StoreUnavailable
from core.profiles import Profile
from personalization.decide import Decisions
from personalization.experiences import next_change
from server import outage, state
from server.decide import decisions_for
from server.exposures import exposure_events
from server.live_hub import HUB, Watcher
from sites.site import Site
from storage.profiles import ProfileReader
from streams.outcome import Around

#: A page that has just sent an event knows more than the store: the worker may take so long.
SETTLE_S = 0.5
#: The longest wait for an event that the page names.
HOLD_S = 30.0
#: Seconds until the next try where the profile could not be read.
AGAIN_S = 2.0
#: Profiles read at the same moment, and the longest that one may take.
READERS, READ_S = 16, 5.0
#: Ids of events in an answer.
RECENT = 20

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Seconds: between signs of life, and how long a browser may take to read what it was sent."""

    heartbeat_s: float = 15.0
    write_s: float = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Who watches what. `after` is the event that the page sent last, "" where it does not say."""

    site: str
    visitor: str
    slots: tuple[str, ...]
    lang: str
    after: str


PACE = web.AppKey("live_pace", Pace)
READER = web.AppKey("live_reader", ProfileReader)
TURN = web.AppKey("live_turn", asyncio.Semaphore)
#: Counts `sent` updates, `refused` streams and `slow` readers that were cut off.
OBSERVE: web.AppKey[Callable[[str], None]] = web.AppKey("live_observe", Callable)  # type: ignore[arg-type]


class Stream:
    """One open stream. It writes only after it was woken, and only what is newest: memory stays bounded."""

    def __init__(
        self, request: web.Request, response: web.StreamResponse, ask: Ask, watcher: Watcher
    ) -> None:
        self._request, self._response, self._ask, self._watcher = request, response, ask, watcher
        self._app, self._pace = request.app, request.app[PACE]
        self._clock = asyncio.get_running_loop().time
        self._sent = request.headers.get("Last-Event-ID", "")
        self._due: float | None = None  # when to look even if nobody wakes us
        # Otherwise the first answer could take back what the beacon's has just shown.
        self._settled = bool(self._sent or ask.after)
        self._hold_until = self._clock() + (HOLD_S if ask.after else 0.0)

    async def run(self) -> web.StreamResponse:
        """Send what changes until the browser leaves or this process stops."""
        try:
            await self._response.prepare(self._request)
            await self._write(retry())
            await self._follow()
            await self._write(retry())
            await self._response.write_eof()
        except ConnectionResetError:
            log.debug("the browser left the event stream")
        except TimeoutError:
            self._app[OBSERVE]("slow")
            if self._request.transport is not None:
                self._request.transport.abort()
        except Exception as error:  # the browser comes back by itself
            log.warning("an event stream ended", reason=type(error).__name__)
        return self._response

    async def _follow(self) -> None:
        while not self._app[HUB].stopping and not gone(self._request):
            if not await self._woken():
                await self._write(b": still here\n\n")
            elif not self._app[HUB].stopping:
                await self._look()

    async def _woken(self) -> bool:
        """Wait for a reason to look; False after a heartbeat's time without one."""
        now = self._clock()
        patience = self._pace.heartbeat_s
        by_clock = self._due is not None and self._due - now <= patience
        if by_clock and self._due is not None:
            patience = max(0.0, self._due - now)
        try:
            async with asyncio.timeout(patience):
                await self._watcher.changed.wait()
        except TimeoutError:
            return by_clock
        return True

    async def _look(self) -> None:
        """Decide, and send what differs from what was sent."""
        self._watcher.changed.clear()
        self._due = None
        if not self._settled:
            self._settled, self._due = True, self._clock() + SETTLE_S
            return
        again, self._watcher.again = self._watcher.again, False
        try:
            frame = await self._frame(again)
        # A damaged record is a ValueError.
        except (TimeoutError, RedisError, OSError, ValueError, StoreUnavailable):
            self._watcher.again = self._watcher.again or again
            self._due = self._clock() + AGAIN_S
            return
        if frame:
            await self._write(frame)
            self._app[OBSERVE]("sent")

    async def _frame(self, again: bool) -> bytes:
        app, ask = self._app, self._ask
        site = app[state.REGISTRY].get(ask.site)
        if site is None:
            return b""
        profile, around = await self._read(site)
        if self._is_behind(profile):
            self._due = self._hold_until
            return b""
        now = app[state.CLOCK]()
        found = decisions_for(
            profile,
            visitor=ask.visitor,
            slots=ask.slots,
            now=now,
            site=site,
            lang=ask.lang,
            around=around,
        )
        change = next_change(site.experiences, now)
        self._due = None if change is None else self._clock() + (change - now) / 1000
        await self._measure(found, profile, site, now)
        # Nobody is sent elsewhere while they read: such a slot keeps what it has.
        decisions = {
            slot: one.wire() if one else None
            for slot, one in found.decisions.items()
            if one is None or one.kind != "redirect"
        }
        return self._changed(decisions, profile, again)

    async def _measure(self, found: Decisions, profile: Profile | None, site: Site, now: int) -> None:
        """Record what is met for the first time, the held-out visitors' meetings too, before it is shown."""
        if profile is None:
            return
        redirects = {one.id for one in site.experiences if one.redirects}
        events = exposure_events(
            [one for one in found.exposures if one.experience not in redirects],
            profile=profile,
            events=(),
            visitor=self._ask.visitor,
            now=now,
            site=site,
        )
        if events:
            await self._app[state.PUBLISHER].publish(events)

    async def _read(self, site: Site) -> tuple[Profile | None, Around]:
        """The visitor as stored. Not by the beacons' reader: what waits here must not hurry them.

        Raises TimeoutError, redis.RedisError, OSError, or ValueError.
        """
        app, ask = self._app, self._ask
        if app[outage.SPOOL].queueing:  # profiles lack what waits on disk
            raise TimeoutError
        async with app[TURN], asyncio.timeout(READ_S):
            profile = await app[READER].get(ask.site, ask.visitor)
            return profile, await app[state.AROUND].read(profile, site)

    def _is_behind(self, profile: Profile | None) -> bool:
        """Whether the page knows more than the store: the answer to its last event is the better one."""
        if not self._ask.after or self._clock() >= self._hold_until:
            return False
        return profile is None or self._ask.after not in profile.seen

    def _changed(self, decisions: dict[str, Any], profile: Profile | None, again: bool) -> bytes:
        name = blake2b(orjson.dumps(decisions), digest_size=9).hexdigest()
        if name == self._sent and not again:
            return b""
        self._sent = name
        events = list(profile.seen)[-RECENT:] if profile else []
        data = orjson.dumps({"decisions": decisions, "events": events})
        return b"id: " + name.encode() + b"\nevent: decisions\ndata: " + data + b"\n\n"

    async def _write(self, data: bytes) -> None:
        async with asyncio.timeout(self._pace.write_s):
            await self._response.write(data)


def gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def retry() -> bytes:
    """When to come back, in ms: not everybody at the same moment."""
    return f"retry: {random.randint(1_000, 4_000)}\n\n".encode()  # noqa: S311
