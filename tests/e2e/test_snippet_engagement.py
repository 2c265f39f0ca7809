"""Engaged time and scroll depth (convention 6), clicks and forms."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.e2e.snippet_page import HERO, engaged_spans, opened, scroll_to, set_hidden, stop_clock
from tests.e2e.stub_site import TOKEN, StubSite, decision, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def start(page: Page, site: StubSite) -> None:
    """The page under the tests' own clock, its page view answered."""
    await stop_clock(page)
    await page.goto(site.url())
    await page.clock.run_for(1)
    await until(lambda: site.beacons)
    await page.wait_for_function("localStorage.kz")


async def test_row_06_engaged_time_leaves_out_hidden_and_idle_time(page: Page, site: StubSite) -> None:
    await start(page, site)
    await page.clock.run_for(4000)
    await set_hidden(page, True)
    await until(lambda: site.events("engage"))
    await page.clock.run_for(60_000)
    await set_hidden(page, False)
    await page.clock.run_for(120_000)  # shown, but after 30 s without input nobody is reading
    await set_hidden(page, True)
    await until(lambda: sum(engaged_spans(site)) >= 33_000)
    assert sum(engaged_spans(site)) <= 35_010  # the clock is read once a second


async def test_row_06_a_tab_in_the_background_counts_nothing(page: Page, site: StubSite) -> None:
    await start(page, site)
    await set_hidden(page, True)
    await page.clock.run_for(300_000)
    await page.evaluate("dispatchEvent(new Event('keydown')); dispatchEvent(new Event('pointermove'))")
    await page.clock.run_for(300_000)
    await page.evaluate("kizashi.track('last')")
    await until(lambda: "last" in site.names())
    assert engaged_spans(site) == []


async def test_row_06_a_clock_set_back_takes_no_time_away(page: Page, site: StubSite) -> None:
    await page.add_init_script("const { now } = Date; window.back = 0; Date.now = () => now() - window.back")
    await start(page, site)
    await page.clock.run_for(3000)
    await page.evaluate("window.back = 3600e3")
    await page.clock.run_for(4000)
    await page.evaluate("kizashi.reset()")
    await until(lambda: site.events("engage"))
    assert 5000 <= sum(engaged_spans(site)) <= 7010


async def test_engaged_time_is_reported_while_it_passes(page: Page, site: StubSite) -> None:
    """First after five seconds, then at intervals that grow by a ninth of the time so far."""
    await start(page, site)
    for _ in range(12):
        await page.clock.run_for(10_000)
        await page.keyboard.press("Shift")
    await until(lambda: sum(engaged_spans(site)) > 100_000)
    spans = engaged_spans(site)
    assert 5000 < spans[0] <= 6010
    for i, span in enumerate(spans):
        assert 5000 + sum(spans[:i]) / 9 < span <= 5000 + sum(spans[:i]) / 9 + 2010


async def test_engage_belongs_to_the_view_it_was_spent_on(page: Page, site: StubSite) -> None:
    await start(page, site)
    await page.clock.run_for(2000)
    await page.evaluate("history.pushState({}, '', '/second')")
    await page.clock.run_for(2000)
    await page.evaluate("kizashi.reset()")
    first, second = await until(lambda: len(site.events("engage")) == 2 and site.events("engage"))
    assert (first["url"], second["url"]) == (site.url(), site.url("/second"))
    assert [event["props"]["engaged_ms"] for event in (first, second)] == [pytest.approx(2000, abs=60)] * 2


async def test_scroll_is_the_deepest_point_since_the_last_event(page: Page, site: StubSite) -> None:
    await start(page, site)
    await scroll_to(page, 1e6)
    await scroll_to(page, 0)
    for _ in range(2):
        await page.clock.run_for(7000)
    first, second = await until(lambda: len(site.events("engage")) >= 2 and site.events("engage")[:2])
    assert first["props"]["scroll"] == 100
    assert 0 < second["props"]["scroll"] < 50


async def test_dwell_changes_the_page_during_the_visit(page: Page, site: StubSite) -> None:
    site.answer = lambda beacon: {
        "v": TOKEN,
        "decisions": {"hero": decision("<b>deeper</b>") if site.events("engage") else None},
    }
    await start(page, site)
    await page.clock.run_for(7000)
    await expect(page.locator(f"{HERO} b")).to_have_text("deeper")


# ---- Clicks and forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "button", "name", "props"),
    [
        ("#pdf", "left", "download", {"href": "/paper.pdf", "text": "White paper"}),
        ("#attribute", "left", "download", {"href": "/next.html", "text": "As a file"}),
        (
            "#named",
            "left",
            "whitepaper_download",
            {"href": "/next.html", "text": "Get it", "paper": "erp", "page_count": "12"},
        ),
        ("#inner", "left", "card", {}),
        ("#out", "left", "outbound_click", {"href": "http://localhost:1/elsewhere", "text": "elsewhere"}),
        ("#out", "middle", "outbound_click", {"href": "http://localhost:1/elsewhere", "text": "elsewhere"}),
    ],
)
async def test_click_is_sent_once_and_survives_navigation(
    page: Page, site: StubSite, selector: str, button: str, name: str, props: dict[str, str]
) -> None:
    if props.get("href", "").startswith("/"):
        props = {**props, "href": site.url(props["href"])}
    await opened(page, site)
    await page.locator(selector).click(no_wait_after=True, button=button)  # type: ignore[arg-type]
    (event,) = await until(lambda: site.events("track"))
    assert (event["name"], event["props"], event["url"]) == (name, props, site.url())


async def test_plain_links_mail_links_and_right_clicks_are_no_events(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.click("#pdf", button="right")
    await page.evaluate(
        "document.querySelector('#mail').addEventListener('click', (e) => e.preventDefault())"
    )
    await page.click("#mail")
    await page.click("#next")
    await until(lambda: len(site.events("page")) == 2)
    assert site.events("track") == []


async def test_form_sends_only_the_fields_the_site_marked_and_no_secret(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.click("#submit")
    await until(lambda: "form_submit" in site.names())
    (identify,) = site.events("identify")
    assert identify["props"] == {"email": "taro@example.com", "role": "部長", "plan": "pro"}
    (submitted,) = site.events("track")
    assert (submitted["name"], submitted["props"]) == ("form_submit", {"form": "form"})
    sent = str([event["props"] for event in site.events()])
    for secret in ("hunter", "4111", "c0de", "not marked", "unticked", "free"):
        assert secret not in sent


async def test_a_form_that_the_site_did_not_mark_sends_no_value(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.click("#ask")
    (event,) = await until(lambda: site.events("track"))
    assert (event["name"], event["props"]) == ("quote_asked", {"form": "quote", "product": "erp"})
    assert site.events("identify") == []
    assert "private" not in str([event["props"] for event in site.events()])
