"""Live decisions: the script that is loaded for them, the stream, and who is told of a change."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

import snippet
from tests.e2e.snippet_page import HERO, opened, set_hidden
from tests.e2e.stub_site import TOKEN, StubSite, decision, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def opened_live(page: Page, site: StubSite, path: str = "/plain.html", **decisions: Any) -> None:
    site.answer = lambda _: {"v": TOKEN, "decisions": decisions, "live": True}
    await opened(page, site, path)
    await until(lambda: site.open_streams == 1)


async def test_live_swap_by_server_sent_events(page: Page, site: StubSite) -> None:
    await opened_live(page, site, hero=decision("<b>first</b>"))
    assert site.streams == [
        {"site": ["demo"], "v": [TOKEN], "lang": ["ja"], "slot": ["hero", "side", "constructor"]}
    ]
    await expect(page.locator(f"{HERO} b")).to_have_text("first")
    site.live.put_nowait({"decisions": {"hero": decision("<b>live</b>")}})
    await expect(page.locator(f"{HERO} b")).to_have_text("live")
    site.live.put_nowait({"decisions": {"side": decision(text="live too")}})
    await expect(page.locator("[data-kz-slot=side]")).to_have_text("live too")
    await expect(page.locator(f"{HERO} b")).to_have_text("live")


async def test_live_changes_are_read_out_and_first_ones_are_not(page: Page, site: StubSite) -> None:
    site.answer = lambda _: {"v": TOKEN, "decisions": {"hero": decision("<b>first</b>")}}
    await opened(page, site)
    await expect(page.locator(f"{HERO} b")).to_have_text("first")
    assert await page.get_attribute(HERO, "aria-live") is None
    await page.evaluate("document.querySelector('[data-kz-slot=side]').ariaLive = 'off'")
    await opened_live(page, site)
    await expect(page.locator(HERO)).to_have_attribute("aria-live", "polite")


async def test_without_the_server_s_word_no_stream_and_no_second_script(page: Page, site: StubSite) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await opened(page, site)
    await page.evaluate("kizashi.track('last')")
    await until(lambda: site.answered >= 2)
    assert site.url("/kizashi-live.js?demo") not in asked
    assert site.streams == []


async def test_rubbish_in_the_stream_changes_nothing(page: Page, site: StubSite) -> None:
    await opened_live(page, site)
    for data in (7, None, "x", [], {"decisions": 5}, {"decisions": {"hero": 5}}):
        if data is not None:
            site.live.put_nowait(data)
    site.live.put_nowait({"decisions": {"side": decision("<b>after</b>")}})
    await expect(page.locator("[data-kz-slot=side] b")).to_have_text("after")
    await expect(page.locator(HERO)).to_contain_text("Original hero")


async def test_the_stream_is_open_only_while_the_page_is_looked_at(page: Page, site: StubSite) -> None:
    await opened_live(page, site)
    await set_hidden(page, True)
    await until(lambda: site.open_streams == 0)
    await set_hidden(page, False)
    await until(lambda: site.open_streams == 1)


async def test_a_lost_stream_comes_back_by_itself(page: Page, site: StubSite) -> None:
    await opened_live(page, site)
    site.live.put_nowait(None)  # the server ends it
    await until(lambda: len(site.streams) == 2 and site.open_streams == 1)
    site.live.put_nowait({"decisions": {"hero": decision("<b>back</b>")}})
    await expect(page.locator(f"{HERO} b")).to_have_text("back")


async def test_new_slots_are_streamed_too(page: Page, site: StubSite) -> None:
    await opened_live(page, site, "/spa.html")
    await page.evaluate("go('/a')")
    await until(lambda: site.streams[-1]["slot"] == ["banner", "hero"])
    await until(lambda: site.open_streams == 1)


@pytest.mark.parametrize("call", ["kizashi.optOut()", "kizashi('consent', false)", "kizashi.reset()"])
async def test_row_08_withdrawing_closes_the_stream(page: Page, site: StubSite, call: str) -> None:
    await opened_live(page, site)
    site.answer = lambda _: {"v": TOKEN, "decisions": {}}
    await page.evaluate(call)
    await until(lambda: site.open_streams == 0)


async def test_the_stream_does_not_keep_the_page_from_the_back_forward_cache(
    page: Page, site: StubSite
) -> None:
    await opened_live(page, site)
    await page.evaluate("window.kept = true")
    await opened(page, site, "/next.html")
    await page.evaluate("history.back()")
    await page.wait_for_url("**/plain.html", wait_until="commit")
    await page.wait_for_function("window.kept")
    await until(lambda: site.open_streams >= 1)


async def test_row_12_a_pinned_page_loads_no_script_that_it_did_not_pin(page: Page, site: StubSite) -> None:
    site.tag = f'integrity="{snippet.integrity()}" crossorigin="anonymous"'
    site.answer = lambda _: {"v": TOKEN, "decisions": {}, "live": True}
    await opened(page, site)
    await page.evaluate("kizashi.track('last')")
    await until(lambda: site.answered >= 2)
    assert site.streams == []
    version, hashed = snippet.version(), snippet.integrity(snippet.live_source())
    await page.evaluate(
        """([src, integrity]) => document.head.append(
          Object.assign(document.createElement('script'), { type: 'module', src, integrity, crossOrigin: '' }))""",
        [f"/kizashi-live-{version}.js?demo", hashed],
    )
    await until(lambda: site.open_streams == 1)
