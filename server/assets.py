"""The styles, scripts and pictures that our own pages share, and the snippet's files."""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path

from aiohttp import web

import snippet

FOLDER = Path(__file__).parent / "static"

_SHORT = "public, max-age=300, stale-while-revalidate=86400"
_FOR_GOOD = "public, max-age=31536000, immutable"


def add_assets(app: web.Application) -> None:
    """Serve each file of `server/static` at `/static/<name>`, the snippet's scripts at `/kizashi.js` and
    `/kizashi-live.js` and, for pages that pin them by their hash, at `/kizashi-<version>.js` and
    `/kizashi-live-<version>.js`.
    """
    for path in sorted(FOLDER.iterdir()):
        app.router.add_get(f"/static/{path.name}", asset)
    version = snippet.version()
    for address in (
        "/kizashi.js",
        "/kizashi-live.js",
        f"/kizashi-{version}.js",
        f"/kizashi-live-{version}.js",
    ):
        app.router.add_get(address, script)


async def asset(request: web.Request) -> web.FileResponse:
    """One file; only names that were registered get here."""
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return web.FileResponse(FOLDER / request.path.rpartition("/")[2], headers=headers)


async def script(request: web.Request) -> web.Response:
    """A script of the snippet's, gzipped for who takes that. What its name gives a version to never changes; the
    others are kept for minutes, so that a fix reaches every page.

    Pages load it across origins, with `crossorigin` where they check its hash.
    """
    body = snippet.live_source() if request.path.startswith("/kizashi-live") else snippet.source()
    zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    return web.Response(
        body=_packed(body) if zipped else body,
        content_type="text/javascript",
        charset="utf-8",
        headers={
            **({"Content-Encoding": "gzip"} if zipped else {}),
            "Vary": "Accept-Encoding",
            "Cache-Control": _SHORT if request.path in ("/kizashi.js", "/kizashi-live.js") else _FOR_GOOD,
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "X-Content-Type-Options": "nosniff",
        },
    )


@lru_cache(maxsize=4)
def _packed(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)
