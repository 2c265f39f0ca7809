"""A website with the snippet on it, and a beacon endpoint that records and answers as told."""

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

PAGES = Path(__file__).parent / "pages"
TOKEN = "visitor-1.signature"

Beacon = dict[str, Any]
Answer = Callable[[Beacon], Any]


def decision(html: str) -> dict[str, str]:
    return {"experience": "top", "variant": "a", "html": html, "reason": "audience: returning"}


class StubSite:
    """Serves `pages/` with the tag put in, and `POST /v1/beacon`.

    `answer(beacon)` gives the reply: a dict is sent as JSON, a `web.Response` as it is. `delay` seconds pass
    before it, None: no reply. `tag` is the tag's further attributes. `csp` is sent with every page.
    """

    def __init__(self) -> None:
        self.beacons: list[Beacon] = []
        self.requests: list[dict[str, str]] = []  # headers, one for each beacon
        self.answer: Answer = lambda _: {"v": TOKEN, "decisions": {}}
        self.delay: float | None = 0.0
        self.closing = asyncio.Event()
        self.tag = ""
        self.csp = ""
        self.base = ""

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

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/beacon", self.beacon)
        app.router.add_get("/kizashi.js", self.script)
        app.router.add_get("/{name:.+}", self.page)
        return app

    async def beacon(self, request: web.Request) -> web.Response:
        body = json.loads(await request.text())
        self.beacons.append(body)
        self.requests.append(dict(request.headers))
        answer = self.answer(body)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), self.delay)
        response = answer if isinstance(answer, web.Response) else web.json_response(answer)
        response.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "null")
        response.headers["Access-Control-Allow-Credentials"] = "true"
        return response

    async def script(self, _: web.Request) -> web.Response:
        return web.Response(body=snippet.source(), content_type="text/javascript")

    async def page(self, request: web.Request) -> web.Response:
        file = PAGES / request.match_info["name"]
        if file.suffix == ".pdf":
            return web.Response(body=b"%PDF-1.4", content_type="application/pdf")
        if not file.is_file():
            return web.Response(status=204)  # the favicon: a 404 would be an error in the page's console
        headers = {"Content-Security-Policy": self.csp} if self.csp else {}
        if file.suffix == ".js":
            return web.Response(text=file.read_text("utf-8"), content_type="text/javascript")
        tag = f'<script async src="/kizashi.js" data-site="demo" {self.tag}></script>'
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


async def until(condition: Callable[[], Any], *, seconds: float = 30) -> Any:
    """Polls until `condition()` is true and returns its value; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.02)
    return value


def ids(events: list[dict[str, Any]]) -> Iterator[str]:
    return (event["id"] for event in events)
