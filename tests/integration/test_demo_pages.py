"""The demo's pages over a real socket, with the reader in memory that ships with them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from personalization.templates import compile_template
from server.assets import add_assets
from server.demo import add_demo
from server.demo_fake import FakeDemoReader
from sites.check import check_text

ROOT = Path(__file__).parents[2] / "examples" / "demo"
SLUGS = ("minato-seiki", "hikari-foods", "shinonome")
WEBSITE = [
    *("/demo/", "/demo/product", "/demo/cases", "/demo/pricing", "/demo/whitepaper", "/demo/newsletter"),
    *("/demo/contact", "/demo/newsletter?thanks=1", *(f"/demo/cases/{slug}" for slug in SLUGS)),
]
PAGES = [*WEBSITE, "/demo/live", "/demo/slack"]
VOID = {"meta", "link", "img", "input", "hr", "br", "source", "area"}
SVG_EMPTY = {"path", "rect", "circle"}
AT = "2026-11-22T03:00:00.000Z"

Client = TestClient[web.Request, web.Application]


class Page(HTMLParser):
    """Tags that do not match, addresses, attributes and the language of one page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.wrong: list[str] = []
        self.addresses: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.lang = ""
        self.inline = False
        self.feed(html)
        self.close()
        self.wrong += self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.lang = values["lang"] if tag == "html" else self.lang
        self.addresses += [values[name] for name in ("href", "src", "action") if name in values]
        self.attributes += list(values.items())
        self.inline |= tag == "style" or (tag == "script" and "src" not in values)
        self.inline |= any(name == "style" or name.startswith("on") for name in values)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in SVG_EMPTY | VOID:
            self.wrong.append(f"<{tag}/>")
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.wrong.append(f"</{tag}>")


@pytest.fixture
def reader() -> FakeDemoReader:
    return FakeDemoReader()


@pytest.fixture
async def client(reader: FakeDemoReader) -> AsyncIterator[Client]:
    app = web.Application()
    add_demo(app, root=ROOT, reader=reader)
    add_assets(app)
    async with TestClient(TestServer(app)) as made:
        yield made


def person(score: float = 53, **changes: Any) -> dict[str, Any]:
    ledger = [{"event": "e1", "rule": "whitepaper", "rule_version": 1, "points": 30, "at": AT}]
    return {
        "id": "v1",
        "lead": None,
        "score": score,
        "intent": "high",
        "session_count": 1,
        "page_count": 1,
        "engaged_ms": 12_345,
        "audiences": ["first_time"],
        "ledger": ledger,
        "topics": {"pricing": {"views": 2, "engaged_ms": 9000}},
        "events": {},
        "sessions": [],
        "traits": {"company": "<b>Evil</b>"},
        "pages": [{"path": "/demo/", "title": "<i>t</i>", "topic": "", "engaged_ms": 5000, "at": AT}],
        **changes,
    }


def alert(
    name: str = "a1", *, visitor: str = "v1", channel: str = "#hot-leads", text: str = "hi"
) -> dict[str, Any]:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]
    return {
        "id": name,
        "rule": "whitepaper",
        "visitor": visitor,
        "state": "sent",
        "why": "",
        "at": AT,
        "sent_at": AT,
        "channel": channel,
        "message": {"text": text, "blocks": blocks},
    }


async def page(client: Client, path: str, **headers: str) -> Page:
    response = await client.get(path, headers=headers)
    assert response.status == 200
    return Page(await response.text())


@pytest.mark.parametrize("lang", ["ja", "en"])
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_in_both_languages(
    client: Client, reader: FakeDemoReader, path: str, lang: str
) -> None:
    reader.outbox = [alert()]
    shown = await page(client, path, **{"Accept-Language": lang})
    assert shown.lang == lang
    assert shown.wrong == []
    assert not shown.inline
    local = [urlsplit(address) for address in shown.addresses]
    assert [url.geturl() for url in local if url.scheme or url.netloc] == []


@pytest.mark.parametrize("path", WEBSITE)
async def test_website_pages_carry_the_snippet_and_one_cta(client: Client, path: str) -> None:
    shown = await page(client, path)
    assert "/kizashi.js" in shown.addresses
    assert ("data-site", "demo") in shown.attributes
    assert shown.attributes.count(("data-kz-slot", "cta")) == 1
    assert shown.attributes.count(("data-kz-slot", "hero")) == (path == "/demo/")


@pytest.mark.parametrize("lang", ["ja", "en"])
async def test_every_link_leads_somewhere(client: Client, lang: str) -> None:
    todo, seen = ["/demo/", "/demo/live", "/demo/slack"], set[str]()
    while todo:
        path = todo.pop()
        response = await client.get(path, headers={"Accept-Language": lang})
        assert response.status == 200, path
        if response.content_type == "text/html":
            found = {address.split("#")[0] for address in Page(await response.text()).addresses}
            fresh = {path.split("?lang=")[0] for path in found} - seen - {"", "/kizashi.js", "/demo/forget"}
            seen |= fresh
            todo += fresh
    assert {f"/demo/cases/{slug}" for slug in SLUGS} < seen
    assert "/demo/files/whitepaper.pdf" in seen


