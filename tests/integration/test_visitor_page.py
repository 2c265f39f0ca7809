"""The visitor page over a real socket, on a real Valkey with what the worker's own `step` makes of events."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from redis.asyncio import Redis

from alerts.outbox import enqueue_commands
from core.events import Event
from core.profiles import Profile
from server import state
from server.app import make_app
from server.config import Settings
from server.visitor_conditions import reasons
from sites.registry import publish
from storage import keys
from storage.profiles import Position, pack, pack_entries
from streams.pipeline import step
from tests import factories
from tests.processes import until
from tests.sites import DEMO

SECRET = "test-secret-key"
VISITOR = "0123456789abcdef0123456789abcdef"
DAY_S = 86_400
ALERTS_SAY = 'instruction: {en: "Call them today", ja: "今日電話を"}'
LABEL = 'label: {en: "downloads", ja: "資料請求"}'
SITE = DEMO.replace("cooldown: 30m}", f"cooldown: 30m, {ALERTS_SAY}}}").replace(
    "{id: whitepaper, on: whitepaper_download, points",
    f"{{id: whitepaper, {LABEL}, on: whitepaper_download, points",
)
FADING = SITE.replace("scoring:\n", "scoring:\n  half_life: 30d\n")
SCRIPT = "<script>alert(1)</script>"
BIDI = "a\u202eb\u2066c\u200fd"

Client = TestClient[web.Request, web.Application]


class Page(HTMLParser):
    """The page's parts that tests ask for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.lang = ""
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self._cell = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.lang = dict(attrs).get("lang") or "" if tag == "html" else self.lang
        if tag == "tr":
            self.rows.append([])
        self._cell = tag in ("th", "td")

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())
            if self._cell:
                self.rows[-1].append(data.strip())

    @property
    def text(self) -> str:
        """Everything a reader sees, in one line."""
        return re.sub(r"\s+([:)])|([(])\s+", r"\1\2", " ".join(self.texts))

    @property
    def points(self) -> list[float]:
        """The addends of the score, then the score, as shown."""
        return [float(row[-1].replace("−", "-")) for row in self.rows if re.search(r"\d", row[-1])]


