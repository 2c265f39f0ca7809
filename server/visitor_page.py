"""`GET /visitors/{site}/{visitor}?k=…`: the page behind an alert's link, and its event stream.

There is no login: the key is a signed capability for one visitor of one site. Without it nothing is told, not
even whether there is such a visitor.
"""

from __future__ import annotations

import asyncio
import unicodedata
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web
from redis.exceptions import RedisError

from alerts.points import shown_score
from core.errors import NotFound, StoreUnavailable
from server import sse, state
from server.decide import met_before
from server.visitor_seen import Seen
from server.visitor_views import view, who
from server.visitor_words import CLOSED, LANGS, texts
from server.whole import decided, whole
from sites.site import Site

HERE = Path(__file__).parent
#: A site's alerts that are looked through for this visitor's.
ALERTS_READ = 200
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
#: Joiners that writing systems and emoji need; every other invisible control is left out.
_JOINERS = frozenset("\u200c\u200d")


def add_visitor_page(app: web.Application) -> None:
    """Register the page and its event stream."""
    page = VisitorPage(env=_environment())
    app.router.add_get("/visitors/{site}/{visitor}", page.show)
    app.router.add_get("/visitors/{site}/{visitor}/events", page.events, allow_head=False)
    app.on_shutdown.append(page.stop)


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates" / "visitor"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def shown(value: Any) -> Any:
    """A value as the page prints it: text loses control characters, those that reorder it among them."""
    if not isinstance(value, str) or hasattr(value, "__html__") or (value.isascii() and value.isprintable()):
        return value
    return "".join(one for one in value if one in _JOINERS or unicodedata.category(one) not in ("Cc", "Cf"))


@dataclass(frozen=True, kw_only=True)
class VisitorPage:
    """The handlers. `poll_s`, `heartbeat_s` and `lifetime_s` are seconds; after a lifetime the browser comes
    back, and its key is checked again.
    """

    env: jinja2.Environment
    poll_s: float = 1.0
    heartbeat_s: float = 15.0
    lifetime_s: float = 3600.0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop(self, _app: web.Application) -> None:
        """End the open event streams, so that shutting down does not wait for browsers."""
        self.stopping.set()

    async def show(self, request: web.Request) -> web.Response:
        """The page; 403, 404 or 503 as a page in words."""
        if not opens(request):
            return self._closed(403)
        try:
            seen = await self._see(request)
        except NotFound:
            return self._closed(404)
        except (RedisError, StoreUnavailable):
            return self._closed(503)
        html = self._panel(seen)
        key = request.query["k"]
        page = self._render(
            "page.html", seen, panel=html, revision=revision_of(html), path=request.path, key=key
        )
        headers = HEADERS | {"Content-Language": seen.lang}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """`visitor` events, {html, revision, title}, whenever the page's content changes; `gone` once the
        visitor is erased.
        """
        if not opens(request):
            return self._closed(403)

        async def look() -> dict[str, Any]:
            try:
                seen = await self._see(request)
            except NotFound:
                return {"gone": True}
            html = self._panel(seen)
            return {"visitor": {"html": html, "revision": revision_of(html), "title": title_of(seen)}}

        return await sse.stream(
            request,
            look=look,
            stopping=self.stopping,
            poll_s=self.poll_s,
            heartbeat_s=self.heartbeat_s,
            lifetime_s=self.lifetime_s,
        )

    async def _see(self, request: web.Request) -> Seen:
        """Raises NotFound, StoreUnavailable and redis.RedisError."""
        app, name, visitor = request.app, request.match_info["site"], request.match_info["visitor"]
        seen = await whole(app, name, visitor)
        now = app[state.CLOCK]()
        recent = await app[state.OUTBOX].recent(name, ALERTS_READ)
        return Seen(
            site=seen.site,
            profile=seen.profile,
            facts=seen.facts,
            ledger=seen.ledger,
            decisions=decided(seen, now),
            alerts=[alert for alert in recent if alert["visitor"] in seen.visitors],
            file=await app[state.FILES].get(seen.site),
            lang=language(request, seen.site),
            now=now,
            browsers=len(seen.visitors),
            met=met_before(seen.own, seen.around),
        )

    def _panel(self, seen: Seen) -> str:
        return self._render("_visitor.html", seen, v=view(seen))

    def _render(self, template: str, seen: Seen, **values: Any) -> str:
        known = {"t": texts(seen.lang), "lang": seen.lang, "site": seen.site, "title": title_of(seen)}
        return self.env.get_template(template).render(**known, **values)

    def _closed(self, status: int) -> web.Response:
        html = self.env.get_template("closed.html").render(said=CLOSED[status], lang="en")
        headers = HEADERS | ({"Retry-After": "30"} if status == 503 else {})
        return web.Response(status=status, text=html, content_type="text/html", headers=headers)


def opens(request: web.Request) -> bool:
    """Whether the request's key opens the page it asks for."""
    path = request.match_info
    return request.app[state.LINKS].opens(request.query.get("k"), path["site"], path["visitor"])


def language(request: web.Request, site: Site) -> str:
    """`?lang=`, else the site's locale."""
    asked = request.query.get("lang")
    return asked if asked in LANGS else site.locale


def revision_of(html: str) -> str:
    """The same for the same content: a browser that shows it already has nothing to redraw."""
    return blake2b(html.encode(), digest_size=8).hexdigest()


def title_of(seen: Seen) -> str:
    """What the browser's tab is called: score and name."""
    return str(shown(f"{shown_score(seen.profile.score)} · {who(seen)['name'][:80]}"))
