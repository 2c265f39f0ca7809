"""Page views (convention 4): single-page apps, the back-forward cache, many fast navigations."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.browser import FLAGS, chromium_path
from tests.e2e.snippet_page import opened, set_hidden
from tests.e2e.stub_site import StubSite, ids, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

NAVIGATIONS = [
    ("history.pushState({}, '', '/a?x=1')", ["/a?x=1"]),
    ("history.pushState({}, '', '/a'); history.pushState({}, '', '/b')", ["/a", "/b"]),
    ("history.replaceState({}, '', '/a')", ["/a"]),
    ("history.replaceState({ scroll: 9 }, '')", []),
    ("history.pushState({}, '', '#part'); location.hash = 'other'", []),
    ("history.pushState({}, '', '/a'); history.back()", ["/a", "/plain.html"]),
]


@pytest.mark.parametrize(("script", "paths"), NAVIGATIONS)
async def test_row_04_navigation_inside_the_page_is_one_page_view_each(
    page: Page, site: StubSite, script: str, paths: list[str]
) -> None:
    await opened(page, site)
    await page.evaluate(script)
    if "back" in script:
        await page.wait_for_url("**/plain.html")
    await until(lambda: len(site.events("page")) > len(paths))
    await page.evaluate("kizashi.track('last')")
    await until(lambda: site.events("track"))
    views = site.events("page")
    assert [view["url"] for view in views] == [site.url(), *map(site.url, paths)]
    assert [view["ref"] for view in views] == ["", *[view["url"] for view in views[:-1]]]


async def test_row_04_a_browser_without_the_navigation_api_is_watched(page: Page, site: StubSite) -> None:
    await page.add_init_script("Object.defineProperty(window, 'navigation', { value: undefined })")
    await opened(page, site)
    await page.evaluate("history.pushState({}, '', '/a'); document.title = 'A'")
    await until(lambda: len(site.events("page")) == 2)  # by the change of the page
    await page.evaluate("history.pushState({}, '', '/b')")
    await until(lambda: len(site.events("page")) == 3)  # within a second
    await page.evaluate("kizashi.track('last')")
    await until(lambda: site.events("track"))
    assert [view["url"] for view in site.events("page")] == [site.url(), site.url("/a"), site.url("/b")]


async def test_row_04_new_view_has_the_title_and_slots_the_app_drew_after_pushing(
    page: Page, site: StubSite
) -> None:
    await opened(page, site)
    await page.evaluate(
        """() => {
          history.pushState({}, '', '/pricing')
          document.title = 'Pricing'
          document.querySelector('[data-kz-slot=side]').outerHTML = '<aside data-kz-slot="prices"></aside>'
        }"""
    )
    await until(lambda: len(site.events("page")) == 2)
    assert site.events("page")[-1]["title"] == "Pricing"
    assert site.beacons[-1]["slots"] == ["hero", "prices", "constructor"]


async def test_row_04_back_forward_cache_sends_one_page_view(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.evaluate("window.kept = true")
    await opened(page, site, "/next.html")
    await page.evaluate("history.back()")
    await until(lambda: len(site.events("page")) == 3)
    assert await page.evaluate("window.kept") is True  # the page itself came back, it was not loaded anew
    await page.evaluate("kizashi.track('last')")
    await until(lambda: site.events("track"))
    assert [view["url"] for view in site.events("page")] == [site.url(), site.url("/next.html"), site.url()]
    assert len(set(ids(site.events("page")))) == 3


async def test_a_tab_opened_in_the_background_counts_when_it_is_shown(page: Page, site: StubSite) -> None:
    await page.add_init_script(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true })"
    )
    await page.goto(site.url())
    await page.wait_for_function("kizashi.version")
    await page.evaluate("kizashi.track('held')")
    assert site.beacons == []
    await set_hidden(page, False)
    await until(lambda: site.beacons)
    assert site.names() == ["page", "held"]


async def test_a_prerendered_page_counts_from_its_activation(site: StubSite, tmp_path: Path) -> None:
    """Speculation Rules: the browser renders the next page, runs its scripts, and shows it 1.5 s later.

    A browser that is remote-controlled does not prerender: this one follows what the pages' own scripts do.
    """
    command = [*FLAGS, "--remote-debugging-port=0", f"--user-data-dir={tmp_path}"]
    browser = await asyncio.create_subprocess_exec(
        chromium_path(), *command, site.url("/prerendering.html"), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: "prerendered.html" in site.pages)
        await until(lambda: site.events("engage"))
    finally:
        browser.terminate()
        await browser.wait()
    assert site.pages == ["prerendering.html", "prerendered.html"]  # it came up as it was
    assert site.names() == ["page", "activated"]
    (view,), (activated,), (engaged,) = (site.events(kind) for kind in ("page", "track", "engage"))
    assert activated["props"]["prerendered"] is True
    assert activated["props"]["waited"] > 500  # so long it was there, unseen
    assert (view["url"], view["ref"]) == (site.url("/prerendered.html"), site.url("/prerendering.html"))
    assert view["at"] >= activated["at"] - 500
    assert 0 < engaged["props"]["engaged_ms"] <= engaged["at"] - view["at"] + 250
    assert site.beacons[0]["slots"] == ["hero"]


async def test_nothing_of_a_page_happens_while_it_is_prerendering(page: Page, site: StubSite) -> None:
    """The same by a page that says so of itself: no view, no engaged time, nothing asked for its slots."""
    await page.clock.install()
    await page.add_init_script(
        """const set = (name, value) => Object.defineProperty(document, name, { value, configurable: true })
        set('prerendering', true); set('hidden', true); set('visibilityState', 'hidden')"""
    )
    await page.goto(site.url())
    await page.wait_for_function("kizashi.version", polling=50)
    await page.evaluate("dispatchEvent(new Event('pointermove')); kizashi.track('held')")
    await page.clock.run_for(40_000)
    assert site.beacons == []
    assert await page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    await page.evaluate(
        """Object.defineProperty(document, 'prerendering', { value: false, configurable: true })
        document.dispatchEvent(new Event('prerenderingchange'))"""
    )
    await set_hidden(page, False)
    await until(lambda: site.beacons)
    assert site.names() == ["page", "held"]
    await set_hidden(page, True)
    await until(lambda: site.answered == len(site.beacons))
    shown = await page.evaluate("Date.now()") - site.events("page")[0]["at"]
    assert sum(event["props"]["engaged_ms"] for event in site.events("engage")) <= shown < 30_000


@pytest.mark.parametrize(
    "inside", [pytest.param(90, id="short"), pytest.param(900, id="whole", marks=pytest.mark.soak)]
)
async def test_fast_navigations_lose_and_double_nothing(page: Page, site: StubSite, inside: int) -> None:
    """Many inside an app, in bursts faster than any answer, then 100 pages left as soon as they have loaded."""
    site.delay = 0.05
    await opened(page, site)
    await page.evaluate(
        """async (inside) => {
          for (let i = 0; i < inside; i++) {
            history.pushState({}, '', `/app/${i}`)
            if (i % 90 === 0) await new Promise((done) => setTimeout(done, 10))
          }
        }""",
        inside,
    )
    await page.goto(site.url("/hop.html?0"), wait_until="commit")
    await page.wait_for_url("**/next.html", timeout=60_000)
    urls = [site.url(), *(site.url(f"/app/{i}") for i in range(inside))]
    urls += [*(site.url(f"/hop.html?{i}") for i in range(100)), site.url("/next.html")]
    await until(lambda: len(set(ids(site.events("page")))) >= len(urls), seconds=60)
    counts = Counter(view["url"] for view in site.events("page"))
    assert {url: counts[url] for url in urls} == dict.fromkeys(urls, 1)  # on the wire too
    assert len(counts) == len(urls)
    assert max(len(beacon["events"]) for beacon in site.beacons) <= 100  # what the server takes at once