@pytest.fixture
async def client(redis: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    await publish(redis, SITE, now=1)
    settings = Settings(redis_url=redis_url, data_dir=tmp_path, secret_key=SECRET, admin_token="admin-token")
    app = make_app(settings)
    async with TestClient(TestServer(app)) as made:
        yield made


def event(kind: str, path: str = "/", *, ago_s: float = 60, **fields: Any) -> Event:
    """An event of the visitor some seconds ago."""
    at = int((time.time() - ago_s) * 1000)
    made = factories.event(kind, at=at, url=f"https://example.com{path}", **fields)
    return Event(**{name: getattr(made, name) for name in made.__struct_fields__} | {"visitor": VISITOR})


async def happen(app: web.Application, *events: Event, before: Profile | None = None) -> Profile:
    """Store what the worker would have stored after these events."""
    redis, site, profile = app[state.REDIS], app[state.REGISTRY].get("demo"), before
    assert site is not None
    for one in events:
        outcome = step(profile, one, one.received_at, site)
        profile = outcome.profile
        for entry in outcome.entries:
            await redis.rpush(keys.ledger("demo", VISITOR), pack_entries([entry]))
        for alert in outcome.alerts:
            for command in enqueue_commands(alert):
                await redis.execute_command(*command)
    assert profile is not None
    await redis.set(keys.profile("demo", VISITOR), pack(Position(epoch="e", partition=0, offset=1), profile))
    return profile


def visit() -> list[Event]:
    """A visitor who read pricing, told a name and downloaded the whitepaper."""
    return [
        event("page", "/", ago_s=300, title="Top", ref="https://www.google.com/"),
        event("page", "/pricing", ago_s=280, title="Pricing & plans"),
        event("engage", "/pricing", ago_s=200, props={"engaged_ms": 61_000}),
        event("identify", ago_s=190, props={"name": "Ann Lee", "title": "CEO", "email": "ann@acme.example"}),
        event("whitepaper_download", "/pricing", ago_s=100),
    ]


def address(client: Client, visitor: str = VISITOR, **query: str) -> str:
    key = client.app[state.LINKS].key("demo", visitor)  # type: ignore[union-attr]
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return f"/visitors/demo/{visitor}?k={key}{more}"


async def shown(client: Client, **query: str) -> Page:
    response = await client.get(address(client, **query))
    assert response.status == 200
    return Page(await response.text())


async def test_the_page_tells_who_how_hot_why_and_what_to_do(client: Client) -> None:
    await happen(client.app, *visit())  # type: ignore[arg-type]
    text = (await shown(client)).text
    for said in (
        *("Ann Lee", "CEO", "acme.example", "ann@acme.example", "52", "High intent", "Call them today"),
        *(
            "Downloads",
            "Pricing dwell",
            "Pricing & plans",
            "1 min 1 s",
            "search (www.google.com)",
            "Talk to us, Ann Lee",
        ),
        *("Downloaded a whitepaper", "because they are in “High intent”", "On its way", "#hot-leads"),
    ):
        assert said in text, said
    # The one audience they are not in: what was found, and what it needs.
    assert "Returning visits: 1 (needs: at least 2)" in text


@pytest.mark.parametrize("file", [SITE, FADING], ids=["plain", "half-life"])
async def test_the_parts_shown_sum_to_the_score(client: Client, redis: Redis, file: str) -> None:
    revision = await publish(redis, file, now=2)
    app: web.Application = client.app  # type: ignore[assignment]

    async def live() -> bool:
        return app[state.REGISTRY].sites["demo"].revision == revision.number

    await until(live)
    await happen(app, *visit()[:3], event("page", "/a", ago_s=20 * DAY_S), *visit()[3:])
    *parts, score = (await shown(client)).points
    assert len(parts) == 3
    assert sum(parts) == pytest.approx(score)
    view = await client.get("/v1/admin/sites/demo/visitors/" + VISITOR, headers=bearer())
    assert score == pytest.approx((await view.json())["score"], abs=0.06)


FACTS = {"session_count": 1, "intent": "low", "traits": {"title": "CEO"}, "events": {}}
REASONS = [
    ({"session_count": {"$gte": 2}, "intent": "low"}, "en", [("visits", "1", "at least 2")]),
    ({"session_count": {"$gte": 2}}, "ja", [("訪問回数", "1", "2以上")]),
    ({"intent": "low"}, "ja", [("購買意欲", "低", "低")]),
    (
        {"$or": [{"session_count": 2}, {"$and": [{"traits.title": "CEO"}, {"intent": "high"}]}]},
        "en",
        [("visits", "1", "2"), ("intent", "low", "high")],
    ),
    ({"$not": {"traits.title": {"$regex": "CEO"}}}, "en", [("title", "CEO", "anything but matching CEO")]),
    (
        {"events.demo_request.count": {"$gt": 0}},
        "en",
        [("times of “Demo request”", "0", "more than 0")],
    ),
    ({"traits.phone": {"$exists": True}}, "ja", [("電話", "なし", "あり")]),
]


@pytest.mark.parametrize(("condition", "lang", "told"), REASONS)
def test_why_in_an_audience_or_not(condition: dict[str, Any], lang: str, told: list[tuple[str, ...]]) -> None:
    assert [tuple(row.values()) for row in reasons(condition, FACTS, lang)] == told


def bearer() -> dict[str, str]:
    return {"Authorization": "Bearer admin-token"}


@pytest.mark.parametrize(
    ("lang", "told"),
    [
        ("en", ("Why this score", "High intent", "Point by point", "Not in, and why")),
        (
            "ja",
            (
                "このスコアの理由",
                "購買意欲 高",
                "一件ごとの記録",
                "入っていない理由",
                "Ann Lee 様",
                "訪問1回",
            ),
        ),
    ],
)
async def test_both_languages(client: Client, lang: str, told: tuple[str, ...]) -> None:
    await happen(client.app, *visit())  # type: ignore[arg-type]
    page = await shown(client, lang=lang)
    assert page.lang == lang
    assert [one for one in told if one not in page.text] == []
    assert (await shown(client)).lang == "en"


async def test_a_stranger_has_a_short_id_and_nothing_else(client: Client) -> None:
    await happen(client.app, event("page"))  # type: ignore[arg-type]
    page = await shown(client)
    assert f"Anonymous visitor {VISITOR[:8]}" in page.text
    assert not any(value.startswith(("mailto:", "tel:")) for _, value in page.attributes)


def aged(days: float) -> str:
    """A key as it was made so many days ago."""

    class Then(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(time.time() - days * DAY_S)

    return str(URLSafeTimedSerializer(SECRET, salt="kizashi.link", signer=Then).dumps(["demo", VISITOR]))


def tampered(key: str) -> str:
    """The key with one letter of what it says changed."""
    return ("A" if key[0] != "A" else "B") + key[1:]


KEYS: dict[str, Callable[[web.Application], str | None]] = {
    "missing": lambda app: None,
    "empty": lambda app: "",
    "not ours": lambda app: "é" * 100,
    "tampered": lambda app: tampered(app[state.LINKS].key("demo", VISITOR)),
    "cut off": lambda app: app[state.LINKS].key("demo", VISITOR)[:-1],
    "other visitor": lambda app: app[state.LINKS].key("demo", "another"),
    "other site": lambda app: app[state.LINKS].key("shop", VISITOR),
    "visitor token": lambda app: app[state.TOKENS].sign(VISITOR),
    "expired": lambda app: aged(91),
}


@pytest.mark.parametrize("tail", ["", "/events"])
@pytest.mark.parametrize("name", KEYS)
async def test_a_wrong_key_tells_nothing(client: Client, name: str, tail: str) -> None:
    app: web.Application = client.app  # type: ignore[assignment]
    key = KEYS[name](app)
    query = {} if key is None else {"k": key}

    async def ask(site: str = "demo") -> tuple[int, str]:
        response = await client.get(f"/visitors/{site}/{VISITOR}{tail}", params=query)
        assert_closed(response)
        return response.status, await response.text()

    unknown = await ask()
    await happen(app, *visit())
    assert await ask() == unknown
    assert unknown[0] == 403
    assert "This link does not open" in unknown[1]
    assert "このリンクでは開けません" in unknown[1]
    if name != "other site":
        assert await ask("nowhere") == unknown


async def test_a_key_opens_until_its_ninety_days_are_over(client: Client) -> None:
    await happen(client.app, event("page"))  # type: ignore[arg-type]
    assert (await client.get(f"/visitors/demo/{VISITOR}?k={aged(89)}")).status == 200


async def test_the_link_in_an_alert_opens_the_page(client: Client) -> None:
    app: web.Application = client.app  # type: ignore[assignment]
    await happen(app, *visit())
    alert = (await app[state.OUTBOX].recent("demo", 1, messages=True))[0]
    link = re.search(r'"url": "http://[^/]+(/visitors/[^"]+)', json.dumps(alert["message"]["blocks"]))
    assert link
    response = await client.get(link[1].replace("&amp;", "&"))
    assert response.status == 200
    assert "Ann Lee" in await response.text()


async def test_an_erased_visitor_is_a_404_in_words(client: Client) -> None:
    response = await client.get(address(client))
    assert response.status == 404
    assert_closed(response)
    assert "not here any more" in await response.text()
    assert (await client.get(address(client, "never-there"))).status == 404


def assert_closed(response: ClientResponse) -> None:
    """The headers that keep a page with personal data from leaking."""
    headers = response.headers
    assert headers["Content-Type"].startswith("text/html")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "private, no-store"
    assert "noindex" in headers["X-Robots-Tag"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = [part.strip() for part in headers["Content-Security-Policy"].split(";")]
    assert {"default-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert "Set-Cookie" not in headers


async def test_headers_and_no_inline_code(client: Client) -> None:
    await happen(client.app, *visit())  # type: ignore[arg-type]
    response = await client.get(address(client))
    assert_closed(response)
    page = Page(await response.text())
    assert not any(name == "style" or name.startswith("on") for name, _ in page.attributes)
    files = [value for name, value in page.attributes if name in ("href", "src") and "/static/" in value]
    assert len(set(files)) == 4
    for file in files:
        assert (await client.get(file)).status == 200


async def test_what_a_visitor_supplies_is_inert(client: Client) -> None:
    hostile = {
        "name": SCRIPT + "長" * 4_000,
        "title": BIDI,
        "company": {"name": SCRIPT},
        "email": "a@b.example?bcc=x@y.example",
        "phone": "javascript:alert(1)",
    }
    await happen(
        client.app,  # type: ignore[arg-type]
        event(
            "page", f"/?utm_campaign={SCRIPT}", ago_s=90, title=SCRIPT, ref=f"https://evil.example/{SCRIPT}"
        ),
        event("page", "/pricing?utm_source=%22%3E%3Cimg%20src=x%3E", ago_s=80, title=BIDI * 50),
        event("identify", ago_s=70, props=hostile),
        event("whitepaper_download", ago_s=60, props={"title": SCRIPT}),
    )
    for lang in ("en", "ja"):
        response = await client.get(address(client, lang=lang))
        html = await response.text()
        page = Page(html)
        assert response.status == 200
        assert page.tags.count("script") == 1
        assert page.tags.count("img") == 1
        assert SCRIPT not in html
        assert "&lt;script&gt;" in html
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f]", html)
        assert "abcd" in page.text
        assert not any(value.startswith(("javascript:", "mailto:", "tel:")) for _, value in page.attributes)


async def frame(response: ClientResponse) -> tuple[str, Any]:
    """The next event of a stream: its name and data."""
    name = ""
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            return name, json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


async def test_the_stream_pushes_what_changes_until_the_visitor_is_erased(client: Client) -> None:
    app: web.Application = client.app  # type: ignore[assignment]
    before = await happen(app, event("page", ago_s=20))
    page = await shown(client)
    async with asyncio.timeout(60), client.get(address(client).replace("?", "/events?")) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        name, first = await frame(response)
        assert (name, first["title"][:1]) == ("visitor", "1")
        assert ("data-revision", first["revision"]) in page.attributes
        await happen(app, event("whitepaper_download", ago_s=10), before=before)
        name, second = await frame(response)
        assert second["title"].startswith("31 ")
        assert "Downloaded a whitepaper" in second["html"]
        assert second["revision"] != first["revision"]
        await app[state.REDIS].delete(keys.profile("demo", VISITOR))
        assert await frame(response) == ("gone", True)


async def test_a_store_that_is_away_is_a_page_in_words(tmp_path: Path) -> None:
    settings = Settings(
        redis_url=f"unix://{tmp_path}/nobody.sock",
        data_dir=tmp_path,
        secret_key=SECRET,
        admin_token="admin-token",
    )
    app = make_app(settings)
    async with TestClient(TestServer(app)) as client:
        response = await client.get(address(client))
        assert response.status == 503
        assert_closed(response)
        assert "One moment, please" in await response.text()