async def test_the_download_is_an_event_and_a_pdf(client: Client) -> None:
    shown = await page(client, "/demo/whitepaper")
    assert ("data-kz-event", "whitepaper_download") in shown.attributes
    files = []
    for lang in ("ja", "en"):
        response = await client.get("/demo/files/whitepaper.pdf", headers={"Accept-Language": lang})
        files.append(await response.read())
        assert response.content_type == "application/pdf"
    assert all(file.startswith(b"%PDF-") and file.rstrip().endswith(b"%%EOF") for file in files)
    assert files[0] != files[1]


async def test_the_form_names_its_traits(client: Client) -> None:
    shown = await page(client, "/demo/newsletter")
    traits = {value for name, value in shown.attributes if name == "data-kz-trait"}
    assert traits == {"email", "name", "company", "title"}
    response = await client.post("/demo/newsletter", data={"email": "a@example.test"}, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/demo/newsletter?thanks=1")


@pytest.mark.parametrize(
    ("query", "cookie", "accept", "lang"),
    [
        ("", None, "", "ja"),
        ("", None, "fr,de;q=0.8", "ja"),
        ("", None, "en-US,ja;q=0.5", "en"),
        ("", None, "fr, ja;q=0.4, en;q=0.9", "en"),
        ("", None, "en;q=x", "ja"),
        ("", "en", "ja", "en"),
        ("?lang=ja", "en", "en", "ja"),
        ("?lang=xx", None, "en", "en"),
    ],
)
async def test_language(client: Client, query: str, cookie: str | None, accept: str, lang: str) -> None:
    headers = {"Accept-Language": accept} | ({"Cookie": f"demo_lang={cookie}"} if cookie else {})
    response = await client.get(f"/demo/{query}", headers=headers)
    assert Page(await response.text()).lang == lang
    assert ("demo_lang" in response.cookies) is (query == "?lang=ja")


@pytest.mark.parametrize(
    ("headers", "shown"),
    [({}, True), ({"Sec-Fetch-Dest": "iframe"}, False), ({"Cookie": "demo_bar=off"}, False)],
)
async def test_the_bar_is_outside_the_frame_and_can_be_dismissed(
    client: Client, headers: dict[str, str], shown: bool
) -> None:
    response = await client.get("/demo/", headers=headers)
    assert ('href="/demo/live"' in await response.text()) is shown


@pytest.mark.parametrize(
    ("path", "cache"), [("/demo/", "no-cache"), ("/demo/live", "no-store"), ("/demo/slack", "no-store")]
)
async def test_headers(client: Client, path: str, cache: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["Cache-Control"] == f"private, {cache}"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path", [*PAGES, "/demo", "/demo/live/events", "/demo/slack/events", "/demo/static/demo.css"]
)
async def test_nothing_exists_while_unpublished(client: Client, reader: FakeDemoReader, path: str) -> None:
    reader.is_published = False
    assert (await client.get(path, allow_redirects=False)).status == 404
    assert (await client.post("/demo/forget")).status == 404
    assert (await client.get("/static/tokens.css")).status == 200


@pytest.mark.parametrize(
    "path", ["/demo/cases/none", "/demo/static/../site.yaml", "/demo/static/%2e%2e%2fsite.yaml", "/demo/none"]
)
async def test_other_addresses_are_404(client: Client, path: str) -> None:
    assert (await client.get(path)).status == 404


async def test_forget_expires_the_cookie(client: Client) -> None:
    response = await client.post("/demo/forget", headers={"Sec-Fetch-Mode": "cors"})
    assert response.status == 204
    assert response.cookies["kz"]["max-age"] == "0"
    by_form = await client.post("/demo/forget", allow_redirects=False)
    assert (by_form.status, by_form.headers["Location"]) == (303, "/demo/live")
    assert by_form.cookies["kz"]["max-age"] == "0"
    foreign = await client.post("/demo/forget", headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status == 403


async def frames(
    session: Client | ClientSession, path: str, **headers: str
) -> AsyncIterator[tuple[str, Any]]:
    """The events of one stream, as (name, data)."""
    async with session.get(path, headers=headers) as response:
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "private, no-store"
        name = ""
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))


async def test_live_events_send_changes_of_the_own_visitor_only(
    client: Client, reader: FakeDemoReader
) -> None:
    reader.people = {"v1": person(score=30), "v2": person(score=99)}
    reader.outbox = [alert("other", visitor="v2", text="not yours")]
    async with asyncio.timeout(30):
        stream = frames(client, "/demo/live/events?lang=en", Cookie="kz=v1.signature")
        name, visitor = await anext(stream)
        assert (name, visitor["score"], visitor["steps"]) == ("visitor", "30", [False, True, False])
        assert "Downloaded the whitepaper" in visitor["html"]
        assert "&lt;b&gt;Evil" in visitor["html"]
        assert "<b>Evil" not in visitor["html"]
        name, alerts = await anext(stream)
        assert name == "alerts"
        assert "not yours" not in alerts["html"]
        reader.outbox = [alert(text="*for you*"), *reader.outbox]
        changed = [await anext(stream), await anext(stream)]
        assert {one for one, _ in changed} == {"visitor", "alerts"}
        assert "<strong>for you</strong>" in dict(changed)["alerts"]["html"]
        assert dict(changed)["visitor"]["steps"] == [False, True, True]


