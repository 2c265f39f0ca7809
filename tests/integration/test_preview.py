"""Previews over HTTP and a real store: what is shown, to whom, and that nothing of it is recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from click.testing import CliRunner, Result
from yarl import URL

from cli.main import main
from server.preview_links import PreviewLinks
from sites.registry import publish
from tests.processes import ADMIN_TOKEN, until
from tests.shop import ORIGIN, Shop, opened
from tests.sites import DEMO

HELD = DEMO.replace("slot: hero\n", "slot: hero\n    holdout: 1\n    from: 2099-01-01\n")
PAGE = {"id": "page-1", "type": "page", "url": f"{ORIGIN}/pricing/erp", "props": {}}
TALK = "<h1>Talk to us, friend</h1>"


@pytest.fixture
async def shop(redis_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with opened(redis_url, tmp_path) as made:
        yield made


async def create(shop: Shop, *, status: int = 201, site: str = "demo", **ask: Any) -> dict[str, Any]:
    """Make a link as the admin API does."""
    bearer = f"Bearer {ADMIN_TOKEN}"
    return await shop.post(f"/v1/admin/sites/{site}/previews", ask, status=status, Authorization=bearer)


async def follow(shop: Shop, url: str) -> tuple[int, str, str]:
    """Open a link: status, the page where it leads, the cookie's line."""
    status, to, cookie = await lead(shop, url)
    return status, to.partition("#kz_preview=")[0], cookie


async def lead(shop: Shop, url: str) -> tuple[int, str, str]:
    """The same, the address as it is."""
    parts = urlsplit(url)
    local = URL(f"http://127.0.0.1:{shop.server.port}{parts.path}?{parts.query}", encoded=True)
    async with shop.http.get(local, allow_redirects=False) as answer:
        assert answer.headers["Cache-Control"] == "private, no-store"
        return answer.status, answer.headers.get("Location", ""), answer.headers.get("Set-Cookie", "")


async def preview(shop: Shop, **ask: Any) -> None:
    """Begin a preview in the shop's browser."""
    assert (await follow(shop, (await create(shop, **ask))["url"]))[0] == 303


async def recorded(shop: Shop) -> list[bytes]:
    """Every key but those of what is published."""
    found = [key async for key in shop.redis.scan_iter("*")]
    return sorted(key for key in found if not key.startswith((b"kz:site", b"kz:t:events:epoch")))


async def test_an_audiences_preview_shows_and_records_nothing(shop: Shop) -> None:
    made = await create(shop, audiences=["high_intent"])
    assert made["as"] == "audience high_intent"
    status, to, cookie = await follow(shop, made["url"])
    assert (status, to) == (303, f"{ORIGIN}/")
    morsel = SimpleCookie(cookie)["kz_preview"]
    assert (morsel["httponly"], morsel["samesite"], morsel["secure"], morsel["path"]) == (
        True,
        "Lax",
        "",
        "/",
    )
    assert 3_590 <= int(morsel["max-age"]) <= 3_600
    before = await recorded(shop)
    for _ in range(3):
        answer = await shop.beacon(PAGE)
        assert answer["decisions"]["hero"]["html"] == TALK
        assert answer["preview"] == {"as": "audience high_intent", "until": made["until"], "notes": {}}
        assert answer["v"] == ""
        assert "live" not in answer
    assert await recorded(shop) == before
    cookies = {cookie.key for cookie in shop.http.cookie_jar}
    assert cookies == {"kz_preview"}
    async with await shop.get(shop.url()) as response:
        assert response.status == 204


async def test_a_call_for_a_page_rendered_on_a_server_is_previewed_too(shop: Shop) -> None:
    await preview(shop, audiences=["returning"])
    answer = await shop.post(
        "/v1/decisions", {"site": "demo", "slots": ["hero"], "url": f"{ORIGIN}/"}, Origin=ORIGIN
    )
    assert answer["decisions"]["hero"]["html"] == "<h1>Results</h1>"
    assert answer["preview"]["as"] == "audience returning"


async def test_the_previewers_own_token_stays_what_it_was(shop: Shop) -> None:
    await preview(shop, audiences=["returning"])
    own = shop.token("marketer")
    assert (await shop.beacon(PAGE, v=own))["v"] == own
    assert (await shop.beacon(PAGE, v="marketer.forged"))["v"] == ""


