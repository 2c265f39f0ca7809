"""A website with the snippet on it, and the server's routes that record and answer as told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

import snippet
from server.assets import add_assets

PAGES = Path(__file__).parent / "pages"
TOKEN = "visitor-1.signature"

Beacon = dict[str, Any]
Answer = Callable[[Beacon], Any]


def decision(html: str = "", **content: Any) -> dict[str, Any]:
    """A decision on the wire: `html`, or `text=`, `attr=`, `redirect=`."""
    return {"experience": "top", "variant": "a", "html": html, "reason": "audience: returning", **content}


def deciding(**decisions: Any) -> Answer:
    """An answer with the same decisions to every beacon."""
    return lambda _: {"v": TOKEN, "decisions": decisions}


class StubSite:
    """Serves `pages/` with the tag put in, `POST /v1/beacon` and `GET /v1/live`.

    `answer(beacon)` gives the reply: a dict is sent as JSON, a `web.Response` as it is. `delay` seconds pass
    before it, None: no reply until `closing` is set. `tag` is the tag's further attributes, `src` its address.
    `csp` is sent with every page. `files` are served beside `pages/`. The tag's script waits for `script_gate`.
    """

    def __init__(self) -> None:
        self.beacons: list[Beacon] = []
        self.pages: list[str] = []  # the name of each page that was asked for
        self.requests: list[dict[str, str]] = []  # headers, one for each beacon
        self.answer: Answer = deciding()
        self.delay: float | None = 0.0
        self.closing = asyncio.Event()
        self.answered = 0
        self.script_gate = asyncio.Event()
        self.script_gate.set()
        self.src = "/kizashi.js"
        self.tag = ""
        self.csp = ""
        self.base = ""
        self.files: dict[str, tuple[str, bytes]] = {}  # path -> (content type, body)
        self.streams: list[dict[str, list[str]]] = []  # the query of each live stream opened
        self.open_streams = 0
        self.live: asyncio.Queue[Any] = asyncio.Queue()  # what the open stream sends; None ends it
        self.cookie: Callable[[web.Request, web.Response], None] = lambda *_: None

    def url(self, path: str = "/plain.html") -> str:
        return self.base + path

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Everything received, repeats included, in order of arrival."""
        return [
            event
            for beacon in self.beacons
            for event in beacon["events"]
            if kind is None or event["type"] == kind
        ]

    def names(self) -> list[str]:
        """The names of everything received but engaged time, which comes when it comes."""
        return [event["name"] for event in self.events() if event["type"] != "engage"]

    def app(self) -> web.Application:
        app = web.Application()
        for prefix in ("", "/kz"):  # `/kz` is a path of the site's own that leads to the server
            app.router.add_post(f"{prefix}/v1/beacon", self.beacon)
            app.router.add_get(f"{prefix}/v1/live", self.stream)
            app.router.add_get(f"{prefix}/kizashi.js", self.script)
        app.router.add_get("/kz/kizashi-live.js", self.live_script)
        add_assets(app)
        app.router.add_get("/{name:.+}", self.page)
        return app

    async def beacon(self, request: web.Request) -> web.Response:
        body = json.loads(await request.text())
        self.beacons.append(body)
        self.requests.append(dict(request.headers) | {"path": request.path})
        answer = self.answer(body)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), self.delay)
        response = answer if isinstance(answer, web.Response) else web.json_response(answer)
        response.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "null")
        response.headers["Access-Control-Allow-Credentials"] = "true"
        self.cookie(request, response)
        self.answered += 1
        return response

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.streams.append({name: request.query.getall(name) for name in request.query})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 100\n\n")
        self.open_streams += 1
        try:
            while (data := await self._next(request)) is not None:
                await response.write(f"event: decisions\ndata: {json.dumps(data)}\n\n".encode())
        finally:
            self.open_streams -= 1
        return response

    async def _next(self, request: web.Request) -> Any:
        """What the stream sends next; None where the browser has closed it."""
        while request.transport is not None and not request.transport.is_closing():
            if self.closing.is_set():
                return None
            with suppress(TimeoutError):
                return await asyncio.wait_for(self.live.get(), 0.05)
        return None

    async def script(self, _: web.Request) -> web.Response:
        await self.script_gate.wait()
        return web.Response(body=snippet.source(), content_type="text/javascript")

    async def live_script(self, _: web.Request) -> web.Response:
        return web.Response(body=snippet.live_source(), content_type="text/javascript")

    async def page(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        headers = {"Content-Security-Policy": self.csp} if self.csp else {}
        if name in self.files:
            kind, body = self.files[name]
            return web.Response(body=body, content_type=kind)
        if name == "after-beacon.css":  # a style sheet that keeps the page from being painted
            await until(lambda: self.answered)
            return web.Response(text="body { color: #333 }", content_type="text/css")
        file = PAGES / name
        if file.suffix == ".pdf":
            return web.Response(body=b"%PDF-1.4", content_type="application/pdf")
        if not file.is_file():
            return web.Response(status=204)  # the favicon: a 404 would be an error in the page's console
        if file.suffix == ".js":
            return web.Response(text=file.read_text("utf-8"), content_type="text/javascript")
        self.pages.append(name)
        tag = f'<script async src="{self.src}" data-site="demo" {self.tag}></script>'
        text = file.read_text("utf-8").replace("<!--tag-->", tag)
        return web.Response(text=text, content_type="text/html", headers=headers)


@asynccontextmanager
async def stub_site() -> AsyncIterator[StubSite]:
    site = StubSite()
    async with TestServer(site.app(), host="127.0.0.1") as server:
        site.base = f"http://127.0.0.1:{server.port}"
        try:
            yield site
        finally:
            site.closing.set()
            site.script_gate.set()


async def until(condition: Callable[[], Any], *, seconds: float = 30) -> Any:
    """Polls until `condition()` is true and returns its value; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.02)
    return value


def ids(events: list[dict[str, Any]]) -> Iterator[str]:
    return (event["id"] for event in events)
