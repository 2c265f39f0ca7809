"""No flash (convention 10): what the browser painted, by its own account, around load and around route changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.snippet_page import HERO, opened, wanted
from tests.e2e.stub_site import TOKEN, StubSite, deciding, decision, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

NO_LIMIT = 'data-timeout="600000"'  # what reveals a slot is then the answer, however slow this machine is
VARIANT = '<p elementtiming="variant">Variant</p>'


async def painted(page: Page, name: str) -> list[str]:
    """What was painted, in order, once `name` has been."""
    await page.wait_for_function("name => painted.includes(name)", arg=name)
    found: list[str] = await page.evaluate("painted")
    return found


@pytest.mark.parametrize("path", ["/styled.html", "/guarded.html"])
async def test_row_10_no_frame_shows_the_original_before_its_replacement(
    page: Page, site: StubSite, path: str
) -> None:
    """On a page whose style sheet takes longer than the tag; and on one with the style of the docs, where the
    script comes long after the first frame."""
    site.tag, site.delay = NO_LIMIT, 0.1
    site.answer = deciding(hero=decision(VARIANT))
    if path == "/guarded.html":
        site.script_gate.clear()
    loading = asyncio.create_task(page.goto(site.url(path)))
    if path == "/guarded.html":
        await page.wait_for_function("window.painted?.includes('heading')")
        site.script_gate.set()
    await loading
    assert "original" not in await painted(page, "variant")
    assert await page.evaluate("frames_") == ["Variant"]
    assert await page.evaluate("shifts.reduce((sum, shift) => sum + shift, 0)") == 0


async def test_row_10_no_answer_means_the_original_is_painted(page: Page, site: StubSite) -> None:
    """The same measurement sees the original where there is one to see."""
    site.delay, site.tag = None, 'data-timeout="100"'
    await page.goto(site.url("/spa.html"))
    await page.evaluate("draw('/a')")
    assert "original /a" in await painted(page, "original /a")


async def test_row_10_a_route_change_paints_no_original(page: Page, site: StubSite) -> None:
    site.tag, site.delay = NO_LIMIT, 0.1

    def answer(beacon: dict[str, Any]) -> Any:
        path = site.events("page")[-1]["url"].removeprefix(site.base)
        variant = decision(f'<p elementtiming="variant {path}">Variant of {path}</p>')
        return {"v": TOKEN, "decisions": dict.fromkeys(beacon["slots"], None) | {"hero": variant}}

    site.answer = answer
    await opened(page, site, "/spa.html")
    for path in ("/a", "/b", "/a"):
        await page.evaluate("path => go(path)", path)
        await expect(page.locator(HERO)).to_have_text(f"Variant of {path}")
        await expect(page.locator(HERO)).to_be_visible()
    seen = await painted(page, "variant /a")
    assert not [name for name in seen if name.startswith("original")]
    assert [text for text in await page.evaluate("frames_") if "Original of" in text] == []


async def test_row_10_what_stays_through_a_route_change_is_not_hidden(page: Page, site: StubSite) -> None:
    site.tag = NO_LIMIT
    site.answer = deciding(banner=decision("<b>Variant banner</b>"), hero=None)
    await opened(page, site, "/spa.html")
    await expect(page.locator("[data-kz-slot=banner] b")).to_be_visible()
    site.delay = None
    await page.evaluate("go('/a')")
    await until(lambda: len(site.events("page")) == 2)
    await expect(page.locator(HERO)).to_have_css("visibility", "hidden")
    await expect(page.locator("[data-kz-slot=banner] b")).to_be_visible()


async def test_row_10_a_slot_drawn_later_is_hidden_asked_for_and_filled(page: Page, site: StubSite) -> None:
    site.tag = NO_LIMIT
    site.answer = lambda beacon: {
        "v": TOKEN,
        "decisions": {name: decision(f'<p elementtiming="variant">{name}!</p>') for name in beacon["slots"]},
    }
    await opened(page, site, "/spa.html")
    site.delay = 0.1
    before = len(site.events())
    await page.evaluate("drawLater('reviews')")
    await expect(page.locator("[data-kz-slot=reviews]")).to_have_text("reviews!")
    assert "original reviews" not in await painted(page, "variant")
    asked = [beacon for beacon in site.beacons if "reviews" in beacon["slots"]]
    assert asked[0]["events"] == []  # no event makes it known: the slot alone is asked for
    assert [event for event in site.events()[before:] if event["type"] != "engage"] == []
    await page.evaluate("drawLater('reviews')")  # known by now: filled before it is painted, nobody is asked
    await expect(page.locator("[data-kz-slot=reviews]").nth(1)).to_have_text("reviews!")
    assert "original reviews" not in await page.evaluate("painted")


# ---- Frameworks that draw a slot anew ----------------------------------------------------------------------


WAYS = ["replaceElement", "innerHTML", "textContent", "replaceChildren", "loneText"]


@pytest.mark.parametrize("kind", ["html", "text"])
async def test_a_slot_drawn_anew_is_filled_anew(page: Page, site: StubSite, kind: str) -> None:
    site.tag = NO_LIMIT
    shown = decision("<b>Variant</b>") if kind == "html" else decision(text="Variant")
    site.answer = lambda beacon: {
        "v": TOKEN,
        "decisions": {"hero": None if wanted(beacon) == "off" else shown},
    }
    slot = page.locator(HERO)
    for way in WAYS:
        await opened(page, site, "/rerendering.html")
        await expect(slot).to_have_text("Variant")
        for n in range(1, 4):
            state = await page.evaluate(
                "async ([way, n]) => { ways[way](n); await null; return slot().innerText }", [way, n]
            )
            assert state == "Variant", way  # before any frame could be painted
        await page.evaluate("kizashi.track('off')")
        await expect(slot).to_have_text("Original 3")  # the newest, not the one of load


async def test_a_page_that_undoes_every_swap_is_not_fought_forever(page: Page, site: StubSite) -> None:
    site.tag = NO_LIMIT
    site.answer = deciding(hero=decision("<b>Variant</b>"))
    await page.add_init_script(
        """window.undone = 0
        new MutationObserver(() => {
          const slot = document.querySelector('[data-kz-slot]')
          if (slot?.innerHTML.includes('<b>Variant')) { undone++; slot.innerHTML = 'Mine' }
        }).observe(document, { childList: true, subtree: true })"""
    )
    await opened(page, site, "/rerendering.html")  # would hang here
    await page.wait_for_function("undone > 10")
    assert await page.inner_text(HERO) in ("Mine", "Variant")
    await page.evaluate("kizashi.track('alive')")
    await until(lambda: "alive" in site.names())


async def test_attributes_written_anew_are_set_anew(page: Page, site: StubSite) -> None:
    site.answer = lambda beacon: {
        "v": TOKEN,
        "decisions": {
            "link": None if "off" in site.names() else decision(attr={"href": "/ours", "title": "Ours"})
        },
    }
    await opened(page, site, "/attributes.html")
    link = page.locator("#link")
    await expect(link).to_have_attribute("href", "/ours")
    await page.evaluate("document.querySelector('#link').setAttribute('href', '/theirs')")
    await expect(link).to_have_attribute("href", "/ours")
    await page.evaluate("kizashi.track('off')")
    await expect(link).to_have_attribute("href", "/theirs")
    assert await link.get_attribute("title") is None
