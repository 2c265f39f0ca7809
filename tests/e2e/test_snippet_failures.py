"""A server that fails (convention 11), and how events reach it all the same (convention 5)."""

from __future__ import annotations

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from tests.e2e.snippet_page import HERO, ORIGINAL, opened, set_hidden, unused_port, visibility
from tests.e2e.stub_site import TOKEN, StubSite, deciding, decision, ids, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

#: In the page: how many events wait in this tab's storage.
WAITING = "(sessionStorage.kz ? JSON.parse(sessionStorage.kz)[0].length : 0)"


# ---- Row 5 -------------------------------------------------------------------------------------------------


async def test_row_05_what_is_queued_is_sent_when_the_tab_is_hidden(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.wait_for_timeout(200)  # some engaged time
    await set_hidden(page, True)
    await until(lambda: site.events("engage"))
    assert site.requests[-1]["Content-Type"].startswith("text/plain")


async def test_row_05_what_is_queued_is_sent_when_the_page_is_left(page: Page, site: StubSite) -> None:
    site.delay = 1  # a beacon is under way: the rest waits for its answer, unless the page goes away
    await page.goto(site.url())
    await until(lambda: site.beacons)
    await page.evaluate("kizashi.track('one'); kizashi.track('two')")
    await page.goto(site.url("/next.html"))
    await until(lambda: site.names().count("page") == 2)
    await until(lambda: {"one", "two"} <= set(site.names()))
    assert len(set(ids(site.events()))) == len(site.events())


async def test_row_05_no_beacon_outgrows_what_a_leaving_page_may_send(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.evaluate("for (let i = 0; i < 12; i++) kizashi.track('big', { i, text: '字'.repeat(6000) })")
    await page.goto(site.url("/next.html"))  # too much for one leaving page: the next sends the rest
    await until(lambda: len(site.events("track")) >= 12, seconds=60)
    assert sorted(event["props"]["i"] for event in site.events("track")) == [*range(12)]
    assert max(int(headers["Content-Length"]) for headers in site.requests) < 65_536


async def test_row_05_offline_events_wait_and_are_sent_once(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.context.set_offline(True)
    await page.evaluate("kizashi.track('a'); kizashi.track('b')")
    await page.wait_for_function(f"{WAITING} === 2")
    assert site.events("track") == []
    await page.context.set_offline(False)
    await until(lambda: len(site.events("track")) == 2)
    await page.wait_for_function(f"{WAITING} === 0")
    assert [event["name"] for event in site.events("track")] == ["a", "b"]


# ---- Row 11 ------------------------------------------------------------------------------------------------


async def test_row_11_slow_server_leaves_the_original(page: Page, site: StubSite) -> None:
    site.delay = 2
    site.answer = deciding(hero=decision("<b>too late</b>"))
    await opened(page, site)  # returns once the answer has come
    assert await visibility(page) == "visible"
    assert await page.inner_html(HERO) == ORIGINAL


async def test_row_11_dead_server_leaves_the_page_as_it_is(page: Page, site: StubSite) -> None:
    site.tag = f'data-host="http://127.0.0.1:{unused_port()}"'
    await page.goto(site.url())
    await page.wait_for_function(f"{WAITING} === 1")  # the page view has failed, and waits for the next try
    await expect(page.locator(HERO)).to_have_css("visibility", "visible")
    assert await page.inner_html(HERO) == ORIGINAL
    assert await page.evaluate("document.querySelectorAll('[style]:not(div)').length") == 0
    await page.evaluate("kizashi.track('still works'); kizashi.reset()")


async def test_row_11_a_script_that_does_not_load_leaves_the_page_as_it_is(
    page: Page, site: StubSite
) -> None:
    site.src = "/nothing-here.js"
    await page.goto(site.url())
    assert await visibility(page) == "visible"
    assert await page.inner_html(HERO) == ORIGINAL


GOOD = '{"v": "visitor-1.signature", "decisions": {"hero": {"html": "<b>no</b>"}}}'


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, GOOD),
        (404, GOOD),
        (403, ""),
        (502, "<html>a proxy's own page</html>"),
        (200, "<html>a proxy's own page</html>"),
        (200, ""),
        (200, "null"),
        (200, "[]"),
        (200, "7"),
        (200, '{"decisions": 5}'),
        (200, '{"decisions": "<b>x</b>", "live": 0}'),
        (200, '{"decisions": {"hero": 5, "side": {"html": {"a": 1}}, "constructor": {}}}'),
        (200, '{"decisions": {"hero": {"html": null}}, "v": {"x": 1}}'),
        (
            200,
            '{"decisions": {"hero": {"text": [1], "attr": 7, "redirect": {}}, "side": {"attr": "onclick"}}}',
        ),
        (200, '{"__proto__": {"html": "polluted"}, "decisions": {"__proto__": {"html": "polluted"}}}'),
    ],
)
async def test_row_11_rubbish_answers_change_nothing(
    page: Page, site: StubSite, status: int, answer: str
) -> None:
    site.answer = lambda _: web.Response(text=answer, status=status, content_type="application/json")
    await page.goto(site.url())
    await until(lambda: site.beacons)
    await page.evaluate("kizashi.track('second')")
    await until(lambda: site.events("track"))
    await expect(page.locator(HERO)).to_have_css("visibility", "visible")
    assert await page.inner_html(HERO) == ORIGINAL
    assert await page.text_content("[data-kz-slot=side]") == "Original side"
    assert await page.text_content("[data-kz-slot=constructor]") == "Original odd"
    assert await page.evaluate("({}).html") is None


