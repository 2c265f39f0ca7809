"""The admin API about people: leads and companies, who belongs together, export and erasure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web
from msgspec.structs import replace

from core.accounts import Account, host_like
from core.errors import NotFound
from core.events import Event, OwnType
from core.identity import edges, identifier
from core.profiles import Profile
from core.visitor_ids import visitor_of
from leads.accounts import picture
from server import state
from server.errors import ApiError, json_response
from server.views import iso, visitor_view
from server.whole import Whole, site_named, whole, whole_lead
from storage import keys

MAX_BODY = 10_000


async def find_visitor(request: web.Request) -> web.Response:
    """`GET …/visitors?anonymous_id=` (a Segment client's) or `?email=` or `?user_id=`: the visitor, whole."""
    app, site, query = request.app, request.match_info["site"], request.query
    if anonymous := query.get("anonymous_id"):
        return json_response(visitor_view(await whole(app, site, visitor_of(site, anonymous))))
    return json_response(visitor_view(await whole_lead(app, site, _asked(site, query))))


async def lead(request: web.Request) -> web.Response:
    """`GET …/leads/{lead}`: what the visitors of one person share, and each one's part."""
    path = request.match_info
    return json_response(lead_view(await whole_lead(request.app, path["site"], path["lead"])))


async def find_lead(request: web.Request) -> web.Response:
    """`GET …/leads?email=` or `?user_id=`."""
    site = request.match_info["site"]
    return json_response(lead_view(await whole_lead(request.app, site, _asked(site, request.query))))


async def account(request: web.Request) -> web.Response:
    """`GET …/accounts/{domain or name}`: the company's people of the last seven days, and what they read."""
    app, path, now = request.app, request.match_info, request.app[state.CLOCK]()
    site = site_named(app, path["site"])
    name = path["account"]
    company = Account(name=name, domain=host_like(name))
    everyone = await app[state.AROUND].colleagues(site.id, company.digest)
    if not everyone:
        raise NotFound(f"site {site.id!r} knows nobody of {name!r}")
    seen = sorted(everyone.items(), key=lambda pair: -pair[1].last_at)
    visitors = [
        {"visitor": visitor, "lead": facts.lead or None, "score": facts.score, "last_at": iso(facts.last_at)}
        for visitor, facts in seen
    ]
    return json_response(
        {"account": name, **picture(everyone, now=now, scoring=site.scoring), "visitors": visitors}
    )


async def link(request: web.Request) -> web.Response:
    """`POST …/visitors/{visitor}/link`: an operator says whose visitor this is.

    The body names one of `lead`, `email`, `user_id` or `visitor` (another visitor of the same person).
    """
    app, site, visitor = request.app, request.match_info["site"], request.match_info["visitor"]
    own = await _profile(app, site, visitor)
    said = await _body(request)
    if other := said.get("visitor"):
        target = await _profile(app, site, other)
        lead = await app[state.AROUND].lead(target) or identifier(site, "v", other)
        if not edges(target).all:  # nobody known: the link itself is what ties the two
            await _operate(app, target, "link", {"lead": lead})
    else:
        lead = _asked(site, said)
    await _operate(app, own, "link", {"lead": lead})
    return json_response({"visitor": visitor, "lead": lead}, status=202)


async def unlink(request: web.Request) -> web.Response:
    """`POST …/visitors/{visitor}/unlink`: takes a link back, or keeps the visitor apart from its lead."""
    own = await _profile(request.app, request.match_info["site"], request.match_info["visitor"])
    await _operate(request.app, own, "unlink", {})
    return json_response({"visitor": own.id}, status=202)


async def export(request: web.Request) -> web.Response:
    """`GET …/visitors/{visitor}/export`: everything that is kept of one visitor, as it is kept."""
    app, site, visitor = request.app, request.match_info["site"], request.match_info["visitor"]
    return json_response(await exported(app, site, visitor))


async def export_lead(request: web.Request) -> web.Response:
    """`GET …/leads/{lead}/export`: everything that is kept of one person, by visitor."""
    app, path = request.app, request.match_info
    seen = await whole_lead(app, path["site"], path["lead"])
    return json_response(
        {"lead": path["lead"], "visitors": [await exported(app, path["site"], one) for one in seen.visitors]}
    )


async def erase(request: web.Request) -> web.Response:
    """`DELETE …/visitors/{visitor}`: erases the visitor from every store. What comes late stays out."""
    app, site, visitor = request.app, request.match_info["site"], request.match_info["visitor"]
    await _operate(app, await _profile(app, site, visitor), "erase", {})
    return json_response({"erased": [visitor]}, status=202)


async def erase_lead(request: web.Request) -> web.Response:
    """`DELETE …/leads/{lead}`: erases a person's part of every visitor, and no other person's on a shared one."""
    app, path = request.app, request.match_info
    seen = await whole_lead(app, path["site"], path["lead"])
    parts = [seen.own, *seen.around.peers]
    for one in parts:
        await _operate(app, one, "erase", {"chapter": one.chapter})
    return json_response({"erased": sorted({one.id for one in parts})}, status=202)


async def exported(app: web.Application, site: str, visitor: str) -> dict[str, Any]:
    """What is kept of one visitor. Raises NotFound."""
    own = await _profile(app, site, visitor)
    reader, redis = app[state.PROFILES], app[state.REDIS]
    base, recent = await reader.recent(own)
    chapters = [await reader.get(site, f"{visitor}~{number}") for number in range(own.chapter)]
    alerts: Any = await redis.smembers(keys.alerts_of(site, visitor))
    found = [await app[state.OUTBOX].get(name.decode(), messages=True) for name in sorted(alerts)]
    return {
        "site": site,
        "visitor": visitor,
        "profile": named(replace(own, recent_events=())),
        "ledger": named(await reader.ledger(own)),
        "recent_events": named(recent),
        "profile_before_recent_events": named(base),
        "chapters": [
            {
                "profile": named(one),
                "ledger": named(await reader.ledger(one)),
            }
            for one in chapters
            if one is not None
        ],
        "alerts": [alert for alert in found if alert is not None],
    }


def named(value: Any) -> Any:
    """Plain data with every field under its name, for people to read: what is stored is terser. Fields that say
    nothing (no text, no time, none of something) are left out.
    """
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        return {name: named(field) for name, field in fields.items() if field not in ("", 0, None, (), {})}
    if isinstance(value, dict):
        return {key: named(one) for key, one in value.items()}
    return [named(one) for one in value] if isinstance(value, list | tuple) else value


def lead_view(seen: Whole) -> dict[str, Any]:
    """A lead: what its visitors share, and each visitor's part."""
    parts = sorted([seen.own, *seen.around.peers], key=lambda one: one.first_at)
    return visitor_view(seen) | {"parts": [_part(one) for one in parts]}


def _part(profile: Profile) -> dict[str, Any]:
    return {
        "visitor": profile.id,
        "score": profile.score,
        "session_count": profile.session_count,
        "page_count": profile.page_count,
        "last_at": iso(profile.last_at),
        "device": profile.device,
    }


async def _profile(app: web.Application, site: str, visitor: str) -> Profile:
    site_named(app, site)
    profile = await app[state.PROFILES].get(site, visitor)
    if profile is None:
        raise NotFound(f"site {site!r} has no visitor {visitor!r}")
    return profile


async def _operate(app: web.Application, profile: Profile, kind: OwnType, props: dict[str, Any]) -> None:
    """Send an operator's word into the visitor's stream: the worker alone writes profiles."""
    now = max(app[state.CLOCK](), profile.last_at)
    said = Event(
        id=f"{kind}:{secrets.token_hex(8)}", site=profile.site, visitor=profile.id, type=kind, name=kind,
        at=now, received_at=now, props=props,
    )  # fmt: skip
    await app[state.PUBLISHER].publish([said])


def _asked(site: str, said: Mapping[str, Any]) -> str:
    """The lead that `lead`, `email` or `user_id` names."""
    for field in ("lead", "email", "user_id"):
        value = said.get(field)
        if isinstance(value, str) and value.strip():
            text = value.strip()
            return {
                "lead": text,
                "email": identifier(site, "m", text.lower()),
                "user_id": identifier(site, "u", text),
            }[field]
    raise ApiError(400, "missing", "name one of lead, email or user_id", field="email")


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.content.read(MAX_BODY + 1)
    try:
        said = msgspec.json.decode(raw) if len(raw) <= MAX_BODY else None
    except (msgspec.DecodeError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise ApiError(400, "bad_json", "the body must be a small JSON object", field="body")
    return said


def add_people(app: web.Application) -> None:
    """Register the routes."""
    site = "/v1/admin/sites/{site}"
    app.router.add_get(f"{site}/visitors", find_visitor)
    app.router.add_get(f"{site}/visitors/{{visitor}}/export", export)
    app.router.add_post(f"{site}/visitors/{{visitor}}/link", link)
    app.router.add_post(f"{site}/visitors/{{visitor}}/unlink", unlink)
    app.router.add_delete(f"{site}/visitors/{{visitor}}", erase)
    app.router.add_get(f"{site}/leads", find_lead)
    app.router.add_get(f"{site}/leads/{{lead}}", lead)
    app.router.add_get(f"{site}/leads/{{lead}}/export", export_lead)
    app.router.add_delete(f"{site}/leads/{{lead}}", erase_lead)
    app.router.add_get(f"{site}/accounts/{{account}}", account)