async def test_a_browser_that_asks_not_to_be_tracked_can_preview(shop: Shop) -> None:
    await preview(shop, audiences=["returning"])
    body = {"site": "demo", "events": [PAGE], "slots": ["hero"]}
    answer = await shop.post("/v1/beacon", body, **{"Origin": ORIGIN, "Sec-GPC": "1"})
    assert answer["decisions"]["hero"]["html"] == "<h1>Results</h1>"


async def test_turning_it_off_ends_it(shop: Shop) -> None:
    await preview(shop, audiences=["high_intent"])
    off = f"/v1/preview?{urlencode({'off': '', 'to': ORIGIN + '/x'})}"
    status, to, _ = await follow(shop, off)
    assert (status, to) == (303, f"{ORIGIN}/x")
    answer = await shop.beacon(PAGE)
    assert "preview" not in answer
    assert answer["decisions"]["hero"]["html"] == "<h1>Welcome</h1>"
    assert answer["v"]
    for elsewhere in ("/v1/preview?off", "/v1/preview?off&to=http%3A%2F%2Fevil.example"):
        status, to, cookie = await follow(shop, elsewhere)
        assert (status, to) == (200, "")
        assert SimpleCookie(cookie)["kz_preview"]["max-age"] == "0"


async def test_a_visitors_preview_is_what_that_visitor_sees(shop: Shop) -> None:
    await shop.become("hanako", session_count=3, traits={"name": "花子"})
    stored = await recorded(shop)
    await preview(shop, visitor="hanako")
    answer = await shop.beacon({**PAGE, "type": "track", "name": "whitepaper_download"}, v=shop.token("taro"))
    assert answer["decisions"]["hero"]["html"] == "<h1>Results</h1>"
    assert answer["preview"]["as"] == "visitor hanako"
    assert await recorded(shop) == stored


async def test_who_is_held_out_is_shown_as_held_out(redis_url: str, tmp_path: Path) -> None:
    site = DEMO.replace("slot: hero\n", "slot: hero\n    holdout: 1\n")
    async with opened(redis_url, tmp_path, site) as shop:
        await shop.become("hanako")
        await preview(shop, visitor="hanako")
        answer = await shop.beacon(PAGE)
        assert answer["decisions"] == {"hero": None}
        assert "held out" in answer["preview"]["notes"]["hero"]
        await preview(shop, audiences=["first_time"])
        assert (await shop.beacon(PAGE))["decisions"]["hero"]["html"] == "<h1>Welcome</h1>"


async def test_what_has_not_begun_can_be_seen_before(redis_url: str, tmp_path: Path) -> None:
    async with opened(redis_url, tmp_path, HELD) as shop:
        await preview(shop, audiences=["first_time"])
        answer = await shop.beacon(PAGE)
        assert answer["decisions"] == {"hero": None}
        assert answer["preview"]["notes"] == {"hero": "top-hero has not begun"}
        await preview(shop, audiences=["first_time"], at="2099-01-01")
        assert (await shop.beacon(PAGE))["decisions"]["hero"]["html"] == "<h1>Welcome</h1>"


TWO = DEMO.replace(
    '[{id: image, template: "<h1>Welcome</h1>"}]',
    '[{id: image, template: "<h1>Welcome</h1>"}, {id: film, template: "<h1>{{ page.topic }}</h1>"}]',
)


async def test_each_variant_can_be_seen_on_the_page_that_asks(redis_url: str, tmp_path: Path) -> None:
    async with opened(redis_url, tmp_path, TWO) as shop:
        for variant, html in (("image", "<h1>Welcome</h1>"), ("film", "<h1>pricing</h1>")):
            await preview(shop, audiences=["first_time"], variants={"top-hero": variant})
            answer = await shop.beacon(PAGE)
            assert answer["decisions"]["hero"]["html"] == html
            assert answer["preview"]["as"] == f"audience first_time, variant {variant} of top-hero"


# Drafts

DRAFT = DEMO.replace("Welcome", "A draft").replace(
    "  high_intent: {intent: high}", "  high_intent: {intent: high}\n  everybody: {}"
)


