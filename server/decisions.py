"""`POST /v1/decisions`: decisions without an event, for pages rendered on a server."""

from __future__ import annotations

import msgspec
from aiohttp import web

from core.text import BadText, clean
from server import outage, preview, state
from server.body import read_json
from server.collect import site_of
from server.decide import MAX_SLOTS, decisions_for, wire
from server.errors import ApiError, json_response
from server.origins import check_origin


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """The wire shape."""

    site: str
    v: str | None = None
    url: str = ""
    slots: list[str] = []
    lang: str = ""


_decode = msgspec.json.Decoder(Ask)


async def decisions(request: web.Request) -> web.Response:
    """Decide the slots for the visitor of a token; without a valid one, for somebody new. Records nothing."""
    app = request.app
    ask = await read_json(request, _decode)
    site = site_of(app, ask.site)
    headers = check_origin(request, site)
    if len(ask.slots) > MAX_SLOTS:
        raise ApiError(400, "too_many", f"at most {MAX_SLOTS} slots a call", field="slots")
    try:
        url = clean(ask.url, limit=2_048, field="url")
        slots = [clean(slot, limit=64, field=f"slots[{i}]") for i, slot in enumerate(ask.slots)]
        lang = clean(ask.lang, limit=35, field="lang")
    except BadText as bad:
        raise ApiError(400, "bad_value", str(bad), field=bad.field) from None
    shown = await preview.answer(
        request, site, slots=slots, lang=lang, v=ask.v, url=lambda: url, headers=headers
    )
    if shown is not None:
        return shown
    now = app[state.CLOCK]()
    visitor = app[state.TOKENS].visitor(ask.v)
    visitor = visitor or app[state.TOKENS].new_visitor()
    stored = await outage.read(app, site.id, visitor)
    around = await outage.around(app, stored.profile, site)
    found = decisions_for(
        stored.profile,
        visitor=visitor,
        slots=slots,
        now=now,
        site=site,
        lang=lang,
        url=url,
        around=around,
    )
    originals = not stored.readable or app[outage.SPOOL].queueing
    if not originals:
        app[state.METRICS].decided(found, now)
    answer = dict.fromkeys(slots) if originals else wire(found)
    return json_response({"v": app[state.TOKENS].sign(visitor), "decisions": answer}, headers=headers)
