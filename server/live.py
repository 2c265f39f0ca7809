"""`GET /v1/live`: a visitor's decisions as Server-Sent Events, whenever they change while the page is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from core.text import BadText, clean
from server import state
from server.agents import is_bot
from server.collect import site_of
from server.decide import MAX_SLOTS
from server.drain import DRAIN
from server.errors import ApiError
from server.live_hub import HUB, LiveHub, TooManyStreams
from server.live_stream import OBSERVE, PACE, READER, READERS, TURN, Ask, Pace, Stream, gone, retry
from server.origins import check_origin
from server.preview import COOKIE as PREVIEW
from server.sse import HEADERS
from server.tokens import COOKIE
from storage.profiles import ProfileReader

#: Event streams of one process, and of one visitor: browsers open six connections to a server that speaks
#: HTTP/1.1, and beacons need some.
MAX_STREAMS, MAX_PER_VISITOR = 2_000, 4


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
        watcher = hub.join(ask.site, ask.visitor, gone=lambda: gone(request))
    except TooManyStreams as error:
        request.app[OBSERVE]("refused")
        if error.of_visitor:
            raise ApiError(429, "too_many", "too many pages of this visitor are open", field="v") from None
        raise ApiError(503, "too_many", "too many pages are open; try again later") from None
    try:
        return await Stream(request, response, ask, watcher).run()
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
    await response.write(retry())
    return response