async def test_a_draft_is_for_its_previewer_alone(shop: Shop) -> None:
    await preview(shop, draft=DRAFT)
    answer = await shop.beacon(PAGE)
    assert answer["decisions"]["hero"]["html"] == "<h1>A draft</h1>"
    assert answer["preview"]["as"] == "draft"
    keys = [key async for key in shop.redis.scan_iter("kz:site:demo:draft:*")]
    assert len(keys) == 1
    assert 86_000 < await shop.redis.ttl(keys[0]) <= 86_400
    shop.http.cookie_jar.clear()
    assert (await shop.beacon(PAGE))["decisions"]["hero"]["html"] == "<h1>Welcome</h1>"


async def test_a_draft_can_be_seen_as_its_own_audiences(shop: Shop) -> None:
    await create(shop, audiences=["everybody"], status=400)
    await preview(
        shop, draft=DRAFT.replace("audience: first_time", "audience: everybody"), audiences=["everybody"]
    )
    answer = await shop.beacon(PAGE)
    assert answer["decisions"]["hero"]["html"] == "<h1>A draft</h1>"
    assert answer["preview"]["as"] == "audience everybody, draft"


async def test_a_draft_that_is_gone_leaves_the_page_as_it_is(shop: Shop) -> None:
    await preview(shop, draft=DRAFT)
    async for key in shop.redis.scan_iter("kz:site:demo:draft:*"):
        await shop.redis.delete(key)
    answer = await shop.beacon(PAGE)
    assert answer["decisions"] == {"hero": None}
    assert answer["preview"]["notes"] == {"hero": "the draft is no longer there"}


async def test_a_drafts_mistakes_are_all_told(shop: Shop) -> None:
    wrong = DEMO.replace("points: 1}", "points: many}").replace("Asia/Tokyo", "Mars")
    answer = await create(shop, draft=wrong, status=400)
    assert answer["error"]["code"] == "bad_site_file"
    assert {one["field"] for one in answer["mistakes"]} == {"scoring.rules[0].points", "timezone"}
    assert all(one["line"] > 1 for one in answer["mistakes"])
    assert [key async for key in shop.redis.scan_iter("kz:site:demo:draft:*")] == []


# Who may not


@pytest.mark.parametrize(
    "to",
    [
        "http://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "https://shop.example/",
        "http://shop.example.evil.example/",
        "http://shop.example@evil.example/",
        "http://user@shop.example/",
        "http://shop.example\\@evil.example/",
        "http://shop.example:81/",
        "javascript:alert(1)",
        "http://shop.example/\r\nSet-Cookie: a=b",
        "/relative",
        "",
        "x" * 3_000,
    ],
)
async def test_no_link_leads_away_from_the_site(shop: Shop, to: str) -> None:
    made = await create(shop, audiences=["returning"])
    token = parse_qs(urlsplit(made["url"]).query)["t"][0]
    status, location, cookie = await follow(shop, f"/v1/preview?{urlencode({'t': token, 'to': to})}")
    assert (status, location, cookie) == (400, "", "")


@pytest.mark.parametrize("to", [f"{ORIGIN}/pricing?a=1#top", "HTTP://SHOP.example/x"])
async def test_a_link_may_begin_on_any_page_of_the_site(shop: Shop, to: str) -> None:
    made = await create(shop, audiences=["returning"], to=to)
    assert (await follow(shop, made["url"]))[:2] == (303, to)


async def test_a_path_is_one_of_the_sites_own(shop: Shop) -> None:
    made = await create(shop, audiences=["returning"], to="/pricing")
    assert (await follow(shop, made["url"]))[1] == f"{ORIGIN}/pricing"


async def test_a_link_that_is_forged_or_over_begins_nothing(shop: Shop) -> None:
    now = [1_000_000]
    links = PreviewLinks(public_url="http://kz.example", secret_key="another-secret-key")
    token = parse_qs(urlsplit((await create(shop, audiences=["returning"]))["url"]).query)["t"][0]
    ours = PreviewLinks(public_url="http://kz.example", secret_key="test-secret-key")
    preview = ours.read(token, now=now[0])
    assert preview is not None
    tokens = [
        "",
        "nonsense",
        token[:-1],
        "A" + token,
        "x" * 5_000,
        links.token(preview),
        ours.token(type(preview)(site="demo", until=2)),
        ours.token(type(preview)(site="nothing", until=2**52)),
    ]
    for one in tokens:
        status, to, cookie = await follow(shop, f"/v1/preview?{urlencode({'t': one, 'to': ORIGIN + '/'})}")
        assert (status, to, cookie) == (410, "", ""), one
        headers = {"Origin": ORIGIN, "Cookie": f"kz_preview={one}"}
        answer = await shop.post("/v1/beacon", {"site": "demo", "events": [], "slots": ["hero"]}, **headers)
        assert "preview" not in answer, one


