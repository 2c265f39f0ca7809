"""The demo: a small vendor's website at `/demo/`, the live view of one visitor, the local Slack outbox.

Everything here is about the site "demo" and exists only while that site is published. Texts and website pages
come from the demo's folder; the live view and the outbox from this package. No state of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import jinja2
from aiohttp import web

from server import demo_views, sse
from server.blockkit import render as render_blocks
from server.demo_content import LANGS, Content, language, load_content

HERE = Path(__file__).parent
ALERT_LIMIT = 50
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; "
    "form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Vary": "Cookie, Accept-Language",
}
PAGES = {"": "top", "product": "product", "cases": "cases", "pricing": "pricing", "whitepaper": "whitepaper"}
FORMS = ("newsletter", "contact")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DemoReader(Protocol):
    """What the demo reads of the running system, for the site "demo" alone."""

    def published(self) -> bool:
        """Is the site "demo" published?"""

    def visitor_of(self, request: web.Request) -> str | None:
        """The visitor id of a `kz` cookie whose signature holds."""

    async def visitor(self, visitor: str) -> dict[str, Any] | None:
        """The visitor in the admin API's shape, with `traits` and `pages`. Times are ISO 8601."""

    async def alerts(self, limit: int) -> list[dict[str, Any]]:
        """Newest first: id, rule, visitor, state, why, at, sent_at, channel, message {text, blocks}."""


def add_demo(app: web.Application, *, root: Path, reader: DemoReader) -> None:
    """Add the demo's routes. `root` is the demo's folder (`examples/demo`)."""
    demo = Demo(reader=reader, root=root, content=load_content(root), env=_environment(root))
    app.router.add_routes(demo.routes())
    app.on_shutdown.append(demo.stop)


