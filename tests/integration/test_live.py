"""Decisions pushed to open pages, over real sockets and a real Valkey. What the worker does is done here by
hand: a profile is written, and its channel told.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from server import live_hub
from server.drain import DRAIN
from server.live_hub import HUB
from server.live_stream import Pace
from sites.moments import epoch_ms
from sites.registry import publish
from storage.embedded import Server
from tests.processes import until
from tests.shop import ORIGIN, Shop, opened
from tests.sites import DEMO


@pytest.fixture
async def shop(redis_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with opened(redis_url, tmp_path) as made:
        yield made


WELCOME, RESULTS = "<h1>Welcome</h1>", "<h1>Results</h1>"


async def test_the_decisions_come_on_connecting_and_whenever_they_change(shop: Shop) -> None:
    await shop.become()
    async with shop.page() as page:
        assert page.response.headers["Content-Type"].startswith("text/event-stream")
        assert page.response.headers["X-Accel-Buffering"] == "no"
        assert "no-store" in page.response.headers["Cache-Control"]
        assert page.response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert page.response.headers["Access-Control-Allow-Credentials"] == "true"
        assert page.response.headers["Vary"] == "Origin"
        first = await page.next()
        assert first.name == "decisions"
        assert first.data["decisions"]["hero"]["html"] == WELCOME
        assert first.data["decisions"]["hero"]["reason"].startswith("audience first_time")
        await shop.become(session_count=2)
        second = await page.next()
        assert second.data["decisions"]["hero"]["html"] == RESULTS
        assert second.id != first.id
        await shop.become(session_count=1)
        assert (await page.next()).id == first.id
    await shop.until(lambda: shop.app[HUB].streams == 0)


async def test_what_does_not_change_decisions_is_not_sent(shop: Shop) -> None:
    await shop.become()
    async with shop.page() as page:
        await page.next()
        await shop.become(page_count=2)
        assert await page.nothing()
        await shop.become(session_count=2)
        assert await page.hero() == RESULTS


async def test_others_changes_reach_nobody(shop: Shop) -> None:
    async with shop.page("v1") as one, shop.page("v2") as other:
        await one.next()
        await other.next()
        await shop.become("v2", session_count=2)
        assert await other.hero() == RESULTS
        assert await one.nothing(0.3)


async def test_every_page_of_a_visitor_hears_with_its_own_slots(shop: Shop) -> None:
    async with shop.page() as one, shop.page(slot=["hero", "side"]) as two, shop.page(slot=[]) as none:
        assert set((await one.next()).data["decisions"]) == {"hero"}
        assert (await two.next()).data["decisions"]["side"] is None
        assert (await none.next()).data["decisions"] == {}
        await shop.become(session_count=2)
        assert await one.hero() == RESULTS
        assert await two.hero() == RESULTS
        assert await none.nothing(0.3)


async def test_who_comes_back_gets_only_what_is_new(shop: Shop) -> None:
    await shop.become()
    async with shop.page() as page:
        first = await page.next()
    async with shop.page(headers={"Last-Event-ID": first.id}) as page:
        assert await page.nothing()
        await shop.become(session_count=2)
        assert await page.hero() == RESULTS
    async with shop.page(headers={"Last-Event-ID": first.id}) as page:
        assert await page.hero() == RESULTS


async def test_a_page_that_knows_more_than_the_store_is_not_taken_back(shop: Shop) -> None:
    await shop.become()
    async with shop.page(after="download-1") as page:
        assert await page.nothing()
        await shop.become(session_count=2, seen=("page-1", "download-1"))
        event = await page.next()
        assert event.data["decisions"]["hero"]["html"] == RESULTS
        assert event.data["events"] == ["page-1", "download-1"]


async def test_a_burst_is_told_at_most_five_times_a_second(shop: Shop) -> None:
    await shop.become()
    async with shop.page() as page:
        await page.next()
        began = asyncio.get_running_loop().time()
        for number in range(200):
            await shop.become(session_count=1 + number % 2)
        await shop.become(session_count=9)
        took = asyncio.get_running_loop().time() - began
        heard = []
        while not heard or heard[-1] != RESULTS or page.events.qsize():
            heard.append(await page.hero())
        assert len(heard) <= 2 + took / live_hub.PAUSE_S + 1
        assert await page.nothing(0.5)


async def test_a_publish_changes_open_pages(shop: Shop) -> None:
    async with shop.page() as page:
        assert await page.hero() == WELCOME
        await publish(shop.redis, DEMO.replace("<h1>Welcome</h1>", "<h1>Hello</h1>"), now=2)
        assert await page.hero() == "<h1>Hello</h1>"


async def test_an_experience_that_ends_leaves_open_pages(redis_url: str, tmp_path: Path) -> None:
    text = DEMO.replace("slot: hero\n", "slot: hero\n    until: 2030-03-18 02:46\n")
    clock = Clock(epoch_ms("2030-03-18 02:46", ZoneInfo("Asia/Tokyo")) - 4_000)
    async with opened(redis_url, tmp_path, text, clock=clock) as shop, shop.page() as page:
        assert await page.hero() == WELCOME
        assert (await page.next()).data["decisions"] == {"hero": None}


class Clock:
    """The wall clock, set to another time."""

    def __init__(self, now: int) -> None:
        self._ahead = now - time.time() * 1000

    def __call__(self) -> int:
        return int(time.time() * 1000 + self._ahead)


async def exposures(shop: Shop) -> list[tuple[str, str]]:
    """The experiences met, with their variants, as the stream has them."""
    found = []
    async for key in shop.redis.scan_iter("kz:t:*", _type="stream"):
        for _, fields in await shop.redis.xrange(key):
            values = [json.loads(value) for value in fields.values() if value.startswith(b"{")]
            found += [one["props"] for one in values if one.get("type") == "exposure"]
    return [(one["experience"], one["variant"]) for one in found]


async def test_what_is_first_seen_live_is_measured(shop: Shop) -> None:
    await shop.become()
    async with shop.page() as page:
        await page.next()
        assert await exposures(shop) == [("top-hero", "image")]
        await shop.become(session_count=2)
        await page.next()
        assert await exposures(shop) == [("top-hero", "image"), ("top-hero", "results")]


async def test_who_is_held_out_is_measured_though_nothing_changes(redis_url: str, tmp_path: Path) -> None:
    held = DEMO.replace("slot: hero\n", "slot: hero\n    holdout: 1\n")
    async with opened(redis_url, tmp_path, held) as shop, shop.page() as page:
        assert (await page.next()).data["decisions"] == {"hero": None}
        assert await exposures(shop) == []
        await shop.become()

        async def measured() -> bool:
            return await exposures(shop) == [("top-hero", "")]

        await until(measured)
        assert page.events.empty()


async def test_nobody_is_sent_elsewhere_while_they_read(redis_url: str, tmp_path: Path) -> None:
    away = DEMO.replace('template: "<h1>Results</h1>"', 'redirect: "/results"')
    async with opened(redis_url, tmp_path, away) as shop:
        await shop.become()
        async with shop.page() as page:
            assert await page.hero() == WELCOME
            await shop.become(session_count=2)
            assert (await page.next()).data["decisions"] == {}
        assert await exposures(shop) == []


REFUSED = [
    ({"v": "v1.forged"}, {}, 401, "v"),
    ({"v": ""}, {}, 401, "v"),
    ({"site": "nothing"}, {}, 404, "site"),
    ({"site": ""}, {}, 404, "site"),
    ({}, {"Origin": "http://evil.example"}, 403, "origin"),
    ({}, {"Origin": "null"}, 403, "origin"),
    ({"slot": ["s"] * 51}, {}, 400, "slot"),
    ({"slot": "a\x00"}, {}, 400, "slot"),
    ({"slot": "a" * 65}, {}, 400, "slot"),
    ({"lang": "x" * 40}, {}, 400, "lang"),
    ({"after": "x" * 200}, {}, 400, "after"),
]


@pytest.mark.parametrize(("query", "headers", "status", "where"), REFUSED)
async def test_who_may_not_listen_is_told_why(
    shop: Shop, query: dict[str, Any], headers: dict[str, str], status: int, where: str
) -> None:
    async with await shop.get(shop.url(**query), **headers) as response:
        assert response.status == status
        assert (await response.json())["error"]["field"] == where
    assert shop.app[HUB].streams == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-GPC": "1"},
        {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"Cookie": "kz_preview=anything"},
    ],
)
async def test_some_get_nothing_and_do_not_ask_again(shop: Shop, headers: dict[str, str]) -> None:
    async with await shop.get(shop.url(), **headers) as response:
        assert response.status == 204
        assert await response.read() == b""


async def test_the_cookie_is_as_good_as_the_query(shop: Shop) -> None:
    await shop.become(session_count=2)
    async with shop.page(v="", headers={"Cookie": f"kz={shop.token('v1')}"}) as page:
        assert await page.hero() == RESULTS


async def test_switched_off_it_answers_204(redis_url: str, tmp_path: Path) -> None:
    async with opened(redis_url, tmp_path, max_streams=0) as shop, await shop.get(shop.url()) as response:
        assert response.status == 204


async def test_a_visitor_and_a_process_have_so_many_streams(redis_url: str, tmp_path: Path) -> None:
    async with opened(redis_url, tmp_path, max_streams=3, max_per_visitor=2) as shop:
        async with shop.page("v1"), shop.page("v1") as second:
            async with await shop.get(shop.url("v1")) as response:
                assert response.status == 429
            async with shop.page("v2"):
                async with await shop.get(shop.url("v3")) as response:
                    assert response.status == 503
                second.response.close()
                # Nobody has told the server; it looks when it runs out.
                await asyncio.sleep(0)

                async def again() -> bool:
                    async with await shop.get(shop.url("v3")) as response:
                        return response.status == 200

                await until(again)
        assert shop.counted["refused"] >= 2
        await shop.until(lambda: shop.app[HUB].streams == 0)


async def test_silence_is_filled_with_comments(redis_url: str, tmp_path: Path) -> None:
    async with opened(redis_url, tmp_path, pace=Pace(heartbeat_s=0.1)) as shop, shop.page() as page:
        await page.next()
        await shop.until(lambda: page.comments >= 3)
        assert page.events.empty()


async def test_a_process_that_stops_lets_everybody_go(redis_url: str, tmp_path: Path) -> None:
    async with opened(redis_url, tmp_path) as shop, shop.page("v1") as one, shop.page("v2") as other:
        for page in (one, other):
            await page.next()
        await shop.server.close()
        for page in (one, other):
            async with asyncio.timeout(20):
                await page.ended.wait()
            assert len(page.retries) == 2
            assert all(1_000 <= ms <= 4_000 for ms in page.retries)


async def test_a_process_that_drains_sends_newcomers_elsewhere(shop: Shop) -> None:
    shop.app[DRAIN].begun = True
    async with shop.page() as page:
        async with asyncio.timeout(20):
            await page.ended.wait()
        assert len(page.retries) == 1
        assert page.events.empty()


async def test_pages_survive_the_store_being_away(own_valkey: Server, tmp_path: Path) -> None:
    async with opened(own_valkey.url, tmp_path) as shop:
        await shop.become()
        async with shop.page("v1") as page:
            assert await page.hero() == WELCOME
            own_valkey.kill()
            async with shop.page("v2") as late:
                assert await late.nothing()
                assert await page.nothing(0.1)
                own_valkey.start()
                assert await late.hero() == WELCOME
            # Missed while nobody could hear it; and then heard again.
            assert await page.hero() == WELCOME
            await shop.become(session_count=2)
            assert await page.hero() == RESULTS


async def test_what_is_missed_on_the_way_is_made_up_for(own_valkey: Server, tmp_path: Path) -> None:
    async with opened(own_valkey.url, tmp_path) as shop:
        await shop.become()
        async with shop.page() as page:
            assert await page.hero() == WELCOME
            await shop.become(session_count=2, tell=False)
            assert await page.nothing(0.3)
            for client in await shop.redis.client_list(_type="pubsub"):
                await shop.redis.client_kill_filter(_id=client["id"])
            assert await page.hero() == RESULTS


async def test_one_connection_serves_every_page(shop: Shop) -> None:
    async with shop.page("v1") as one, shop.page("v2") as two, shop.page("v2") as three:
        for page in (one, two, three):
            await page.next()
        clients = await shop.redis.client_list(_type="pubsub")
        assert [client["sub"] for client in clients] == ["2"]
    await shop.until(lambda: shop.app[HUB].streams == 0)

    async def left() -> bool:
        return not await shop.redis.pubsub_channels("kz:live:*")

    await until(left)


def big_site() -> str:
    """The demo site with 25 slots of 60 KB, all other ones in a second session."""
    loop = "{%% for n in [%s] %%}%s{%% endfor %%}"
    fifty = ",".join(map(str, range(50)))
    first, second = (loop % (fifty, char * 1_200) for char in "WR")
    slots = "".join(
        f"""
  - id: big-{n}
    slot: big-{n}
    choose:
      - {{audience: returning, variants: [{{id: r, template: "{second}"}}]}}
      - {{audience: first_time, variants: [{{id: w, template: "{first}"}}]}}"""
        for n in range(25)
    )
    return DEMO.replace("alerts:", slots.lstrip("\n") + "\nalerts:")


async def test_a_reader_that_does_not_read_holds_up_nobody(redis_url: str, tmp_path: Path) -> None:
    async with opened(redis_url, tmp_path, big_site(), pace=Pace(write_s=1.0)) as shop:
        await shop.become()
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", shop.server.port))
        path = shop.url(slot=[f"big-{n}" for n in range(25)]).partition(str(shop.server.port))[2]
        slow.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\n\r\n".encode())
        try:
            async with shop.page() as page:
                await page.next()
                await shop.until(lambda: shop.app[HUB].streams == 2)
                number = 0
                # A kernel takes a few megabytes by itself; then the server's write waits, and is given up.
                while shop.counted["slow"] == 0:
                    number += 1
                    await shop.become(session_count=1 + number % 2)
                    assert await page.hero() == (WELCOME, RESULTS)[number % 2]
                    assert number < 200
                await shop.until(lambda: shop.app[HUB].streams == 1)
                number += 1
                await shop.become(session_count=1 + number % 2)
                assert await page.hero() == (WELCOME, RESULTS)[number % 2]
        finally:
            slow.close()
