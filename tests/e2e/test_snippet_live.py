"""Live decisions: the script that is loaded for them, the stream, and who is told of a change."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

import snippet
from tests.e2e.snippet_page import HERO, opened, set_hidden, stop_clock
from tests.e2e.stub_site import TOKEN, StubSite, decision, ids, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def opened_live(page: Page, site: StubSite, path: str = "/plain.html", **decisions: Any) -> None:
    site.answer = lambda _: {"v": TOKEN, "decisions": decisions, "live": True}
    await opened(page, site, path)
    await until(lambda: site.open_streams == 1)


async def test_live_swap_by_server_sent_events(page: Page, site: StubSite) -> None:
    await opened_live(page, site, hero=decision("<b>first</b>"))
    (view,) = ids(site.events("page"))
    asked = {"site": ["demo"], "v": [TOKEN], "lang": ["ja"], "slot": ["hero", "side", "constructor"]}
    assert site.streams == [asked | {"after": [view]}]
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
    assert len(site.streams) == 1
    await set_hidden(page, False)
    await until(lambda: site.open_streams == 1)
    assert len(site.streams) == 2


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
    assert site.streams[-1]["after"] == [site.events("page")[-1]["id"]]


@pytest.mark.parametrize("call", ["kizashi.optOut()", "kizashi('consent', false)", "kizashi.reset()"])
async def test_row_08_withdrawing_closes_the_stream(page: Page, site: StubSite, call: str) -> None:
    await opened_live(page, site)
    site.answer = lambda _: {"v": TOKEN, "decisions": {}}
    await page.evaluate(call)
    await until(lambda: site.open_streams == 0)
    later = [stream["v"] for stream in site.streams[1:]]
    assert later == ([[TOKEN]] if "reset" in call and later else [])  # after a reset: the new visitor's


async def test_the_stream_does_not_keep_the_page_from_the_back_forward_cache(
    page: Page, site: StubSite
) -> None:
    await opened_live(page, site)
    await page.evaluate("window.kept = true")
    await opened(page, site, "/next.html")
    await page.evaluate("history.back()")
    await page.wait_for_url("**/plain.html", wait_until="commit")
    assert await page.evaluate("window.kept") is True  # the page itself came back
    await until(lambda: site.open_streams >= 1)
    site.live.put_nowait({"decisions": {"side": decision("<b>still told</b>")}})
    await expect(page.locator("[data-kz-slot=side] b")).to_have_text("still told")


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


# ---- The stream and the beacon tell the same visitor's decisions, each in its own time ----------------------

#: Keeps everything that the hero has shown.
HISTORY = """() => {
  const hero = document.querySelector('[data-kz-slot=hero]'), note = () => {
    if (hero.textContent !== shown.at(-1)) shown.push(hero.textContent)
  }
  window.shown = []
  note()
  new MutationObserver(note).observe(hero, { childList: true, subtree: true, characterData: true })
}"""


def told(text: str, *events: str) -> dict[str, Any]:
    """A message of the stream: the hero's text, and the events that it rests on."""
    return {"decisions": {"hero": decision(text=text)}, "events": list(events)}


async def side_says(page: Page, site: StubSite, text: str, *events: str) -> None:
    """Sends a message about another slot, and waits until it shows: those before it have been heard."""
    site.live.put_nowait({"decisions": {"side": decision(text=text)}, "events": list(events)})
    await expect(page.locator("[data-kz-slot=side]")).to_have_text(text)


async def test_a_message_from_before_the_last_answer_does_not_take_the_page_back(
    page: Page, site: StubSite
) -> None:
    await opened_live(page, site, hero=decision(text="viewed"))
    await page.evaluate(HISTORY)
    site.answer = lambda _: {"v": TOKEN, "decisions": {"hero": decision(text="clicked")}, "live": True}
    await page.evaluate("kizashi.track('click')")
    await expect(page.locator(HERO)).to_have_text("clicked")
    view, click = (next(ids(site.events(kind))) for kind in ("page", "track"))
    for stale in (told("stale", view), told("staler"), told("stale", view, "elsewhere")):
        site.live.put_nowait(stale)
    await side_says(page, site, "heard", view, click)
    site.live.put_nowait(told("newer", view, click, "elsewhere"))
    await expect(page.locator(HERO)).to_have_text("newer")
    assert await page.evaluate("shown") == ["viewed", "clicked", "newer"]
    assert len(site.streams) == 1  # another last event is no reason for another stream


async def test_a_message_that_knows_of_more_than_the_answer_stays(page: Page, site: StubSite) -> None:
    await opened_live(page, site, hero=decision(text="viewed"))
    await page.evaluate(HISTORY)
    site.delay = None  # the answer to the click waits until the stream has told of it
    decisions = {"hero": decision(text="clicked"), "side": decision(text="only the answer has this")}
    site.answer = lambda _: {"v": TOKEN, "decisions": decisions, "live": True}
    await page.evaluate("kizashi.track('click')")
    await until(lambda: site.events("track"))
    view, click = (next(ids(site.events(kind))) for kind in ("page", "track"))
    site.live.put_nowait(told("clicked, and called", view, click, "call"))
    await expect(page.locator(HERO)).to_have_text("clicked, and called")
    site.closing.set()  # answers now
    await expect(page.locator("[data-kz-slot=side]")).to_have_text("only the answer has this")
    assert await page.evaluate("shown") == ["viewed", "clicked, and called"]


async def test_a_message_about_the_view_before_does_not_fill_the_next_one_s_slots(
    page: Page, site: StubSite
) -> None:
    await opened_live(page, site, hero=decision(text="here"))
    await page.evaluate(HISTORY)
    site.delay = None
    site.answer = lambda _: {"v": TOKEN, "decisions": {"hero": decision(text="there")}, "live": True}
    await page.evaluate("history.pushState({}, '', '/there')")
    await until(lambda: len(site.events("page")) == 2)
    before, after = ids(site.events("page"))
    site.live.put_nowait(told("of the view before", before))
    site.live.put_nowait(told("of this view", before, after))
    await expect(page.locator(HERO)).to_have_text("of this view")
    assert await page.evaluate("shown") == ["here", "of this view"]


async def test_a_message_is_not_held_for_ever(page: Page, site: StubSite) -> None:
    """The page's last event may never count: refused, or long pushed out of the newest twenty."""
    await stop_clock(page)
    await page.add_init_script(
        """window.EventSource = class extends EventSource {
          constructor(url) { super(url); this.addEventListener('decisions', () => { window.heard = true }) }
        }"""
    )
    await opened_live(page, site, hero=decision(text="viewed"))
    await page.evaluate(HISTORY)
    site.live.put_nowait(told("told", "elsewhere"))
    await page.wait_for_function("window.heard", polling=50)
    await page.clock.run_for(29_000)
    assert await page.inner_text(HERO) == "viewed"
    await page.clock.run_for(3_000)
    await expect(page.locator(HERO)).to_have_text("told")
    assert await page.evaluate("shown") == ["viewed", "told"]
