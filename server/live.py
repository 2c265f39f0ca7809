"""`GET /v1/live`: a visitor's decisions as Server-Sent Events, whenever they change while the page is open."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
import structlog
from aiohttp import web
from redis.exceptions import RedisError

from core.profiles import Profile
from core.text import BadText, clean
from personalization.experiences import next_change
from server import outage, state
from server.agents import is_bot
from server.collect import site_of
from server.decide import MAX_SLOTS, decisions_for
from server.drain import DRAIN
from server.errors import ApiError
from server.live_hub import HUB, LiveHub, TooManyStreams, Watcher
from server.origins import check_origin
from server.preview import COOKIE as PREVIEW
from server.sse import HEADERS
from server.tokens import COOKIE
from sites.site import Site
from storage.profiles import ProfileReader
from streams.pipeline import Around

#: Event streams of one process, and of one visitor: browsers open six connections to a server that speaks
#: HTTP/1.1, and beacons need some.
MAX_STREAMS, MAX_PER_VISITOR = 2_000, 4
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


def add_live(
    app: web.Application,
    *,
    max_streams: int = MAX_STREAMS,
    max_per_visitor: int = MAX_PER_VISITOR,
    pace: Pace | None = None,
    observe: Callable[[str], None] = lambda _: None,
) -> None:
    """Register the route. `max_streams` 0 switches it off: it answers 204, which browsers do not ask again."""
    app[HUB] = LiveHub(app[state.REDIS], max_streams=max_streams, max_per_visitor=max_per_visitor)
    app[PACE] = pace or Pace()
    app[OBSERVE] = observe
    app[READER] = ProfileReader(redis=app[state.REDIS])
    app[TURN] = asyncio.Semaphore(READERS)
    app.cleanup_ctx.append(_running)
    app.on_shutdown.append(_close)
    app.router.add_get("/v1/live", live, allow_head=False)


async def _running(app: web.Application) -> AsyncIterator[None]:
    app[state.REGISTRY].watch(app[HUB].published)
    await app[HUB].start()
    yield
    await app[HUB].stop()


async def _close(app: web.Application) -> None:
    app[HUB].close()


async def live(request: web.Request) -> web.StreamResponse:
    """Handle one stream."""
    hub = request.app[HUB]
    site = site_of(request.app, request.query.get("site", ""))
    headers = check_origin(request, site)
    ask = _checked(request)
    if _unwanted(request) or not hub.enabled:
        return web.Response(status=204, headers={"Cache-Control": "private, no-store", **headers})
    response = web.StreamResponse(headers={**HEADERS, **headers})
    if request.app[DRAIN].begun or hub.stopping:
        return await _elsewhere(request, response)
    try:
        watcher = hub.join(ask.site, ask.visitor, gone=lambda: _gone(request))
    except TooManyStreams as error:
        request.app[OBSERVE]("refused")
        if error.of_visitor:
            raise ApiError(429, "too_many", "too many pages of this visitor are open", field="v") from None
        raise ApiError(503, "too_many", "too many pages are open; try again later") from None
    try:
        return await _Stream(request, response, ask, watcher).run()
    finally:
        hub.leave(watcher)


def _checked(request: web.Request) -> Ask:
    """The query. Raises 400, or 401 without a token of ours (`v`, or the cookie)."""
    tokens, query = request.app[state.TOKENS], request.query
    visitor = tokens.visitor(query.get("v")) or tokens.visitor(request.cookies.get(COOKIE))
    if visitor is None:
        raise ApiError(401, "unsigned", "there is no token of ours", field="v")
    asked = query.getall("slot", [])
    if len(asked) > MAX_SLOTS:
        raise ApiError(400, "too_many", f"at most {MAX_SLOTS} slots a call", field="slot")
    try:
        slots = [clean(slot, limit=64, field="slot") for slot in asked]
        lang = clean(query.get("lang", ""), limit=35, field="lang")
        after = clean(query.get("after", ""), limit=128, field="after")
    except BadText as bad:
        raise ApiError(400, "bad_value", str(bad), field=bad.field) from None
    return Ask(site=query["site"], visitor=visitor, slots=tuple(dict.fromkeys(slots)), lang=lang, after=after)


def _unwanted(request: web.Request) -> bool:
    """Whether nothing is to be sent: to crawlers, to who asks not to be tracked, into previews."""
    return (
        request.headers.get("Sec-GPC") == "1"
        or is_bot(request.headers.get("User-Agent", ""))
        or PREVIEW in request.cookies
    )


async def _elsewhere(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    await response.prepare(request)
    await response.write(_retry())
    return response


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _retry() -> bytes:
    """When to come back, in ms: not everybody at the same moment."""
    return f"retry: {random.randint(1_000, 4_000)}\n\n".encode()  # noqa: S311


class _Stream:
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
            await self._write(_retry())
            await self._follow()
            await self._write(_retry())
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
        while not self._app[HUB].stopping and not _gone(self._request):
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
        frame = await self._frame(again)
        if frame:
            await self._write(frame)
            self._app[OBSERVE]("sent")

    async def _frame(self, again: bool) -> bytes:
        app, ask = self._app, self._ask
        site = app[state.REGISTRY].get(ask.site)
        if site is None:
            return b""
        try:
            profile, around = await self._read(site)
        except (TimeoutError, RedisError, OSError, ValueError):  # ValueError: a damaged record
            self._watcher.again = self._watcher.again or again
            self._due = self._clock() + AGAIN_S
            return b""
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
        # Nobody is sent elsewhere while they read: such a slot keeps what it has.
        decisions = {
            slot: one.wire() if one else None
            for slot, one in found.decisions.items()
            if one is None or one.kind != "redirect"
        }
        return self._changed(decisions, profile, again)

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