def _environment(root: Path) -> jinja2.Environment:
    loader = jinja2.PrefixLoader(
        {
            "site": jinja2.FileSystemLoader(root / "templates"),
            "demo": jinja2.FileSystemLoader(HERE / "templates" / "demo"),
        }
    )
    env = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.filters["points"] = demo_views.points
    env.filters["blocks"] = render_blocks
    return env


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The demo's handlers. `poll_s` and `heartbeat_s` are seconds."""

    reader: DemoReader
    root: Path
    content: Content
    env: jinja2.Environment
    poll_s: float = 0.25
    heartbeat_s: float = 15.0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self) -> list[web.RouteDef]:
        """Every route of the demo; all answer 404 while the site is not published."""
        gets: dict[str, Handler] = {
            "/demo": self.to_top,
            **{f"/demo/{page}": self.page for page in PAGES},
            **{f"/demo/{form}": self.form for form in FORMS},
            "/demo/cases/{slug}": self.case,
            "/demo/live": self.live,
            "/demo/live/events": self.live_events,
            "/demo/slack": self.slack,
            "/demo/slack/events": self.slack_events,
            "/demo/static/{name}": self.static,
            "/demo/files/whitepaper.pdf": self.whitepaper,
        }
        posts: dict[str, Handler] = {
            "/demo/forget": self.forget,
            **{f"/demo/{form}": self.submitted for form in FORMS},
        }
        return [
            *(web.get(path, self._published(handler)) for path, handler in gets.items()),
            *(web.post(path, self._published(handler)) for path, handler in posts.items()),
        ]

    async def stop(self, _app: web.Application) -> None:
        """End the open event streams, so that shutting down does not wait for browsers."""
        self.stopping.set()

    def _published(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self.reader.published():
                raise web.HTTPNotFound
            return await handler(request)

        return guarded

    # The website

    async def to_top(self, _request: web.Request) -> web.StreamResponse:
        raise web.HTTPPermanentRedirect("/demo/")

    async def page(self, request: web.Request) -> web.StreamResponse:
        name = PAGES[request.path.removeprefix("/demo/")]
        return self._site(request, f"{name}.html", page=name)

    async def form(self, request: web.Request) -> web.StreamResponse:
        return self._site(
            request, "form.html", page=request.path.rsplit("/", 1)[-1], thanks="thanks" in request.query
        )

    async def submitted(self, request: web.Request) -> web.StreamResponse:
        """The snippet has already sent the form as an `identify` event; what was posted here is not kept."""
        raise web.HTTPSeeOther(f"{request.path}?thanks=1")

    async def case(self, request: web.Request) -> web.StreamResponse:
        items = self._text(request)["cases"]["items"]
        slugs = [item["slug"] for item in items]
        if request.match_info["slug"] not in slugs:
            raise web.HTTPNotFound
        index = slugs.index(request.match_info["slug"])
        following = items[(index + 1) % len(items)]
        page = items[index] | {"lead": items[index]["summary"]}
        return self._site(request, "case.html", page=page, next_case=following)

    async def whitepaper(self, request: web.Request) -> web.StreamResponse:
        file = self.root / "files" / f"whitepaper.{language(request)}.pdf"
        return web.FileResponse(file, headers={"Cache-Control": "private, no-cache", "Vary": HEADERS["Vary"]})

    async def static(self, request: web.Request) -> web.StreamResponse:
        files = {path.name: path for path in (self.root / "static").iterdir()}
        if request.match_info["name"] not in files:
            raise web.HTTPNotFound
        return _file(files[request.match_info["name"]])

    # One visitor, live

    async def live(self, request: web.Request) -> web.StreamResponse:
        """The page with the website in a frame; what is known about the visitor arrives by events."""
        return self._html(request, "demo/live.html", bands=self.content.bands, cache="no-store")

    async def live_events(self, request: web.Request) -> web.StreamResponse:
        """`visitor` and `alerts` events whenever they change. Without a visitor yet the stream ends after a
        second: the browser comes back with the cookie that the first page view has set.
        """
        visitor = self.reader.visitor_of(request)
        lang = language(request)

        async def look() -> dict[str, Any]:
            known = await self.reader.visitor(visitor) if visitor else None
            alerts = await self.reader.alerts(ALERT_LIMIT) if visitor else []
            return self._live_frame(
                lang, known, [alert for alert in alerts if alert["visitor"] == visitor][:5]
            )

        return await self._stream(request, look, lifetime_s=None if visitor else 1.0)

    def _live_frame(
        self, lang: str, known: dict[str, Any] | None, alerts: list[dict[str, Any]]
    ) -> dict[str, Any]:
        text = self.content.texts[lang]
        panel = demo_views.panel(known, labels=text["labels"], bands=self.content.bands) if known else None
        html = self._render("demo/_visitor.html", lang, panel=panel)
        steps = demo_views.steps(known, alerts)
        head = {"score": panel["score"], "band": panel["intent_label"]} if panel else {"score": 0, "band": ""}
        return {
            "visitor": head | {"html": html, "steps": steps},
            "alerts": {"html": self._render("demo/_outbox.html", lang, alerts=demo_views.messages(alerts))},
        }

    async def forget(self, request: web.Request) -> web.StreamResponse:
        """Expire the `kz` cookie. 303 back to the live view; 204 for a script."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            raise web.HTTPForbidden
        by_script = request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate"
        response = web.Response(status=204) if by_script else web.HTTPSeeOther("/demo/live")
        response.del_cookie("kz", path="/", httponly=True, samesite="Lax")
        response.headers["Cache-Control"] = "private, no-store"
        if isinstance(response, web.HTTPException):
            raise response
        return response

    # The outbox

    async def slack(self, request: web.Request) -> web.StreamResponse:
        """The outbox as Slack would show it; `?channel=` picks one."""
        view = await self._outbox(request)
        return self._html(request, "demo/slack.html", **view, cache="no-store")

    async def slack_events(self, request: web.Request) -> web.StreamResponse:
        """`alerts` events whenever the outbox changes."""
        lang = language(request)

        async def look() -> dict[str, Any]:
            view = await self._outbox(request)
            return {
                "alerts": {
                    "html": self._render("demo/_messages.html", lang, **view),
                    "channels": self._render("demo/_channels.html", lang, **view),
                }
            }

        return await self._stream(request, look)

    async def _outbox(self, request: web.Request) -> dict[str, Any]:
        return demo_views.outbox(await self.reader.alerts(ALERT_LIMIT), request.query.get("channel"))

    # Shared

    async def _stream(
        self, request: web.Request, look: sse.Look, *, lifetime_s: float | None = None
    ) -> web.StreamResponse:
        return await sse.stream(
            request,
            look=look,
            stopping=self.stopping,
            poll_s=self.poll_s,
            heartbeat_s=self.heartbeat_s,
            lifetime_s=lifetime_s,
        )

    def _text(self, request: web.Request) -> Mapping[str, Any]:
        return self.content.texts[language(request)]

    def _site(
        self, request: web.Request, template: str, *, page: str | dict[str, Any], **values: Any
    ) -> web.Response:
        """A website page. `page` is its texts, or the key they are under."""
        texts = self._text(request)[page] if isinstance(page, str) else page
        framed = request.headers.get("Sec-Fetch-Dest") == "iframe"
        bar = not framed and request.cookies.get("demo_bar") != "off"
        return self._html(request, f"site/{template}", page=texts, show_bar=bar, cache="no-cache", **values)

    def _html(self, request: web.Request, template: str, *, cache: str, **values: Any) -> web.Response:
        lang = language(request)
        html = self._render(template, lang, path=request.path, **values)
        headers = HEADERS | {"Cache-Control": f"private, {cache}", "Content-Language": lang}
        response = web.Response(text=html, content_type="text/html", headers=headers)
        if request.query.get("lang") in LANGS:
            response.set_cookie("demo_lang", lang, path="/demo", max_age=365 * 86400, samesite="Lax")
        return response

    def _render(self, template: str, lang: str, **values: Any) -> str:
        return self.env.get_template(template).render(t=self.content.texts[lang], lang=lang, **values)


def _file(path: Path) -> web.FileResponse:
    return web.FileResponse(path, headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
