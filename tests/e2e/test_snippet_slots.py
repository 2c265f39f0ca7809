"""Slots (convention 10): hidden briefly, filled, restored; what a decision may change."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.snippet_page import HERO, ORIGINAL, opened, run_out, visibility, wanted
from tests.e2e.stub_site import TOKEN, StubSite, deciding, decision, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

NO_LIMIT = 'data-timeout="600000"'  # what reveals a slot is then the answer, however slow this machine is


async def durations(page: Page) -> list[float]:
    """How long each animation of the page lasts, in ms."""
    found: list[float] = await page.evaluate(
        "document.getAnimations().map((one) => one.effect.getComputedTiming().duration)"
    )
    return found


@pytest.mark.parametrize(("tag", "limit"), [("", 300), ('data-timeout="50"', 50)])
async def test_row_10_only_slots_are_hidden_and_only_until_the_limit(
    page: Page, site: StubSite, tag: str, limit: int
) -> None:
    site.delay, site.tag = None, tag  # no answer while this test runs
    await page.add_init_script(
        """window.limits = []
        const { animate } = Element.prototype
        Element.prototype.animate = function (frames, duration) {
          if (frames.visibility[0] === 'hidden') limits.push([this.dataset.kzSlot, duration])
          return animate.call(this, frames, 600000) // time enough to look
        }"""
    )
    await page.goto(site.url())
    assert await page.evaluate("limits") == [[name, limit] for name in ("hero", "side")]
    assert await visibility(page) == "hidden"
    assert await visibility(page, f"{HERO} p") == "hidden"
    assert await visibility(page, "h1") == "visible"
    await run_out(page, HERO, 599_999)
    assert await visibility(page) == "hidden"
    await run_out(page, HERO, 600_000)
    await expect(page.locator(HERO)).to_have_css("visibility", "visible")
    assert await page.inner_html(HERO) == ORIGINAL
    assert await page.evaluate("document.querySelectorAll('[data-kz-slot][style]').length") == 0


async def test_row_10_without_an_answer_the_original_shows_by_itself(page: Page, site: StubSite) -> None:
    site.delay = None
    await page.goto(site.url())
    await expect(page.locator(HERO)).to_be_visible()
    assert await page.inner_html(HERO) == ORIGINAL
    assert await durations(page) == []


async def test_row_10_answer_in_time_is_what_the_visitor_sees_first(page: Page, site: StubSite) -> None:
    site.tag = NO_LIMIT
    site.answer = deciding(hero=decision("<b>会社様</b>"), side=None)
    await page.goto(site.url())
    await expect(page.locator(f"{HERO} b")).to_have_text("会社様")
    await expect(page.locator(f"{HERO} b")).to_be_visible()
    await expect(page.locator("[data-kz-slot=side]")).to_be_visible()
    await expect(page.locator("[data-kz-slot=side]")).to_have_text("Original side")


async def test_row_10_a_tag_added_later_hides_nothing_that_is_read(page: Page, site: StubSite) -> None:
    site.delay, site.tag = None, NO_LIMIT
    await page.goto(site.url("/manager.html"))
    await until(lambda: site.beacons)
    assert await visibility(page) == "visible"


async def test_a_slot_that_is_invisible_by_the_page_s_own_styles_stays_so(page: Page, site: StubSite) -> None:
    await page.add_init_script(
        """addEventListener('DOMContentLoaded', () => {
          document.querySelector('[data-kz-slot=side]').parentElement.style.visibility = 'hidden'
        })"""
    )
    site.answer = deciding(side=decision("<b>x</b>"))
    await opened(page, site)
    await expect(page.locator("[data-kz-slot=side] b")).to_have_count(1)
    assert await visibility(page, "[data-kz-slot=side]") == "hidden"


async def test_swap_and_restore_keep_the_page_s_own_nodes(page: Page, site: StubSite) -> None:
    decisions: dict[str, Any] = {
        "first": decision("<i>one</i>"),
        "second": decision("<i>two</i>"),
        "third": decision(text="<three>"),
        "fourth": None,
    }
    site.answer = lambda beacon: {"v": TOKEN, "decisions": {"hero": decisions.get(wanted(beacon))}}
    await opened(page, site)
    await page.evaluate(
        "document.querySelector('#own').addEventListener('click', () => { window.clicked = 1 })"
    )
    slot = page.locator(HERO)
    for name, html in [
        ("first", "<i>one</i>"),
        ("second", "<i>two</i>"),
        ("third", "&lt;three&gt;"),
        ("fourth", ORIGINAL),
    ]:
        await page.evaluate("name => kizashi.track(name)", name)
        await expect(slot).to_have_js_property("innerHTML", html)
    await page.click("#own")
    assert await page.evaluate("window.clicked") == 1


async def test_the_same_decision_again_leaves_what_the_visitor_did_to_it(page: Page, site: StubSite) -> None:
    """Its reason may differ: the reason is not shown."""
    site.answer = lambda beacon: {
        "v": TOKEN,
        "decisions": {"hero": decision("<input id=typed>") | {"reason": f"because of {len(site.beacons)}"}},
    }
    await opened(page, site)
    await page.fill("#typed", "half a word")
    await page.evaluate("kizashi.track('again')")
    await until(lambda: site.answered >= 2)
    await page.evaluate("kizashi.track('and again')")
    await until(lambda: site.answered >= 3)
    assert await page.input_value("#typed") == "half a word"


async def test_scripts_in_a_decision_do_not_run(page: Page, site: StubSite) -> None:
    site.answer = deciding(hero=decision("<script>window.ran = 1</script><b>x</b>"))
    await opened(page, site)
    await expect(page.locator(f"{HERO} b")).to_have_text("x")
    assert await page.evaluate("window.ran") is None


async def test_text_is_text(page: Page, site: StubSite) -> None:
    site.answer = deciding(hero=decision(text="<img src=x onerror='window.ran = 1'> & co"))
    await opened(page, site)
    await expect(page.locator(HERO)).to_have_text("<img src=x onerror='window.ran = 1'> & co")
    assert await page.locator(f"{HERO} img").count() == 0


# ---- Attributes --------------------------------------------------------------------------------------------


async def test_attributes_are_set_and_put_back(page: Page, site: StubSite) -> None:
    wishes: dict[str, Any] = {
        "on": decision(
            attr={"href": "/pricing?a=1", "class": "big red", "aria-label": "Prices", "data-x": "1"}
        ),
        "off": None,
    }
    site.answer = lambda beacon: {"v": TOKEN, "decisions": {"link": wishes.get(wanted(beacon))}}
    await opened(page, site, "/attributes.html")
    before = await page.evaluate("document.querySelector('#link').outerHTML")
    await page.evaluate("kizashi.track('on')")
    link = page.locator("#link")
    await expect(link).to_have_attribute("href", "/pricing?a=1")
    await expect(link).to_have_attribute("class", "big red")
    await expect(link).to_have_attribute("aria-label", "Prices")
    await expect(link).to_have_attribute("data-x", "1")
    await expect(link).to_have_text("Original link")
    await page.evaluate("kizashi.track('off')")
    await expect(link).not_to_have_attribute("data-x", "1")
    assert await page.evaluate("document.querySelector('#link').outerHTML") == before


BAD_ATTRIBUTES = {
    "onclick": "window.ran = 1",
    "ONMOUSEOVER": "window.ran = 1",
    "onfocus": "window.ran = 1",
    "style": "display: none",
    "srcdoc": "<script>window.ran = 1</script>",
    "formaction": "https://evil.example",
    "target": "other",
    "id": "taken",
    "xlink:href": "javascript:window.ran = 1",
    "class onclick": "x",
}
BAD_ADDRESSES = [
    "javascript:window.ran = 1",
    " JavaScript:window.ran = 1",
    "java\tscript:window.ran = 1",
    "\x01javascript:window.ran = 1",
]


async def test_attributes_outside_the_list_are_left_alone(page: Page, site: StubSite) -> None:
    site.answer = deciding(link=decision(attr={**BAD_ATTRIBUTES, "title": "set"}))
    await opened(page, site, "/attributes.html")
    await expect(page.locator("#link")).to_have_attribute("title", "set")  # the last of them
    names = await page.evaluate("document.querySelector('#link').getAttributeNames()")
    assert sorted(names) == ["class", "data-kz-slot", "href", "id", "title"]


async def test_an_address_that_is_a_script_is_not_set(page: Page, site: StubSite) -> None:
    for address in BAD_ADDRESSES:
        site.answer = deciding(link=decision(attr={"href": address, "title": "set"}))
        await opened(page, site, "/attributes.html")
        await expect(page.locator("#link")).to_have_attribute("title", "set")
        assert await page.get_attribute("#link", "href") == "/next.html", address


# ---- Redirects ---------------------------------------------------------------------------------------------


async def test_a_redirect_is_followed_once_a_session(page: Page, site: StubSite) -> None:
    site.answer = lambda beacon: {
        "v": TOKEN,
        "decisions": {"hero": decision(redirect="/next.html") if "hero" in beacon["slots"] else None},
    }
    await page.goto(site.url(), wait_until="commit")
    await page.wait_for_url("**/next.html")
    assert len(site.events("page")) >= 1
    await opened(page, site)  # back again: it stays, and is shown
    await expect(page.locator(HERO)).to_be_visible()
    assert page.url == site.url()
    assert await page.inner_html(HERO) == ORIGINAL
    assert await page.evaluate("history.length") <= 4


async def test_two_pages_that_redirect_to_each_other_end(page: Page, site: StubSite) -> None:
    def answer(beacon: dict[str, Any]) -> Any:
        other = "/manager.html" if "side" in beacon["slots"] else "/plain.html"
        return {"v": TOKEN, "decisions": {"hero": decision(redirect=other)}}

    site.answer = answer
    await page.goto(site.url(), wait_until="commit")
    await until(lambda: len(site.events("page")) == 3)  # there, back, and no further
    await page.wait_for_function("kizashi.version")
    await page.evaluate("kizashi.track('stays')")
    await until(lambda: "stays" in site.names())
    assert page.url == site.url()
    assert len(site.events("page")) == 3


@pytest.mark.parametrize(
    "target", ["javascript:window.ran = 1", "data:text/html,x", "ftp://x.example/", "{self}"]
)
async def test_where_a_redirect_may_not_lead(page: Page, site: StubSite, target: str) -> None:
    target = site.url() if target == "{self}" else target
    site.answer = deciding(hero=decision(redirect=target), side=decision("<b>done</b>"))
    await opened(page, site)
    await expect(page.locator("[data-kz-slot=side] b")).to_have_text("done")
    await page.evaluate("kizashi.track('stays')")
    await until(lambda: "stays" in site.names())
    assert len(site.events("page")) == 1
    assert await page.evaluate("window.ran") is None


async def test_nobody_is_sent_away_while_reading(page: Page, site: StubSite) -> None:
    site.answer = lambda beacon: {
        "v": TOKEN,
        "decisions": {"hero": decision(redirect="/next.html") if wanted(beacon) == "dwelt" else None},
    }
    await opened(page, site)
    await page.evaluate("kizashi.track('dwelt')")
    await until(lambda: site.answered >= 2)
    await page.evaluate("kizashi.track('stays')")
    await until(lambda: "stays" in site.names())
    assert page.url == site.url()
