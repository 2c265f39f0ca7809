"""`GET /v1/p.gif`: a picture that records an event, for mails and for pages without scripts.

Whatever is asked, the answer is the picture: a mail or a page never shows a broken one, and nobody learns from it
which visitors there are.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import structlog
from aiohttp import web

from core.events import Envelope, Event, RawEvent, parse_event
from server import state
from server.agents import device_type
from server.collect import count
from server.tokens import COOKIE

#: One transparent dot, GIF89a.
GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
EMAIL_OPEN = "email_open"
_OURS = frozenset({"site", "v", "e", "m", "url", "title"})

log = structlog.get_logger()


def add_pixel(app: web.Application) -> None:
    """Register the route."""
    app.router.add_get("/v1/p.gif", pixel, allow_head=False)
    app.router.add_head("/v1/p.gif", picture)


async def picture(_request: web.Request) -> web.Response:
    """The picture alone: who asks for the headers has not seen it."""
    return web.Response(body=GIF, content_type="image/gif", headers=HEADERS)


async def pixel(request: web.Request) -> web.Response:
    """Record the event, where all is right; answer the picture."""
    try:
        problem = await _record(request)
    # A picture that failed would be seen by the reader of the mail, who can do nothing about it.
    except Exception as error:
        log.error("a pixel's event was not kept", reason=str(error))
        problem = "not_kept"
    if problem:
        request.app[state.METRICS].ignored.labels(f"pixel_{problem}").inc()
    return await picture(request)


async def _record(request: web.Request) -> str:
    """Publish the event; what was wrong instead, in a word."""
    app, query = request.app, request.query
    site = app[state.REGISTRY].get(query.get("site", ""))
    if site is None:
        return "site"
    if request.headers.get("Sec-GPC") == "1":
        return "gpc"
    tokens = app[state.TOKENS]
    visitor = tokens.visitor(query.get("v")) or tokens.visitor(request.cookies.get(COOKIE))
    if visitor is None:
        return "token"
    raw = _raw(query, request.headers.get("Referer", ""))
    # Pictures in mails are fetched by the mail's provider, whose device says nothing of the reader's.
    agent = request.headers.get("User-Agent", "") if raw.type == "page" else ""
    now, device = app[state.CLOCK](), device_type(agent)
    event = parse_event(raw, Envelope(site=site.id, visitor=visitor, received_at=now, device=device))
    if not isinstance(event, Event):
        return "event"
    await app[state.PUBLISHER].publish([event])
    count(app, [event], [])
    return ""


def _raw(query: Mapping[str, str], page: str) -> RawEvent:
    """The event that the parameters name; `page` is where the picture stands, if the browser says so. For a mail
    that is the reader's mail program, which is nobody's business.
    """
    name = query.get("e") or EMAIL_OPEN
    return RawEvent(
        id=query.get("m") or secrets.token_hex(16),
        type="page" if name == "page" else "track",
        name=name,
        url=query.get("url") or (page if name == "page" else ""),
        title=query.get("title"),
        props={key: value for key, value in query.items() if key not in _OURS},
    )
