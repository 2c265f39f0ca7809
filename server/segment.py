"""Segment's HTTP Tracking API: `POST /v1/track` and the others, `/v1/batch`, and the browser client's short paths.

Events only: whoever has the write key, which is public, can say any id, so nothing is told about the visitor.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from core.errors import StoreUnavailable
from core.events import Event, Rejection
from server import state
from server.body import MAX_BODY, MAX_EVENT, read_bounded, read_json
from server.collect import count, place_of
from server.errors import ApiError, error_response, json_response
from server.geo import NOWHERE
from server.origins import check_origin, is_listed
from server.segment_call import Batch
from server.segment_parse import Parser, decode_call
from server.segment_settings import client_settings
from sites.site import Site

#: Segment's own limit on the number of calls in a batch.
MAX_CALLS = 2_500
_SHORT = {"p": "page", "t": "track", "i": "identify", "g": "group", "a": "alias", "s": "screen"}
_decode_batch = msgspec.json.Decoder(Batch)
T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.Response]]


def add_segment(app: web.Application) -> None:
    """Register the routes."""
    for short, kind in _SHORT.items():
        app.router.add_post(f"/v1/{kind}", readable(single(kind)))
        app.router.add_post(f"/v1/{short}", readable(single(kind)))
    for path in ("/v1/batch", "/v1/b"):
        app.router.add_post(path, readable(batch))
    app.router.add_post("/v1/m", readable(client_metrics))
    app.router.add_get("/v1/projects/{write_key}/settings", readable(settings))


def readable(handler: Handler) -> Handler:
    """`handler`, its errors such that a listed page may read them: an answer that the browser client cannot read
    is a network failure to it, and it would send again what can never be accepted.
    """

    async def handle(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except ApiError as error:
            response = error_response(error)
            response.headers.update(_if_listed(request))
            return response

    return handle


def single(kind: str) -> Handler:
    """The handler of one type's calls."""

    async def handle(request: web.Request) -> web.Response:
        call = await _read(request, decode_call, limit=MAX_EVENT)
        site = site_of_key(request, call.writeKey)
        headers = check_origin(request, site)
        if _is_private(request):
            return _done(headers)
        parsed = _parser(request, site).parse(call, kind)
        if isinstance(parsed, Rejection):
            count(request.app, [], [{"code": parsed.code}])
            raise ApiError(400, parsed.code, parsed.message, field=parsed.field)
        await _publish(request.app, [parsed])
        return _done(headers)

    return handle


async def batch(request: web.Request) -> web.Response:
    """Several calls: the good ones count, each bad one is listed in `rejected` with its reason."""
    calls = await _read(request, _decode_batch)
    site = site_of_key(request, calls.writeKey)
    headers = check_origin(request, site)
    if len(calls.batch) > MAX_CALLS:
        raise ApiError(400, "too_many", f"at most {MAX_CALLS} calls a batch", field="batch")
    if _is_private(request):
        return _done(headers)
    parser = _parser(request, site, sent_at=calls.sentAt, context=calls.context or {})
    events: list[Event] = []
    rejected: list[dict[str, Any]] = []
    for index, line in enumerate(calls.batch):
        parsed = parser.parse_line(line)
        if isinstance(parsed, Event):
            events.append(parsed)
        else:
            field = f"batch[{index}].{parsed.field}".rstrip(".")
            rejected.append({"index": index, "code": parsed.code, "field": field, "message": parsed.message})
    count(request.app, [], rejected)
    if rejected and not events:
        first = rejected[0]
        raise ApiError(400, first["code"], first["message"], field=first["field"], rejected=rejected)
    await _publish(request.app, events)
    return _done(headers, **({"rejected": rejected} if rejected else {}))


async def client_metrics(request: web.Request) -> web.Response:
    """What the browser client measures of itself: accepted, counted, not kept."""
    await read_bounded(request)
    request.app[state.METRICS].ignored.labels("client_metrics").inc()
    return _done(_if_listed(request))


async def settings(request: web.Request) -> web.Response:
    """`GET /v1/projects/{writeKey}/settings`: what the browser client asks for before its first call."""
    site = site_of_key(request, request.match_info["write_key"])
    public_url = request.app[state.SETTINGS].public_url
    return json_response(
        client_settings(write_key=site.write_key, public_url=public_url, host=request.host),
        headers=check_origin(request, site),
    )


def site_of_key(request: web.Request, in_body: str | None) -> Site:
    """The site of the write key, which is the Basic user, else the body's. Raises 401, or StoreUnavailable."""
    registry = request.app[state.REGISTRY]
    key = _basic_user(request.headers.get("Authorization", "")) or in_body or ""
    site = registry.by_write_key(key)
    if site is None and not registry.loaded:
        raise StoreUnavailable("the published sites are not loaded yet")
    if site is None:
        message = "no site has this write key" if key else "send the write key as Basic user or as `writeKey`"
        raise ApiError(401, "unauthorized", message, field="writeKey")
    return site


def _basic_user(header: str) -> str:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        raise ApiError(401, "unauthorized", "is not Basic authentication", field="authorization") from None


def _parser(request: web.Request, site: Site, **of_the_batch: Any) -> Parser:
    # A page's request tells its visitor's device and place. A server's own says nothing of its user: what counts
    # there is what the call says, whose address is believed from who authenticates as server libraries do.
    from_page = "Origin" in request.headers
    place = place_of(request) if from_page else NOWHERE
    look_up = request.app[state.PLACES].look_up
    named = not from_page and "Authorization" in request.headers
    return Parser(
        site=site.id,
        now=request.app[state.CLOCK](),
        user_agent=request.headers.get("User-Agent", "") if from_page else "",
        place_of=look_up if named else lambda _: place,
        **of_the_batch,
    )


async def _read(request: web.Request, decoder: msgspec.json.Decoder[T], *, limit: int = MAX_BODY) -> T:
    """The decoded body, of at most `limit` bytes. Raises ApiError, which names the field and the limit."""
    try:
        size = len(await read_bounded(request))
    except ApiError as error:
        if error.status != 413:
            raise
        raise ApiError(413, "too_large", f"{error} (500 KB)", field="body") from None
    if size > limit:
        raise ApiError(400, "too_large", f"a call may have {limit} bytes (32 KB)", field="body")
    return await read_json(request, decoder)


async def _publish(app: web.Application, events: list[Event]) -> None:
    """Publish what people did; what a crawler did is answered and counted, and not kept."""
    kept = [event for event in events if event.device != "bot"]
    app[state.METRICS].ignored.labels("bot").inc(len(events) - len(kept))
    await app[state.PUBLISHER].publish(kept)
    count(app, kept, [])


def _if_listed(request: web.Request) -> dict[str, str]:
    """CORS headers, without credentials, for an origin that some site lists."""
    origin = request.headers.get("Origin", "")
    listed = is_listed(origin, list(request.app[state.REGISTRY].sites.values()))
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if listed else {}


def _is_private(request: web.Request) -> bool:
    """Whether the browser asks by Global Privacy Control not to be known; it is obeyed, and counted."""
    private = request.headers.get("Sec-GPC") == "1"
    if private:
        request.app[state.METRICS].ignored.labels("gpc").inc()
    return private


def _done(headers: dict[str, str], **more: Any) -> web.Response:
    return json_response({"success": True, **more}, headers=headers)