async def test_a_preview_of_one_site_is_none_of_another(shop: Shop) -> None:
    other = DEMO.replace("site: demo", "site: other").replace("demo-write-key", "other-write-key")
    await publish(shop.redis, other, now=1)
    await preview(shop, audiences=["high_intent"])

    async def loaded() -> bool:
        async with shop.http.post(shop.server.make_url("/v1/beacon"), json={"site": "other"}) as answer:
            return answer.status == 200

    await until(loaded)
    answer = await shop.beacon(PAGE, site="other")
    assert "preview" not in answer
    assert answer["decisions"]["hero"]["html"] == "<h1>Welcome</h1>"


async def test_a_foreign_page_gets_no_preview(shop: Shop) -> None:
    await preview(shop, audiences=["high_intent"])
    body = {"site": "demo", "events": [PAGE], "slots": ["hero"]}
    answer = await shop.post("/v1/beacon", body, status=403, Origin="http://evil.example")
    assert answer["error"]["field"] == "origin"


WRONG = [
    ({"audiences": ["high_intnet"]}, 400, "audience"),
    ({"audiences": ["returning"], "visitor": "v"}, 400, "visitor"),
    ({"visitor": "nobody"}, 404, ""),
    ({"variants": {"top-heroo": "talk"}}, 400, "variant"),
    ({"variants": {"top-hero": "tlak"}}, 400, "variant"),
    ({"at": "soon"}, 400, "at"),
    ({"life": "2d"}, 400, "life"),
    ({"life": "soon"}, 400, "life"),
    ({"to": "http://evil.example"}, 400, "to"),
    ({"draft": DEMO.replace("site: demo", "site: other")}, 400, "draft"),
    ({"audience": "returning"}, 400, ""),
    ({"audiences": "returning"}, 400, "audiences"),
]


@pytest.mark.parametrize(("ask", "status", "where"), WRONG)
async def test_what_cannot_be_previewed_is_said(
    shop: Shop, ask: dict[str, Any], status: int, where: str
) -> None:
    assert (await create(shop, status=status, **ask))["error"]["field"] == where


async def test_links_are_for_the_admin_alone(shop: Shop) -> None:
    path, ask = "/v1/admin/sites/demo/previews", {"draft": DEMO}
    wrong = ("", "Bearer ", "Bearer wrong", f"Basic {ADMIN_TOKEN}", f"Bearer {ADMIN_TOKEN}x")
    answers = [await shop.post(path, ask, status=401, Authorization=one) for one in wrong]
    assert [(one["error"]["code"], one.get("url")) for one in answers] == [("unauthorized", None)] * len(
        wrong
    )
    assert (await create(shop, site="nothing", status=404))["error"]["code"] == "not_found"
    assert [key async for key in shop.redis.scan_iter("kz:site:*:draft:*")] == []
    assert (await create(shop, draft=DEMO))["as"] == "draft"
    assert len([key async for key in shop.redis.scan_iter("kz:site:demo:draft:*")]) == 1


async def test_over_https_the_cookie_reaches_other_sites_pages(redis_url: str, tmp_path: Path) -> None:
    async with opened(redis_url, tmp_path, KIZASHI_PUBLIC_URL="https://kz.example") as shop:
        made = await create(shop, audiences=["returning"])
        assert made["url"].startswith("https://kz.example/v1/preview?t=")
        _, _, cookie = await follow(shop, made["url"])
        morsel = SimpleCookie(cookie)["kz_preview"]
        assert (morsel["httponly"], morsel["samesite"], morsel["secure"]) == (True, "None", True)


# Where third-party cookies are blocked


async def handed(shop: Shop, url: str) -> str:
    """The preview that a link gives the page's tab, in a browser that keeps no cookie of it."""
    _, to, _ = await lead(shop, url)
    shop.http.cookie_jar.clear()
    return to.partition("#kz_preview=")[2]


