"""`POST /v1/beacon`: the snippet's call. Events in, decisions out, in one round trip."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from core.errors import StoreUnavailable
from core.events import Envelope, Event, RawEvent, Rejection, in_order, parse_event, parse_time
from core.profiles import Profile
from core.text import BadText, clean
from personalization.decide import Decisions
from server import outage, preview, state
from server.agents import device_type, ignored
from server.body import MAX_EVENT, read_json
from server.client_ip import client_ip
from server.decide import MAX_SLOTS, ahead, decisions_for, wire
from server.errors import ApiError, json_response
from server.exposures import exposure_events
from server.geo import NOWHERE, Place
from server.live_hub import HUB
from server.origins import check_origin
from server.tokens import COOKIE, COOKIE_LIFE_S
from sites.site import Site

MAX_EVENTS = 100


class Beacon(msgspec.Struct, frozen=True, kw_only=True):
    """The wire shape. `sentAt` is the client's clock, epoch ms or ISO 8601; `lang` the page's language;
    `reset` asks for a new visitor (the snippet's `reset()`); `preview` is what a preview link left in the tab."""

    site: str
    v: str | None = None
    sentAt: int | float | str | None = None  # the wire's name
    events: list[msgspec.Raw] = []
    slots: list[str] = []
    lang: str | None = None
    reset: bool = False
    preview: str | None = None


_decode_beacon = msgspec.json.Decoder(Beacon)
_decode_event = msgspec.json.Decoder(RawEvent)


async def beacon(request: web.Request) -> web.Response:
    """Handle one beacon."""
    app = request.app
    with app[state.METRICS].beacon_seconds.time():
        call = await read_json(request, _decode_beacon)
        site = site_of(app, call.site)
        headers = check_origin(request, site)
        slots, lang = _checked(call)
        shown = await preview.answer(
            request,
            site,
            slots=slots,
            lang=lang,
            v=call.v,
            url=lambda: preview.page_url(call.events),
            headers=headers,
            tab=call.preview,
        )
        if shown is not None:
            return shown
        if request.headers.get("Sec-GPC") == "1":
            app[state.METRICS].ignored.labels("gpc").inc()
            return json_response({"v": "", "decisions": dict.fromkeys(slots)}, headers=headers)
        agent = request.headers.get("User-Agent", "")
        if ignored(agent, ignore_automation=app[state.SETTINGS].ignore_automation):
            app[state.METRICS].ignored.labels("bot").inc()
            return json_response({"v": "", "decisions": dict.fromkeys(slots)}, headers=headers)
        return await _answer(request, call, site, slots, lang, headers)


async def _answer(
    request: web.Request, call: Beacon, site: Site, slots: list[str], lang: str, headers: dict[str, str]
) -> web.Response:
    app, now = request.app, request.app[state.CLOCK]()
    visitor, token = identify(request, call)
    events, rejected = _accepted(request, call, site, visitor, lang, now)
    # A new visitor has no profile to read, a page without slots needs none; without events nothing else would tell
    # that the store is away.
    stored = await outage.read(app, site.id, visitor) if (token and slots) or not events else outage.Known()
    found = await _decided(app, stored.profile, events, visitor, site, slots, lang, now) if slots else None
    await app[state.PUBLISHER].publish(events)
    count(app, events, [])
    signed = token or app[state.TOKENS].sign(visitor)
    # Profiles lack what waits on disk: a visitor on a second visit would be taken for a new one.
    if not stored.readable or app[outage.SPOOL].queueing:
        return _response(request, signed, dict.fromkeys(slots), rejected, headers, live=False)
    if found is not None:
        # What is really shown; rarely any is met for the first time.
        met = exposure_events(
            found.decisions.exposures,
            profile=found.profile,
            events=events,
            visitor=visitor,
            now=now,
            site=site,
        )
        await app[state.PUBLISHER].publish(met)
        app[state.METRICS].decided(found.decisions, now)
    live = app[HUB].has_room()
    return _response(request, signed, wire(found.decisions) if found else {}, rejected, headers, live=live)


class Found(NamedTuple):
    """What fills the slots, and the profile it was decided for."""

    profile: Profile | None
    decisions: Decisions


async def _decided(
    app: web.Application,
    stored: Profile | None,
    events: list[Event],
    visitor: str,
    site: Site,
    slots: list[str],
    lang: str,
    now: int,
) -> Found:
    """The decisions for the visitor as they will be with these events."""
    profile, seen = ahead(stored, events, now, site)
    around = await outage.around(app, profile, site)
    decisions = decisions_for(
        profile, visitor=visitor, slots=slots, now=now, site=site, lang=lang, around=around, seen=seen
    )
    return Found(profile, decisions)


def _accepted(
    request: web.Request, call: Beacon, site: Site, visitor: str, lang: str, now: int
) -> tuple[list[Event], list[dict[str, Any]]]:
    """The good events and what was wrong with the others. Raises ApiError where none is good."""
    place = place_of(request)
    envelope = Envelope(
        site=site.id,
        visitor=visitor,
        received_at=now,
        sent_at=parse_time(call.sentAt),
        device=device_type(request.headers.get("User-Agent", "")),
        lang=lang,
        country=place.country,
        company=place.company_domain,
    )
    events, rejected = parse_all(call.events, envelope)
    count(request.app, [], rejected)
    if rejected and not events:
        first = rejected[0]
        raise ApiError(400, first["code"], first["message"], field=first["field"], rejected=rejected)
    return events, rejected


def _response(
    request: web.Request,
    token: str,
    decisions: dict[str, Any],
    rejected: list[dict[str, Any]],
    headers: dict[str, str],
    *,
    live: bool,
) -> web.Response:
    body: dict[str, Any] = {"v": token, "decisions": decisions}
    if live:
        body["live"] = True
    if rejected:
        body["rejected"] = rejected
    response = json_response(body, headers=headers)
    set_cookie(request, response, token)
    return response


def place_of(request: web.Request) -> Place:
    """Where the request came from. The address is looked up and forgotten."""
    app = request.app
    if not app[state.PLACES].known:
        return NOWHERE
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if not peer:
        return NOWHERE
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
    return app[state.PLACES].look_up(client_ip(peer[0], forwarded, app[state.SETTINGS].trusted_proxies))


def site_of(app: web.Application, site_id: str) -> Site:
    """The published site. Raises 404, or StoreUnavailable while the sites have not been read yet."""
    site = app[state.REGISTRY].get(site_id)
    if site is None and not app[state.REGISTRY].loaded:
        raise StoreUnavailable("the published sites are not loaded yet")
    if site is None:
        raise ApiError(404, "unknown_site", "there is no such site", field="site")
    return site


def identify(request: web.Request, call: Beacon) -> tuple[str, str]:
    """The visitor's id, and the token of ours by which the browser proved it: "" for a new visitor."""
    tokens = request.app[state.TOKENS]
    if call.reset:
        return tokens.new_visitor(), ""
    if call.v and (visitor := tokens.visitor(call.v)):
        return visitor, call.v
    # Parsed only where it is needed: most pages say who it is themselves.
    token = request.cookies.get(COOKIE, "")
    visitor = tokens.visitor(token)
    return (visitor, token) if visitor else (tokens.new_visitor(), "")


def parse_all(raw: list[msgspec.Raw], envelope: Envelope) -> tuple[list[Event], list[dict[str, Any]]]:
    """The good events, and for each bad one its index and the reason."""
    if len(raw) > MAX_EVENTS:
        raise ApiError(400, "too_many", f"at most {MAX_EVENTS} events a call", field="events")
    events: list[Event] = []
    rejected: list[dict[str, Any]] = []
    for index, line in enumerate(raw):
        event = _parse(line, envelope)
        if isinstance(event, Event):
            events.append(event)
        else:
            field = f"events[{index}].{event.field}".rstrip(".")
            rejected.append({"index": index, "code": event.code, "field": field, "message": event.message})
    return in_order(events), rejected


def _parse(line: msgspec.Raw, envelope: Envelope) -> Event | Rejection:
    if len(bytes(line)) > MAX_EVENT:
        return Rejection(code="too_large", field="", message=f"is larger than {MAX_EVENT} bytes")
    try:
        return parse_event(_decode_event.decode(line), envelope)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        return Rejection(code="bad_shape", field=path.strip("`."), message=message)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        return Rejection(code="bad_json", field="", message=str(error))


def count(app: web.Application, events: list[Event], rejected: list[dict[str, Any]]) -> None:
    """Count what came."""
    metrics = app[state.METRICS]
    for event in events:
        metrics.accepted(event.type)
    for rejection in rejected:
        metrics.rejections.labels(rejection["code"]).inc()


def _checked(call: Beacon) -> tuple[list[str], str]:
    if len(call.slots) > MAX_SLOTS:
        raise ApiError(400, "too_many", f"at most {MAX_SLOTS} slots a call", field="slots")
    try:
        slots = [clean(slot, limit=64, field=f"slots[{i}]") for i, slot in enumerate(call.slots)]
        return slots, clean(call.lang or "", limit=35, field="lang")
    except BadText as bad:
        raise ApiError(400, "bad_value", str(bad), field=bad.field) from None


def set_cookie(request: web.Request, response: web.Response, token: str) -> None:
    """The server-set first-party cookie."""
    secure = "; Secure" if request.app[state.SETTINGS].public_url.startswith("https:") else ""
    # By hand, because http.cookies takes as long as reading the profile. A token holds nothing to be quoted.
    life = f"Max-Age={COOKIE_LIFE_S}; Path=/; HttpOnly; SameSite=Lax{secure}"
    response.headers.add("Set-Cookie", f"{COOKIE}={token}; {life}")
