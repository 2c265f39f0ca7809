"""The examples of server-side rendering, each run as its README says, against a stub of `POST /v1/decisions`."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.e2e import node_tools
from tests.e2e.stub_site import TOKEN, decision
from tests.ports import free_ports

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOLDER = Path(__file__).parents[2] / "examples/ssr"
EXAMPLES = {"app.py": sys.executable, "server.mjs": "node"}


class Kizashi:
    """Answers `POST /v1/decisions` with `decisions`; a `web.Response` as it is, None not before the test ends."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.decisions: Any = {}
        self.closing = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        if self.decisions is None:
            await self.closing.wait()
        if isinstance(self.decisions, str):
            return web.Response(text=self.decisions, content_type="application/json")
        return web.json_response({"v": self.asked[-1].get("v") or TOKEN, "decisions": self.decisions})


@asynccontextmanager
async def running(example: str, port: int, url: str) -> AsyncIterator[str]:
    """The example as a process of its own; yields its address."""
    program = shutil.which(EXAMPLES[example])
    if program is None:
        node_tools.missing("no Node here: the example for Node cannot run")
    assert program is not None
    settings = {"KIZASHI_URL": url, "KIZASHI_SITE": "demo", "PORT": str(port), "KIZASHI_WAIT_MS": "3000"}
    process = await asyncio.create_subprocess_exec(
        program, str(FOLDER / example), env={**os.environ, **settings}, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert process.returncode is None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@pytest_asyncio.fixture(params=EXAMPLES, scope="module", loop_scope="module")
async def server(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Kizashi]]:
    """An example's address, and the Kizashi that it asks: for all tests of the module."""
    kizashi = Kizashi()
    app = web.Application()
    app.router.add_post("/v1/decisions", kizashi.answer)
    async with TestServer(app, host="127.0.0.1") as asked:
        (port,) = free_ports(1)
        async with running(request.param, port, f"http://127.0.0.1:{asked.port}") as address:
            yield address, kizashi


@pytest_asyncio.fixture(loop_scope="module")
async def example(server: tuple[str, Kizashi]) -> AsyncIterator[tuple[str, Kizashi, aiohttp.ClientSession]]:
    """The same with nothing asked yet, and a browser's cookie jar."""
    address, kizashi = server
    kizashi.asked.clear()
    kizashi.decisions, kizashi.closing = {}, asyncio.Event()
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        yield address, kizashi, browser
    kizashi.closing.set()


Example = tuple[str, Kizashi, aiohttp.ClientSession]

ORIGINALS = [
    '<section data-kz-slot="hero"><h1>Run your company on one system</h1></section>',
    '<p data-kz-slot="greeting">Good to see you.</p>',
    '<a data-kz-slot="cta" href="/contact">Ask us</a>',
]


async def read(browser: aiohttp.ClientSession, url: str) -> str:
    async with browser.get(url) as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "private, no-store"
        return await response.text()


async def test_the_page_has_this_visitor_s_decisions(example: Example) -> None:
    address, kizashi, browser = example
    kizashi.decisions = {
        "hero": decision("<h1>Welcome back</h1>"),
        "greeting": decision(text="<b> & co"),
        "cta": decision(attr={"href": '/talk?a="1"', "class": "big", "onclick": "x()", "title": "t"}),
    }
    page = await read(browser, f"{address}/pricing?x=1")
    assert '<section data-kz-slot="hero"><h1>Welcome back</h1></section>' in page
    assert '<p data-kz-slot="greeting">&lt;b&gt; &amp; co</p>' in page
    assert '<a data-kz-slot="cta" href="/talk?a=&quot;1&quot;" class="big" title="t">Ask us</a>' in page
    assert 'data-site="demo" data-timeout="0"' in page
    asked = {
        "site": "demo",
        "url": f"{address}/pricing?x=1",
        "slots": ["hero", "greeting", "cta"],
        "lang": "en",
    }
    assert [{k: v for k, v in ask.items() if k != "v"} for ask in kizashi.asked] == [asked]


async def test_the_visitor_is_known_by_the_cookie(example: Example) -> None:
    address, kizashi, browser = example
    async with browser.get(address) as response:
        cookie = response.headers["Set-Cookie"]
    assert cookie.startswith(f"kz={TOKEN}; ")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    async with browser.get(address) as response:
        assert "Set-Cookie" not in response.headers
    assert [ask.get("v") for ask in kizashi.asked] == [None, TOKEN]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        "null",
        "[]",
        '{"v": 1}',
        '{"decisions": 5}',
        '{"v": "x.y", "decisions": {"hero": 5, "cta": {"attr": 7}}}',
    ],
)
async def test_without_an_answer_of_sense_the_originals(example: Example, answer: str | None) -> None:
    address, kizashi, browser = example
    kizashi.decisions = answer
    page = await read(browser, address)
    assert [original for original in ORIGINALS if original not in page] == []


@pytest.mark.parametrize("address_", ["javascript:alert(1)", " java\tscript:alert(1)", "JAVASCRIPT:x"])
async def test_no_script_as_an_address(example: Example, address_: str) -> None:
    address, kizashi, browser = example
    kizashi.decisions = {"cta": decision(attr={"href": address_})}
    assert ORIGINALS[2] in await read(browser, address)


async def test_a_redirect_is_followed_once(example: Example) -> None:
    address, kizashi, browser = example
    kizashi.decisions = {"hero": decision(redirect="/landing")}
    async with browser.get(address, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, f"{address}/landing")
    page = await read(browser, f"{address}/landing")
    assert [original for original in ORIGINALS if original not in page] == []
    assert ORIGINALS[0] in await read(browser, f"{address}/")


@pytest.mark.parametrize("target", ["javascript:alert(1)", "ftp://x.example/", "//", 5])
async def test_where_a_redirect_may_not_lead(example: Example, target: Any) -> None:
    address, kizashi, browser = example
    kizashi.decisions = {"hero": decision(redirect=target)}
    assert ORIGINALS[0] in await read(browser, f"{address}/")
