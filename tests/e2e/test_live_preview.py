"""Live decisions and previews in real browsers, with real web and worker processes.

The page speaks to the server by itself, with `fetch` and `EventSource`: what is tested is the server's half.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page

from tests.processes import ADMIN_TOKEN, Stack, until
from tests.sites import DEMO

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

HTML = """<!doctype html><title>Shop</title>
<section data-kz-slot="hero">Original</section><a href="/pricing">Pricing</a>
<script src="/page.js"></script>"""

SCRIPT = """
const server = %s, hero = document.querySelector('[data-kz-slot=hero]')
window.updates = 0
const show = (decision) => { hero.innerHTML = decision ? decision.html : 'Original' }
const id = String(Math.random())
const event = {id, type: 'page', url: location.href, at: Date.now(), props: {}}
fetch(server + '/v1/beacon', {
  method: 'POST', credentials: 'include',
  body: JSON.stringify({site: 'demo', sentAt: Date.now(), events: [event], slots: ['hero']}),
}).then((response) => response.json()).then((answer) => {
  show(answer.decisions.hero)
  window.answer = answer
  const stream = new EventSource(server + '/v1/live?site=demo&slot=hero&after=' + event.id + '&v=' + answer.v,
    {withCredentials: true})
  stream.addEventListener('decisions', (message) => {
    window.updates++
    show(JSON.parse(message.data).decisions.hero)
  })
})
"""


@pytest_asyncio.fixture(loop_scope="session")
async def shop(stack: Stack) -> AsyncIterator[tuple[Stack, str]]:
    """Web and worker, and the address of a website of another origin that talks to them."""
    app = web.Application()

    async def page(request: web.Request) -> web.Response:
        if request.path == "/page.js":
            return web.Response(text=SCRIPT % json.dumps(stack.base), content_type="text/javascript")
        return web.Response(text=HTML, content_type="text/html")

    app.router.add_get("/{path:.*}", page)
    async with TestServer(app, host="127.0.0.1") as site:
        base = f"http://127.0.0.1:{site.port}"
        await stack.publish(DEMO.replace("http://shop.example", base))
        yield stack, base


async def hero(page: Page) -> str:
    return await page.inner_text("[data-kz-slot=hero]")


async def reads(page: Page, text: str) -> None:
    """Wait until the page's hero says `text`."""

    async def said() -> bool:
        return await hero(page) == text

    await until(said)


async def preview_link(stack: Stack, **ask: Any) -> str:
    url = f"{stack.base}/v1/admin/sites/demo/previews"
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with stack.http.post(url, json=ask, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        # The link names the server as people reach it; here that is this port.
        link = str((await answer.json())["url"])
        return link.replace(link.partition("/v1/")[0], stack.base)


async def download(stack: Stack, v: str) -> None:
    """The visitor does something elsewhere: in another tab, or in a server's own report."""
    await stack.beacon({"id": f"download-{v[:8]}", "type": "track", "name": "whitepaper_download"}, v=v)


async def test_the_open_page_changes_when_the_visitor_becomes_hot(
    shop: tuple[Stack, str], shared_browser: Browser
) -> None:
    stack, base = shop
    await stack.publish(hot_at_thirty(base))
    async with await shared_browser.new_context() as context, await shared_browser.new_context() as other_one:
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        requests: list[str] = []
        await page.goto(base)
        await reads(page, "Welcome")
        await page.wait_for_function("window.updates === 1")
        page.on("request", lambda request: requests.append(request.url))
        other = await other_one.new_page()
        await other.goto(base)
        await reads(other, "Welcome")

        await download(stack, await page.evaluate("answer.v"))
        await reads(page, "Talk to us, friend")
        assert requests == []
        assert await page.evaluate("updates") == 2
        assert await hero(other) == "Welcome"
        assert errors == []


async def test_the_page_comes_back_by_itself_after_a_restart(
    shop: tuple[Stack, str], shared_browser: Browser
) -> None:
    stack, base = shop
    await stack.publish(hot_at_thirty(base))
    async with await shared_browser.new_context() as context:
        page = await context.new_page()
        await page.goto(base)
        await page.wait_for_function("window.updates === 1")
        stack.kill_web()
        stack.start_web()
        await stack.ready()
        await download(stack, await page.evaluate("answer.v"))
        await reads(page, "Talk to us, friend")
        # Back before the download it is told twice: what there is, and then what is new.
        assert await page.evaluate("updates") in (2, 3)


async def test_a_marketer_sees_the_site_as_others_do_and_leaves_no_trace(
    shop: tuple[Stack, str], shared_browser: Browser
) -> None:
    stack, base = shop
    async with await shared_browser.new_context() as visitor, await shared_browser.new_context() as marketer:
        theirs, ours = await visitor.new_page(), await marketer.new_page()
        await theirs.goto(base)
        await reads(theirs, "Welcome")
        await until(lambda: counted(stack, theirs, 1))
        before = await profiles(stack)

        await ours.goto(await preview_link(stack, audiences=["high_intent"], to="/start"))
        assert ours.url.partition("#")[0] == f"{base}/start"
        await reads(ours, "Talk to us, friend")
        await ours.click("a")
        await ours.wait_for_url(f"{base}/pricing")
        await reads(ours, "Talk to us, friend")
        assert (await ours.evaluate("answer"))["preview"]["as"] == "audience high_intent"

        draft = DEMO.replace("http://shop.example", base).replace("Welcome", "Coming soon")
        await ours.goto(await preview_link(stack, draft=draft))
        await reads(ours, "Coming soon")
        await theirs.reload()
        await reads(theirs, "Welcome")
        await until(lambda: counted(stack, theirs, 2))
        assert await profiles(stack) == before

        await ours.goto(f"{stack.base}/v1/preview?off&to={base}/")
        await reads(ours, "Welcome")
        await until(lambda: counted(stack, ours, 1))
        assert len(await profiles(stack)) == len(before) + 1


def hot_at_thirty(base: str) -> str:
    """The demo site, in which one download makes a visitor's intent high."""
    return DEMO.replace("http://shop.example", base).replace("high: 50", "high: 30")


async def counted(stack: Stack, page: Page, views: int) -> bool:
    """Whether the page's visitor has so many page views."""
    view = await stack.visitor(await page.evaluate("answer.v"))
    return view.get("page_count") == views


async def profiles(stack: Stack) -> list[bytes]:
    return sorted([key async for key in stack.redis.scan_iter("kz:p:*")])