# ---- Repeats -----------------------------------------------------------------------------------------------


async def test_failed_events_are_repeated_under_the_same_ids(page: Page, site: StubSite) -> None:
    site.answer = lambda _: web.Response(status=503)
    await page.goto(site.url())
    await page.wait_for_function(f"{WAITING} > 0")
    await page.evaluate("kizashi.track('download')")
    await until(lambda: site.events("track"))
    await page.wait_for_function(f"{WAITING} > 1")
    failed = [*ids(site.events("page"))][:1] + [*ids(site.events("track"))][:1]
    seen = len(site.beacons)
    site.answer = deciding()
    await page.wait_for_function(f"{WAITING} === 0", timeout=60_000)  # by itself, after a pause
    repeated = [event["id"] for beacon in site.beacons[seen:] for event in beacon["events"]]
    assert repeated[:2] == failed
    assert len(set(repeated)) == len(repeated)


async def test_failed_events_are_sent_by_the_next_page_of_the_tab(page: Page, site: StubSite) -> None:
    site.answer = lambda _: web.Response(status=503)
    await page.goto(site.url())
    await page.wait_for_function(f"{WAITING} > 0")
    (first,) = set(ids(site.events("page")))
    seen = len(site.beacons)
    site.answer = deciding()
    await page.goto(site.url("/next.html"))
    await page.wait_for_function("localStorage.kz")
    later = [event["id"] for beacon in site.beacons[seen:] for event in beacon["events"]]
    assert first in later
    assert len(set(ids(site.events("page")))) == 2


async def test_refused_events_are_dropped(page: Page, site: StubSite) -> None:
    site.answer = lambda _: web.json_response({"error": {"code": "bad"}}, status=400)
    await page.goto(site.url())
    await until(lambda: site.beacons)
    await page.evaluate("kizashi.track('next')")
    await until(lambda: site.events("track"))
    await until(lambda: site.answered == 2)
    assert site.names() == ["page", "next"]
    assert await page.evaluate(WAITING) == 0


async def test_second_beacon_waits_for_the_first_token(page: Page, site: StubSite) -> None:
    """Two beacons without a token would make two visitors."""
    site.delay = 0.5
    await page.goto(site.url())
    await until(lambda: site.beacons)
    await page.evaluate("kizashi.track('a'); kizashi.track('b')")
    await until(lambda: len(site.events("track")) == 2)
    assert [beacon.get("v") for beacon in site.beacons] == [None, TOKEN]


async def test_a_request_that_hangs_does_not_hold_up_the_next(page: Page, site: StubSite) -> None:
    site.delay = None
    await page.clock.install()
    await page.goto(site.url())
    await until(lambda: site.beacons)
    site.delay = 0
    await page.evaluate("kizashi.track('a')")
    assert site.names() == ["page"]
    await page.clock.run_for(11_000)
    await until(lambda: "a" in site.names())
    assert site.names() == ["page", "a"]