async def test_live_parts_add_up_to_the_score(client: Client, reader: FakeDemoReader) -> None:
    reader.people = {"v1": person(score=28.5)}
    async with asyncio.timeout(30):
        _, visitor = await anext(frames(client, "/demo/live/events?lang=en", Cookie="kz=v1.s"))
    assert "+30" in visitor["html"]
    assert "−1.5" in visitor["html"]


async def test_live_events_end_soon_without_a_visitor(client: Client, reader: FakeDemoReader) -> None:
    reader.outbox = [alert(text="someone else")]
    async with asyncio.timeout(30):
        got = [one async for one in frames(client, "/demo/live/events?lang=en")]
    assert [name for name, _ in got] == ["visitor", "alerts"]
    assert "Waiting for the first visit" in got[0][1]["html"]
    assert "someone else" not in got[1][1]["html"]


async def test_slack_events_send_changes(client: Client, reader: FakeDemoReader) -> None:
    async with asyncio.timeout(30):
        stream = frames(client, "/demo/slack/events?lang=en")
        _, first = await anext(stream)
        assert "No alerts yet" in first["html"]
        reader.outbox = [alert("new", text="second"), alert("old", text="first"), alert("x", channel="#ops")]
        _, then = await anext(stream)
    assert then["html"].index("first") < then["html"].index("second")
    assert "/demo/slack?channel=ops" in then["channels"]


async def test_a_failing_reader_ends_the_stream_without_an_error(reader: FakeDemoReader) -> None:
    class Failing(FakeDemoReader):
        async def alerts(self, limit: int) -> list[dict[str, Any]]:
            raise ConnectionError("the store is away")

    app = web.Application()
    add_demo(app, root=ROOT, reader=Failing())
    add_assets(app)
    async with TestClient(TestServer(app)) as client, asyncio.timeout(30):
        response = await client.get("/demo/slack/events")
        assert response.status == 200
        assert await response.read() == b"retry: 600\n\n"


async def test_streams_end_when_the_application_shuts_down(reader: FakeDemoReader) -> None:
    app = web.Application()
    add_demo(app, root=ROOT, reader=reader)
    add_assets(app)
    runner = web.AppRunner(app, shutdown_timeout=60)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    url = f"http://127.0.0.1:{port}/demo/slack/events?lang=en"
    async with asyncio.timeout(30), ClientSession() as session, session.get(url) as response:
        assert (await response.content.readline()).startswith(b"retry")
        await runner.cleanup()
        assert b"No alerts yet" in await response.read()


def keys(tree: Any, at: str = "") -> set[str]:
    """Every path through a tree of texts."""
    if isinstance(tree, dict):
        return {at} | {key for name, value in tree.items() for key in keys(value, f"{at}.{name}")}
    if isinstance(tree, list):
        return {at} | {key for i, value in enumerate(tree) for key in keys(value, f"{at}[{i}]")}
    assert isinstance(tree, str | bool), at
    return {at}


def test_both_languages_say_the_same_things() -> None:
    texts = [yaml.safe_load((ROOT / "content" / f"{lang}.yaml").read_text()) for lang in ("ja", "en")]
    assert keys(texts[0]) == keys(texts[1])


def site() -> Any:
    return yaml.safe_load((ROOT / "site.yaml").read_text())


def test_the_site_file_is_right_and_has_words_for_everything() -> None:
    assert not isinstance(check_text((ROOT / "site.yaml").read_text()), list)
    for lang in ("ja", "en"):
        labels = yaml.safe_load((ROOT / "content" / f"{lang}.yaml").read_text())["labels"]
        assert {rule["id"] for rule in site()["scoring"]["rules"]} <= set(labels["rules"])
        assert set(site()["audiences"]) <= set(labels["audiences"])
        assert {topic["topic"] for topic in site()["topics"]} <= set(labels["topics"])


@pytest.mark.parametrize("lang", ["ja", "en"])
async def test_every_variant_renders_and_its_links_resolve(client: Client, lang: str) -> None:
    variants = [v for e in site()["experiences"] for choice in e["choose"] for v in choice["variants"]]
    assert len(variants) == 6
    for variant in variants:
        render = compile_template(variant["template"], default_locale="ja")
        shown = Page(render({"locale": lang, "traits": {"name": "<i>", "company": "Minato"}}))
        assert shown.wrong == []
        assert not shown.inline
        assert shown.addresses
        for address in shown.addresses:
            assert (await client.get(address)).status == 200, address
