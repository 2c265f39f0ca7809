"""`GET /v1/admin/sites/{site}/report/experiences` and `…/alerts`: what they are worth, as data or as a table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from personalization.counters import Counts, parse
from personalization.report import report
from personalization.report_text import render_text
from personalization.told import plain, told_report
from server import state
from server.errors import ApiError, json_response
from server.whole import site_named
from sites.site import Site
from storage import keys


async def experiences(request: web.Request) -> web.Response:
    """The report; `?as=text` gives the table that `kizashi report experiences` prints, in `lang` or the site's."""
    site = site_named(request.app, request.match_info["site"])
    counts = await _counts(request, site)
    found = await asyncio.to_thread(  # quadrature takes its time
        report, counts, site=site.id, experiences=site.experiences, goals=site.goals
    )
    return _answer(request, found.plain, lambda lang: render_text(found, lang), site)


async def alerts(request: web.Request) -> web.Response:
    """The told against the held out, by alert rule; `?as=text` gives what `kizashi report alerts` prints."""
    site = site_named(request.app, request.match_info["site"])
    counts = await _counts(request, site)
    holdouts = {rule.id: rule.holdout for rule in site.alerts}
    found = await asyncio.to_thread(told_report, counts, site=site.id, holdouts=holdouts, goals=site.goals)
    return _answer(request, lambda: plain(found), lambda lang: render_text(found, lang, alerts=True), site)


async def _counts(request: web.Request, site: Site) -> Counts:
    fields: Any = await request.app[state.REDIS].hgetall(keys.measured(site.id))
    return parse({name.decode(): int(value) for name, value in fields.items()})


def _answer(
    request: web.Request, data: Callable[[], Any], text: Callable[[str], str], site: Site
) -> web.Response:
    shape = request.query.get("as", "json")
    if shape == "json":
        return json_response(data())
    if shape == "text":
        return web.Response(text=text(request.query.get("lang") or site.locale) + "\n")
    raise ApiError(400, "bad_value", "must be json or text", field="as")
