"""The pixel on real processes: always the picture, and an event where the token is ours."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from server.pixel import GIF
from server.tokens import Tokens
from storage.embedded import Server
from tests.kafka import free_ports
from tests.processes import Stack, until
from tests.sites import DEMO

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKENS = Tokens(secret_key="test-secret-key")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Web and worker with the demo site, for all tests of the module: each has visitors of its own."""
    root = tmp_path_factory.mktemp("pixel")
    with Server(root / "valkey") as valkey:
        stack = Stack(store_url=valkey.url, data_dir=root / "data", port=free_ports(1)[0])
        async with stack as running:
            await running.publish(DEMO)
            yield running


async def look(stack: Stack, query: Any, method: str = "GET", **headers: str) -> None:
    """Ask for the picture, and fail unless it is answered, whole and kept by no cache."""
    url = f"{stack.base}/v1/p.gif"
    async with stack.http.request(
        method, url, params=query, headers=headers, allow_redirects=False
    ) as answer:
        assert (answer.status, answer.content_type) == (200, "image/gif"), query
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Length"] == "43"
        assert "Set-Cookie" not in answer.headers
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert await answer.read() == (GIF if method == "GET" else b"")


async def counts(stack: Stack, family: str) -> dict[str, float]:
    """A counter's values by its label."""
    async with stack.http.get(f"{stack.base}/metrics") as answer:
        lines = [line for line in (await answer.text()).splitlines() if line.startswith(family + "{")]
    return {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in lines}


async def seen(stack: Stack, token: str, **expected: int) -> dict[str, Any]:
    """The visitor's view, once these events have been counted."""

    async def there() -> bool:
        events = (await stack.visitor(token)).get("events", {})
        return {name: stat["count"] for name, stat in events.items()} == expected

    await until(there)
    return await stack.visitor(token)


async def test_the_picture_is_one_transparent_dot() -> None:
    assert (GIF[:6], GIF[-1:], len(GIF)) == (b"GIF89a", b";", 43)
    assert struct.unpack("<HH", GIF[6:10]) == (1, 1)
    control = GIF.index(b"\x21\xf9\x04")
    assert GIF[control + 3] & 1  # has a transparent colour


async def test_a_mail_that_is_opened_counts_once(stack: Stack) -> None:
    token = TOKENS.sign("a" * 32)
    mail = {"site": "demo", "v": token, "m": "mail-1", "campaign": "autumn"}
    await asyncio.gather(*(look(stack, mail, Referer="https://mail.example/inbox") for _ in range(5)))
    await look(stack, mail | {"m": "mail-2"})
    await look(stack, mail | {"m": "mail-3"}, method="HEAD")
    view = await seen(stack, token, email_open=2)
    assert view["page_count"] == 0


async def test_a_page_without_scripts(stack: Stack) -> None:
    token = TOKENS.sign("b" * 32)
    await look(stack, {"site": "demo", "v": token, "e": "page"}, Referer="http://shop.example/pricing")
    await look(stack, {"site": "demo", "e": "page"}, Referer="http://shop.example/", Cookie=f"kz={token}")
    await look(stack, {"site": "demo", "v": token, "e": "whitepaper_download"})
    view = await seen(stack, token, page=2, whitepaper_download=1)
    assert (view["page_count"], view["score"]) == (2, 32)
    assert view["topics"]["pricing"]["views"] == 1


GOOD = {"site": "demo", "v": TOKENS.sign("c" * 32)}
#: What is asked, and what it is counted as.
BAD: list[tuple[Any, dict[str, str], str]] = [
    ({}, {}, "pixel_site"),
    ({"site": "nobody", "v": GOOD["v"]}, {}, "pixel_site"),
    ({"site": "demo"}, {}, "pixel_token"),
    (GOOD | {"v": "c" * 32}, {}, "pixel_token"),
    (GOOD | {"v": "c" * 32 + ".forged"}, {}, "pixel_token"),
    (GOOD | {"v": "x" * 5_000}, {}, "pixel_token"),
    (GOOD | {"v": "é.\x00"}, {}, "pixel_token"),
    (GOOD, {"Sec-GPC": "1"}, "pixel_gpc"),
    (GOOD | {"e": "identify"}, {}, "pixel_event"),
    (GOOD | {"e": "x" * 101}, {}, "pixel_event"),
    (GOOD | {"e": "a\0b"}, {}, "pixel_event"),
    (GOOD | {"m": "x" * 101}, {}, "pixel_event"),
    (GOOD | {"url": "x" * 2_049}, {}, "pixel_event"),
    (GOOD | {"__proto__": "x"}, {}, "pixel_event"),
    (GOOD | {str(i): "" for i in range(201)}, {}, "pixel_event"),
]


async def test_a_bad_request_is_answered_with_the_picture_and_counted(stack: Stack) -> None:
    family = "kizashi_beacons_ignored_total"
    taken = await counts(stack, "kizashi_events_accepted_total")
    for query, headers, why in BAD:
        before = (await counts(stack, family)).get(why, 0)
        await look(stack, query, **headers)
        assert (await counts(stack, family)).get(why) == before + 1, (query, why)
    for raw in ("site=demo&v=%ff%fe&e=%80", "&&&=&==", "site=demo&site=demo&v=%00", "%", "v=\ud7ff"):
        async with stack.http.get(f"{stack.base}/v1/p.gif?{raw}") as answer:
            assert (answer.status, await answer.read()) == (200, GIF), raw
    assert await counts(stack, "kizashi_events_accepted_total") == taken
    assert await stack.admin(f"/v1/admin/sites/demo/visitors/{'c' * 32}") is None


async def test_the_picture_is_answered_while_the_store_is_away(stack: Stack) -> None:
    token = TOKENS.sign("d" * 32)
    await stack.redis.config_set("maxmemory", 1)  # takes no more events; they wait on disk
    try:
        await look(stack, {"site": "demo", "v": token, "m": "away"})
    finally:
        await stack.redis.config_set("maxmemory", 0)
    stack.kill_worker()  # it may have ended by itself: it could not commit
    stack.start_worker()
    view = await seen(stack, token, email_open=1)
    assert (view["id"], view["events"]["email_open"]["count"]) == ("d" * 32, 1)
