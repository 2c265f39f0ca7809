"""Which pages may talk to us: an Origin is answered with credentials only where the site lists it."""

from __future__ import annotations

from aiohttp import web

from server.errors import ApiError
from sites.site import Site


def check_origin(request: web.Request, site: Site) -> dict[str, str]:
    """The CORS headers for this request. Raises 403 for an Origin that the site does not list.

    No Origin means no browser page is asking: a server, which needs no CORS.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return {}
    if origin.lower() not in site.origins:
        raise ApiError(403, "foreign_origin", "this origin is not listed for the site", field="origin")
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }


def is_listed(origin: str, sites: list[Site]) -> bool:
    """Whether any published site lists the origin, for preflights, which name no site."""
    return any(origin.lower() in site.origins for site in sites)
