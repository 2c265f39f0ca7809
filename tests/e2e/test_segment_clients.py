"""Segment's own clients, only their host changed: the browser client in Chromium, the library for Python."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser

from core.visitor_ids import visitor_of, visitor_of_user
from tests.processes import Stack, until
from tests.segment_client import Unavailable, fetch
from tests.sites import DEMO

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

KEY = "demo-write-key"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Pricing</title>
<script src="/analytics.js"></script></head><body><h1>Pricing</h1></body></html>"""
LOAD = """([writeKey, cdnURL, options]) => {
  window.told = []
  window.analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL }, options)
  analytics.on('error', problem => told.push(String(problem.reason || problem.code)))
}"""


@pytest.fixture
def bundle() -> Path:
    """The browser client. Without it the test is skipped, and fails in CI."""
    try:
        return fetch()
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"NO SEGMENT CLIENT FOR THE TESTS: {reason}", pytrace=False)
        pytest.skip(f"NO SEGMENT CLIENT FOR THE TESTS: {reason}")


@asynccontextmanager
async def shop(bundle: Path, port: int) -> AsyncIterator[str]:
    """A web site of its own origin with Segment's client on its pages; yields the origin."""

    async def page(request: web.Request) -> web.StreamResponse:
        if request.path == "/analytics.js":
            return web.FileResponse(bundle, headers={"Content-Type": "text/javascript"})
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def stored(stack: Stack, visitor: str, events: dict[str, int]) -> dict[str, Any]:
    """The visitor's view, once these events have been counted."""
    counted: dict[str, int] = {}

    async def there() -> bool:
        counted.clear()
        view = await stack.visitor(visitor)
        counted.update({name: stat["count"] for name, stat in view.get("events", {}).items()})
        return counted == events

    try:
        await until(there, 30)
    except AssertionError:
        raise AssertionError(f"{counted} instead of {events}\n{stack.logs()}") from None
    return await stack.visitor(visitor)


@pytest.mark.parametrize("delivery", ["standard", "batching"])
async def test_the_browser_client(
    stack: Stack, bundle: Path, shared_browser: Browser, free_port: Callable[[], int], delivery: str
) -> None:
    port = free_port()
    await stack.publish(DEMO.replace("http://shop.example", f"http://127.0.0.1:{port}"))
    strategy = {"strategy": delivery, "config": {"size": 4, "timeout": 500}}
    options = {"integrations": {"Segment.io": {"deliveryStrategy": strategy}}}
    if delivery == "standard":
        options = {}  # nothing but the host
    asked: set[str] = set()
    who = {"id": f"u-{delivery}", "email": f"{delivery}@acme.example", "name": "Ann"}
    async with shop(bundle, port) as origin, await shared_browser.new_context(locale="ja-JP") as context:
        page = await context.new_page()
        failed: list[str] = []
        page.on("console", lambda line: failed.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("request", lambda request: asked.add(request.url))
        await page.goto(f"{origin}/pricing?utm_source=news&utm_campaign=spring")
        await page.evaluate(LOAD, [KEY, stack.base, options])
        await page.evaluate("analytics.page('Docs', 'Pricing')")
        anonymous = await page.evaluate("analytics.user().then(user => user.anonymousId())")
        await page.evaluate("analytics.track('whitepaper_download', { title: 'ERP' })")
        await page.evaluate("({ id, ...traits }) => analytics.identify(id, traits)", who)
        await page.evaluate("analytics.group('g1', { name: 'Acme' })")
        expected = {"page": 1, "whitepaper_download": 1, "identify": 1, "group": 1}
        visitor = visitor_of("demo", anonymous)
        view = await stored(stack, visitor, expected)
        assert await page.evaluate("told") == []
        assert failed == []
    reached = {url.split("?")[0] for url in asked if not url.startswith(origin)}
    settings = f"{stack.base}/v1/projects/{KEY}/settings"
    paths = "ptig" if delivery == "standard" else "b"
    assert reached == {settings, *(f"{stack.base}/v1/{path}" for path in paths)}
    assert (view["page_count"], view["session_count"], view["score"]) == (1, 1, 31)
    assert view["topics"] == {"pricing": {"views": 1, "engaged_ms": 0}}
    assert [alert["rule"] for alert in await stack.alerts() if alert["visitor"] == visitor] == ["whitepaper"]


PROGRAM = """
import sys
from datetime import datetime, timedelta, timezone
from segment.analytics import Client

failed = []
client = Client(sys.argv[1], host=sys.argv[2], gzip=True, on_error=lambda error, items: failed.append(error))
an_hour_ago = datetime.now(timezone.utc) - timedelta(hours=1)
client.identify("u7", {"email": "bo@acme.example", "name": "Bo"})
client.page("u7", "Docs", "Pricing", {"url": "http://shop.example/pricing", "title": "Pricing"})
client.track("u7", "whitepaper_download", {"title": "ERP"}, timestamp=an_hour_ago)
client.track(None, "seen", anonymous_id="before", message_id="once")
client.track(None, "seen", anonymous_id="before", message_id="once")
client.group("u7", "g1", {"name": "Acme"})
client.screen("u7", "App", "Start")
client.alias("before", "u7")
client.flush()
client.shutdown()
print(failed)
sys.exit(bool(failed))
"""


async def test_the_library_for_python(stack: Stack, tmp_path: Path) -> None:
    await stack.publish(DEMO)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, KEY, stack.base, cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    user, before = visitor_of_user("demo", "u7"), visitor_of("demo", "before")
    # The alias makes the two visitors one person, and each shows what the person did.
    together = {"identify": 2, "page": 2, "whitepaper_download": 1, "group": 1, "seen": 1}
    for visitor in (user, before):
        view = await stored(stack, visitor, together)
        assert set(view["visitors"]) == {user, before}
        assert view["topics"] == {"pricing": {"views": 1, "engaged_ms": 0}}
        assert (view["traits"]["id"], view["traits"]["email"]) == ("u7", "bo@acme.example")
    assert [alert["visitor"] for alert in await stack.alerts() if alert["visitor"] in (user, before)] == [
        user
    ]