async def test_a_tab_brings_its_preview_where_cookies_do_not_come_along(shop: Shop) -> None:
    tab = await handed(shop, (await create(shop, audiences=["high_intent"]))["url"])
    before = await recorded(shop)
    for page in ("/pricing", "/cases", "/"):
        answer = await shop.beacon({**PAGE, "url": f"{ORIGIN}{page}"}, preview=tab)
        assert answer["decisions"]["hero"]["html"] == TALK
        assert answer["preview"]["as"] == "audience high_intent"
    assert await recorded(shop) == before
    assert not list(shop.http.cookie_jar)


async def test_a_tabs_preview_goes_before_the_browsers(shop: Shop) -> None:
    tab = await handed(shop, (await create(shop, audiences=["high_intent"]))["url"])
    await preview(shop, audiences=["returning"])
    assert (await shop.beacon(PAGE, preview=tab))["preview"]["as"] == "audience high_intent"
    for over in ("off", "", None, "x" * 5_000):
        assert (await shop.beacon(PAGE, preview=over))["preview"]["as"] == "audience returning"


async def test_turning_it_off_tells_the_tab(shop: Shop) -> None:
    tab = await handed(shop, f"/v1/preview?{urlencode({'off': '', 'to': ORIGIN + '/x'})}")
    assert tab == "off"
    answer = await shop.beacon(PAGE, preview=tab)
    assert "preview" not in answer
    assert answer["decisions"]["hero"]["html"] == "<h1>Welcome</h1>"


@pytest.mark.parametrize(
    ("public", "to", "told"),
    [
        ("http://localhost:8080", f"{ORIGIN}/", True),
        ("http://localhost:8080", f"{ORIGIN}/a?b=c", True),
        ("http://localhost:8080", f"{ORIGIN}/#top", False),
        ("http://kz.shop.example", f"{ORIGIN}/", True),
        ("http://shop.example:8080", f"{ORIGIN}/", False),
    ],
)
def test_only_pages_of_another_host_are_told(public: str, to: str, told: bool) -> None:
    links = PreviewLinks(public_url=public, secret_key="test-secret-key")
    assert links.page(to, "token") == (f"{to}#kz_preview=token" if told else to)


# The command


def kizashi(*args: str | Path, **environ: str) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], env=environ)


async def test_the_command_prints_the_link(redis_url: str, tmp_path: Path) -> None:
    async with opened(redis_url, tmp_path) as shop:
        env = {
            "KIZASHI_REDIS_URL": redis_url,
            "KIZASHI_SECRET_KEY": "test-secret-key",
            "KIZASHI_DATA_DIR": str(tmp_path / "data"),
        }
        draft = tmp_path / "draft.yaml"
        draft.write_text(DRAFT, encoding="utf-8")
        result = await in_thread(
            "preview",
            "demo",
            "--draft",
            draft,
            "--audience",
            "everybody",
            "--variant",
            "top-hero=image",
            **env,
        )
        assert result.exit_code == 0, result.output
        assert result.stderr.startswith(
            "shows demo as audience everybody, draft, variant image of top-hero, until"
        )
        (link,) = result.stdout.split()
        assert link.startswith("http://localhost:8080/v1/preview?t=")
        assert (await follow(shop, link))[:2] == (303, f"{ORIGIN}/")
        assert (await shop.beacon(PAGE))["preview"]["as"].startswith("audience everybody, draft")
        for args, words in (
            (("--audience", "returnin"), "did you mean `returning`"),
            (("--variant", "top-hero"), "EXPERIENCE=VARIANT"),
            (("--visitor", "nobody"), "no visitor"),
            (("--for", "3d"), "at most 24h"),
        ):
            refused = await in_thread("preview", "demo", *args, **env)
            assert refused.exit_code != 0
            assert words in refused.output
        draft.write_text(DRAFT.replace("points: 1}", "points: many}"), encoding="utf-8")
        refused = await in_thread("preview", "demo", "--draft", draft, **env)
        assert refused.exit_code == 1
        assert f"{draft}:" in refused.stderr
        assert "scoring.rules[0].points" in refused.stderr


async def in_thread(*args: str | Path, **env: str) -> Result:
    return await asyncio.to_thread(kizashi, *args, **env)


# The schema


async def test_editors_get_the_schema(shop: Shop) -> None:
    url = shop.server.make_url("/site.schema.json")
    async with shop.http.get(url) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/schema+json"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        schema, tag = json.loads(await answer.text()), answer.headers["ETag"]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"site", "experiences", "holdout"} <= schema["properties"].keys()
    async with shop.http.get(url, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
