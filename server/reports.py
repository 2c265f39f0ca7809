"""`GET /v1/admin/sites/{site}/report/experiences`: what the experiences are worth, as data or as a table."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from personalization.counters import parse
from personalization.report import Report, report
from personalization.report_text import render_text
from server import state
from server.errors import ApiError, json_response
from server.whole import site_named
from sites.site import Site
from storage import keys


async def experiences(request: web.Request) -> web.Response:
    """The report; `?as=text` gives the table that `kizashi report experiences` prints, in `lang` or the site's."""
    app, query = request.app, request.query
    site = site_named(app, request.match_info["site"])
    fields: Any = await app[state.REDIS].hgetall(keys.measured(site.id))
    counts = {name.decode(): int(value) for name, value in fields.items()}
    found = await asyncio.to_thread(_report, counts, site)  # quadrature takes its time
    shape = query.get("as", "json")
    if shape == "json":
        return json_response(found.plain())
    if shape == "text":
        return web.Response(text=render_text(found, query.get("lang") or site.locale) + "\n")
    raise ApiError(400, "bad_value", "must be json or text", field="as")


def _report(counts: dict[str, int], site: Site) -> Report:
    return report(parse(counts), site=site.id, experiences=site.experiences, goals=site.goals)
