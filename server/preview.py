"""Previews: the site as an audience, a visitor or a draft would have it, for one browser, recording nothing.

A signed link sets a cookie on this server and, where the page is on another host, tells the page's tab as well;
calls that bring either are answered with what is previewed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web
from redis.exceptions import RedisError

from core.profiles import Profile
from core.sessions import path_of
from personalization.decide import Decisions, decide
from server import outage, state
from server.body import read_json
from server.errors import ApiError, json_response
from server.preview_links import OFF, Ask, BadPreview, Preview, PreviewLinks, make_preview, may_begin
from server.views import iso
from sites.drafts import Drafts
from sites.mistakes import BadSiteFile
from sites.site import Site
from streams.outcome import ALONE, Around
from streams.pipeline import share

COOKIE = "kz_preview"

LINKS = web.AppKey("preview_links", PreviewLinks)
DRAFTS = web.AppKey("drafts", Drafts)

_OVER = "This preview has ended.\nこのプレビューは終了しました。\n"
_OFF = "The preview is off.\nプレビューを終了しました。\n"

_decode_ask = msgspec.json.Decoder(Ask)


class _Url(msgspec.Struct, frozen=True, kw_only=True):
    url: str = ""


_decode_url = msgspec.json.Decoder(_Url)


def add_preview(app: web.Application) -> None:
    """Register the routes."""
    settings = app[state.SETTINGS]
    app[LINKS] = PreviewLinks(public_url=settings.public_url, secret_key=settings.secret_key or "")
    app[DRAFTS] = Drafts(app[state.REDIS])
    app.router.add_get("/v1/preview", begin)
    app.router.add_post("/v1/admin/sites/{site}/previews", create)


async def begin(request: web.Request) -> web.Response:
    """`GET /v1/preview?t=…&to=…`: set the cookie and go to the page; `?off` ends the preview."""
    app, query = request.app, request.query
    to = query.get("to", "")
    if "off" in query:
        listed = any(may_begin(to, site) for site in app[state.REGISTRY].sites.values())
        response = _go(app[LINKS].page(to, OFF)) if listed else _say(_OFF)
        _set_cookie(request, response, "", max_age=0)
        return response
    now = app[state.CLOCK]()
    preview = app[LINKS].read(query.get("t"), now=now)
    site = app[state.REGISTRY].get(preview.site) if preview else None
    if preview is None or site is None:
        return _say(_OVER, status=410)
    if not may_begin(to, site):
        raise ApiError(400, "bad_value", "must be a page of the site", field="to")
    response = _go(app[LINKS].page(to, query["t"]))
    _set_cookie(request, response, query["t"], max_age=max(1, (preview.until - now) // 1000))
    return response


async def create(request: web.Request) -> web.Response:
    """`POST /v1/admin/sites/{site}/previews`: the link for what the body asks for."""
    app, ask = request.app, await read_json(request, _decode_ask)
    try:
        made = await make_preview(
            app[state.REDIS],
            request.match_info["site"],
            ask,
            links=app[LINKS],
            draft_name=secrets.token_hex(16),
            now=app[state.CLOCK](),
        )
    except BadPreview as bad:
        raise ApiError(400, "bad_value", bad.message, field=bad.field) from None
    except BadSiteFile as bad:
        mistakes = [msgspec.to_builtins(mistake) for mistake in bad.mistakes]
        raise ApiError(400, "bad_site_file", str(bad), field="draft", mistakes=mistakes) from None
    answer = {"url": made.url, "as": made.preview.words, "until": iso(made.preview.until)}
    return json_response(answer, status=201)


async def answer(
    request: web.Request,
    site: Site,
    *,
    slots: Sequence[str],
    lang: str,
    v: str | None,
    url: Callable[[], str],
    headers: dict[str, str],
    tab: str | None = None,
) -> web.Response | None:
    """The answer to a call from a browser that previews `site`; None where it does not. Records nothing.

    `url` gives the page. `tab` is the preview that the page's tab has kept; it goes before the cookie, which all
    tabs share.
    """
    tokens = [token for token in (tab, request.cookies.get(COOKIE)) if token]
    if not tokens:
        return None  # as nearly always
    app, now = request.app, request.app[state.CLOCK]()
    told = (app[LINKS].read(token, now=now) for token in tokens)
    preview = next((one for one in told if one and one.site == site.id), None)
    if preview is None:
        return None
    app[state.METRICS].ignored.labels("preview").inc()
    visitor = app[state.TOKENS].visitor(v)
    found = await _decide(app, site, preview, own=visitor, slots=slots, lang=lang, url=url(), now=now)
    body: dict[str, Any] = {
        "v": app[state.TOKENS].sign(visitor) if visitor else "",
        "decisions": {slot: one.wire() if one else None for slot, one in found.decisions.items()},
        "preview": {"as": preview.words, "until": iso(preview.until), "notes": found.notes},
    }
    return json_response(body, headers=headers)


def page_url(events: Sequence[msgspec.Raw]) -> str:
    """The page that a beacon comes from: what its last event says, "" where it says nothing readable."""
    try:
        return _decode_url.decode(events[-1]).url[:2_048] if events else ""
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return ""


async def _decide(
    app: web.Application,
    published: Site,
    preview: Preview,
    *,
    own: str | None,
    slots: Sequence[str],
    lang: str,
    url: str,
    now: int,
) -> Decisions:
    site = await _site(app, published, preview)
    if site is None:
        return Decisions(
            decisions=dict.fromkeys(slots), notes=dict.fromkeys(slots, "the draft is no longer there")
        )
    now = preview.at or now
    who, profile, around = await _person(app, site, preview, own, now)
    placed, facts = share(profile, now, site, around)
    audiences = preview.audiences or placed.audiences
    page = {"url": url, "path": path_of(url), "topic": site.topic_of(path_of(url))}
    facts = {**facts, "audiences": list(audiences), "page": {**facts.get("page", {}), **page}}
    return decide(
        site.experiences,
        slots=list(dict.fromkeys(slots)),
        attributes=facts,
        audiences=audiences,
        visitor=who,
        locale=lang or site.locale,
        site_name=site.name,
        now=now,
        # A person is shown as they are, held out where they are; else a preview could show nothing at all.
        preview=None if preview.visitor and not preview.variants else preview.variants,
    )


async def _site(app: web.Application, published: Site, preview: Preview) -> Site | None:
    if not preview.draft:
        return published
    try:
        async with asyncio.timeout(outage.PATIENCE_S):
            return await app[DRAFTS].get(preview.site, preview.draft)
    except (TimeoutError, RedisError, OSError):
        return None


async def _person(
    app: web.Application, site: Site, preview: Preview, own: str | None, now: int
) -> tuple[str, Profile, Around]:
    """Whose eyes it is seen with: id, profile, and what is around them. An audience is seen by a newcomer."""
    who = preview.visitor or ("" if preview.audiences else own or "")
    if who:
        stored = await outage.read(app, site.id, who)
        if stored.profile is not None and not stored.profile.is_tombstone:
            return who, stored.profile, await outage.around(app, stored.profile, site)
    who = who or "preview"
    return who, Profile(id=who, site=site.id, first_at=now, last_at=now, session_count=1), ALONE


def _go(to: str) -> web.Response:
    headers = {"Location": to, "Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}
    return web.Response(status=303, headers=headers)


def _say(text: str, *, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}
    return web.Response(text=text, status=status, headers=headers)


def _set_cookie(request: web.Request, response: web.Response, token: str, *, max_age: int) -> None:
    """On https the site's pages may be on another site than this server, so that SameSite is None there."""
    secure = request.app[state.SETTINGS].public_url.startswith("https:")
    response.set_cookie(
        COOKIE,
        token,
        max_age=max_age,
        httponly=True,
        samesite="None" if secure else "Lax",
        secure=secure,
        path="/",
    )
