"""The styles, scripts and pictures that our own pages share."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "static"


def add_assets(app: web.Application) -> None:
    """Serve each file of `server/static` at `/static/<name>`."""
    for path in sorted(FOLDER.iterdir()):
        app.router.add_get(f"/static/{path.name}", asset)


async def asset(request: web.Request) -> web.FileResponse:
    """One file; only names that were registered get here."""
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return web.FileResponse(FOLDER / request.path.rpartition("/")[2], headers=headers)
