"""The browser snippet in a real Chromium, against a beacon endpoint that records and answers as told."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser import chromium
from tests.e2e.stub_site import TOKEN, StubSite, decision, ids, stub_site, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

NOON = 1_800_000_000_000  # epoch ms; where the tests' own clock stands
ORIGINAL = '<p>Original hero</p><button id="own">own</button>'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium(without=["--disable-back-forward-cache"]) as context:
        assert context.browser is not None
        yield context.browser


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[StubSite]:
    async with stub_site() as served:
        yield served


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser profile of its own."""
    fresh = await browser.new_context()
    fresh.set_default_timeout(30_000)
    yield fresh
    await fresh.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A tab that fails its test where anything was thrown in it, or its console holds an error that is not
    the browser's own line about a failed request."""
    tab = await context.new_page()
    thrown: list[str] = []
    tab.on("pageerror", lambda error: thrown.append(str(error)))
    tab.on("console", lambda line: thrown.append(line.text) if line.type == "error" else None)
    yield tab
    assert [line for line in thrown if not line.startswith("Failed to load resource:")] == []


async def opened(page: Page, site: StubSite, path: str = "/plain.html") -> None:
    """Opens the page and waits until its page view has been answered and is remembered."""
    before = len(site.beacons)
    await page.goto(site.url(path))
    await until(lambda: len(site.beacons) > before)
    await page.wait_for_function("localStorage.kz")


async def stop_clock(page: Page) -> None:
    """The page's time then passes in `page.clock.run_for` alone. Before `goto`."""
    await page.clock.install(time=NOON / 1000)
    # Requests take real time: by a clock turned forward they would all seem to take too long.
    await page.add_init_script("AbortSignal.timeout = undefined")
    await page.clock.pause_at(NOON / 1000 + 1)


async def set_hidden(page: Page, hidden: bool) -> None:
    """What a switch of tabs looks like to the page: headless Chromium shows every tab at once."""
    await page.evaluate(
        """hidden => {
          const set = (name, value) => Object.defineProperty(document, name, { value, configurable: true })
          set('hidden', hidden)
          set('visibilityState', hidden ? 'hidden' : 'visible')
          document.dispatchEvent(new Event('visibilitychange'))
        }""",
        hidden,
    )


async def visibility(page: Page, selector: str) -> str:
    value: str = await page.eval_on_selector(selector, "element => getComputedStyle(element).visibility")
    return value


def engaged_spans(site: StubSite) -> list[int]:
    """`engaged_ms` of every engage event received."""
    return [event["props"]["engaged_ms"] for event in site.events("engage")]


async def scroll_to(page: Page, y: float) -> None:
    """Scrolls, and waits until the page has been told."""
    await page.evaluate(
        "y => new Promise(done => { addEventListener('scroll', () => done(), { once: true }); scrollTo(0, y) })",
        y,
    )


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ---- What a beacon is --------------------------------------------------------------------------------------


async def test_page_view_is_one_beacon_in_the_contract_s_shape(page: Page, site: StubSite) -> None:
    await opened(page, site)
    (beacon,) = site.beacons
    (event,) = beacon["events"]
    assert set(beacon) == {"site", "sentAt", "lang", "events", "slots"}  # no `v` before the server gave one
    assert (beacon["site"], beacon["lang"]) == ("demo", "ja")
    assert beacon["slots"] == ["hero", "side", "constructor"]
    assert set(event) == {"id", "type", "name", "url", "title", "ref", "at", "props"}
    assert (event["type"], event["name"], event["url"]) == ("page", "page", site.url())
    assert (event["title"], event["ref"], event["props"]) == ("Acme ERP", "", {})
    assert isinstance(event["at"], int)
    assert event["at"] <= beacon["sentAt"]
    assert len(event["id"]) == 28
    assert event["id"].isalnum()
    assert site.requests[0]["Content-Type"].startswith("text/plain")


async def test_token_is_remembered_and_sent_with_the_next_page(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.click("#next")
    await until(lambda: len(site.events("page")) == 2)
    assert site.beacons[-1]["v"] == TOKEN
    assert site.events("page")[-1]["ref"] == site.url()


async def test_the_tag_twice_is_one_page_view(page: Page, site: StubSite) -> None:
    await opened(page, site, "/twice.html")
    await page.evaluate("kizashi.track('last')")
    await until(lambda: site.events("track"))
    assert [event["type"] for event in site.events()] == ["page", "track"]


async def test_another_origin_is_asked_without_a_preflight(page: Page, site: StubSite) -> None:
    site.tag = f'data-host="{site.base.replace("127.0.0.1", "localhost")}/"'
    site.answer = lambda _: {"v": TOKEN, "decisions": {"side": decision("<b>from afar</b>")}}
    await opened(page, site)  # the stub answers no OPTIONS request
    assert "localhost" in site.requests[0]["Host"]
    assert site.requests[0]["Origin"] == site.base
    await page.evaluate("kizashi.track('a')")
    await expect(page.locator("[data-kz-slot=side] b")).to_have_text("from afar")


async def test_works_when_a_tag_manager_adds_it_after_load(page: Page, site: StubSite) -> None:
    site.answer = lambda _: {"v": TOKEN, "decisions": {"hero": decision("<b>late tag</b>")}}
    await opened(page, site, "/manager.html")
    await expect(page.locator("[data-kz-slot=hero]")).to_have_text("late tag")
    assert len(site.events("page")) == 1


async def test_calls_made_before_load_are_sent_in_order(page: Page, site: StubSite) -> None:
    await opened(page, site, "/queued.html")
    await page.evaluate("kizashi('track', 'late', { n: 2 }); kizashi.group('acme', { size: 3 })")
    await page.evaluate("kizashi.alias('u2'); kizashi.page('docs', 'Intro')")
    events = await until(lambda: len(site.events()) >= 7 and site.events())
    assert [
        (event["type"], event["name"], event["props"]) for event in events if event["type"] != "engage"
    ] == [
        ("page", "page", {"name": "Pricing", "plan": "pro"}),  # in place of the automatic one
        ("track", "early", {"n": 1}),
        ("identify", "identify", {"id": "u1", "title": "社長"}),
        ("track", "late", {"n": 2}),
        ("group", "group", {"id": "acme", "size": 3}),
        ("identify", "identify", {"id": "u2"}),
        ("page", "page", {"name": "Intro", "category": "docs"}),
    ]
    assert await page.evaluate("isReady") is True


async def test_no_call_can_throw_into_the_page(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.evaluate(
        """() => {
          const loop = {}; loop.self = loop
          kizashi.track('circular', loop); kizashi.track(); kizashi('nonsense'); kizashi(); kizashi.identify(null)
          kizashi.track('good')
        }"""
    )
    await until(lambda: [event for event in site.events() if event["name"] == "good"])
    assert [event["name"] for event in site.events("track")] == ["good"]


# ---- Page views --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "paths"),
    [
        ("history.pushState({}, '', '/a?x=1')", ["/a?x=1"]),
        ("history.pushState({}, '', '/a'); history.pushState({}, '', '/b')", ["/a", "/b"]),
        ("history.replaceState({}, '', '/a')", ["/a"]),
        ("history.replaceState({ scroll: 9 }, '')", []),
        ("history.pushState({}, '', '#part'); location.hash = 'other'", []),
        ("history.pushState({}, '', '/a'); history.back()", ["/a", "/plain.html"]),
    ],
)
async def test_navigation_inside_the_page(page: Page, site: StubSite, script: str, paths: list[str]) -> None:
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


async def test_new_view_has_the_title_and_slots_the_app_drew_after_pushing(
    page: Page, site: StubSite
) -> None:
    await opened(page, site)
    await page.evaluate(
        """() => {
          history.pushState({}, '', '/pricing')
          document.title = 'Pricing'
          document.querySelector('[data-kz-slot=side]').dataset.kzSlot = 'prices'
        }"""
    )
    await until(lambda: len(site.events("page")) == 2)
    assert site.events("page")[-1]["title"] == "Pricing"
    assert site.beacons[-1]["slots"] == ["hero", "prices", "constructor"]


async def test_back_forward_cache_sends_one_page_view(page: Page, site: StubSite) -> None:
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
    await page.evaluate("kizashi.track('held')")
    assert site.beacons == []
    await set_hidden(page, False)
    await until(lambda: site.beacons)
    assert [event["name"] for event in site.events()] == ["page", "held"]


# ---- Engaged time ------------------------------------------------------------------------------------------


async def test_engaged_time_leaves_out_hidden_and_idle_time(page: Page, site: StubSite) -> None:
    await stop_clock(page)
    await page.goto(site.url())
    await page.clock.run_for(1)
    await until(lambda: site.beacons)
    await page.clock.run_for(4000)
    await set_hidden(page, True)
    await until(lambda: site.events("engage"))
    await page.clock.run_for(60_000)
    await set_hidden(page, False)
    await page.clock.run_for(120_000)  # shown, but after 30 s without input nobody is reading
    await set_hidden(page, True)
    await until(lambda: sum(engaged_spans(site)) >= 34_000)
    assert sum(engaged_spans(site)) <= 34_010


async def test_engaged_time_is_reported_while_it_passes(page: Page, site: StubSite) -> None:
    await stop_clock(page)
    await page.goto(site.url())
    await page.clock.run_for(1)
    await until(lambda: site.beacons)
    for _ in range(12):
        await page.clock.run_for(10_000)
        await page.keyboard.press("Shift")
    await until(lambda: sum(engaged_spans(site)) > 110_000)
    spans = [
        event["props"]["engaged_ms"] for event in sorted(site.events("engage"), key=lambda event: event["at"])
    ]
    assert [round(span, -3) for span in spans[:12]] == [5000] * 12  # the first minute
    assert {round(span, -3) for span in spans[12:]} == {15_000}


async def test_engage_belongs_to_the_view_it_was_spent_on(page: Page, site: StubSite) -> None:
    await stop_clock(page)
    await page.goto(site.url())
    await page.clock.run_for(1)
    await until(lambda: site.beacons)
    await page.clock.run_for(2000)
    await page.evaluate("history.pushState({}, '', '/second')")
    await page.clock.run_for(2000)
    await page.evaluate("kizashi.reset()")
    first, second = await until(lambda: len(site.events("engage")) == 2 and site.events("engage"))
    assert (first["url"], second["url"]) == (site.url(), site.url("/second"))
    assert [event["props"]["engaged_ms"] for event in (first, second)] == [pytest.approx(2000, abs=2)] * 2


async def test_scroll_is_the_deepest_point_since_the_last_event(page: Page, site: StubSite) -> None:
    await stop_clock(page)
    await page.goto(site.url())
    await page.clock.run_for(1)
    await until(lambda: site.beacons)
    await scroll_to(page, 1e6)
    await scroll_to(page, 0)
    await page.clock.run_for(11_000)
    first, second = await until(lambda: len(site.events("engage")) == 2 and site.events("engage"))
    assert first["props"]["scroll"] == 100
    assert 0 < second["props"]["scroll"] < 50


async def test_dwell_changes_the_page_during_the_visit(page: Page, site: StubSite) -> None:
    site.answer = lambda beacon: {
        "v": TOKEN,
        "decisions": {
            "hero": decision("<b>deeper</b>") if beacon["events"][-1]["type"] == "engage" else None
        },
    }
    await opened(page, site)
    await expect(page.locator("[data-kz-slot=hero] b")).to_have_text("deeper", timeout=30_000)


# ---- Clicks and forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "name", "props"),
    [
        ("#pdf", "download", {"href": "/paper.pdf", "text": "White paper"}),
        (
            "#named",
            "whitepaper_download",
            {"href": "/next.html", "text": "Get it", "paper": "erp", "page_count": "12"},
        ),
        ("#inner", "card", {}),
        ("#out", "outbound_click", {"href": "http://localhost:1/elsewhere"}),
    ],
)
async def test_click_is_sent_once_and_survives_navigation(
    page: Page, site: StubSite, selector: str, name: str, props: dict[str, str]
) -> None:
    if props.get("href", "").startswith("/"):
        props = {**props, "href": site.url(props["href"])}
    await opened(page, site)
    await page.locator(selector).click(no_wait_after=True)
    (event,) = await until(lambda: site.events("track"))
    assert (event["name"], event["props"], event["url"]) == (name, props, site.url())


async def test_plain_link_and_right_click_are_no_events(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.click("#pdf", button="right")
    await page.click("#next")
    await until(lambda: len(site.events("page")) == 2)
    assert site.events("track") == []


async def test_form_identifies_by_its_marked_fields_and_never_by_a_password(
    page: Page, site: StubSite
) -> None:
    await opened(page, site)
    await page.click("#submit")
    (event,) = await until(lambda: site.events("identify"))
    assert event["props"] == {"email": "taro@example.com", "role": "部長"}
    assert "hunter" not in str(site.beacons)


# ---- Slots -------------------------------------------------------------------------------------------------


async def test_only_slots_are_hidden_and_only_until_the_timeout(page: Page, site: StubSite) -> None:
    site.delay = None  # no answer while this test runs
    await stop_clock(page)
    await page.goto(site.url())
    assert await visibility(page, "[data-kz-slot=hero]") == "hidden"
    assert await visibility(page, "[data-kz-slot=hero] p") == "hidden"
    assert await visibility(page, "h1") == "visible"
    await page.clock.run_for(299)
    assert await visibility(page, "[data-kz-slot=hero]") == "hidden"
    await page.clock.run_for(1)
    assert await visibility(page, "[data-kz-slot=hero]") == "visible"
    assert await page.inner_html("[data-kz-slot=hero]") == ORIGINAL


async def test_data_timeout_is_the_hiding_limit(page: Page, site: StubSite) -> None:
    site.delay, site.tag = None, 'data-timeout="50"'
    await stop_clock(page)
    await page.goto(site.url())
    assert await visibility(page, "[data-kz-slot=hero]") == "hidden"
    await page.clock.run_for(50)
    assert await visibility(page, "[data-kz-slot=hero]") == "visible"


async def test_answer_in_time_is_what_the_visitor_sees_first(page: Page, site: StubSite) -> None:
    site.answer = lambda _: {"v": TOKEN, "decisions": {"hero": decision("<b>会社様</b>"), "side": None}}
    await stop_clock(page)  # the limit cannot pass: what reveals the slots is the answer
    await page.goto(site.url())
    await page.clock.run_for(1)
    await expect(page.locator("[data-kz-slot=hero] b")).to_have_text("会社様")
    await expect(page.locator("[data-kz-slot=hero] b")).to_be_visible()
    await expect(page.locator("[data-kz-slot=side]")).to_have_text("Original side")


async def test_swap_and_restore_keep_the_page_s_own_nodes(page: Page, site: StubSite) -> None:
    wanted: dict[str, Any] = {
        "first": decision("<i>one</i>"),
        "second": decision("<i>two</i>"),
        "third": None,
    }
    site.answer = lambda beacon: {"v": TOKEN, "decisions": {"hero": wanted.get(beacon["events"][-1]["name"])}}
    await opened(page, site)
    await page.evaluate(
        "document.querySelector('#own').addEventListener('click', () => { window.clicked = 1 })"
    )
    slot = page.locator("[data-kz-slot=hero]")
    for name, html in [("first", "<i>one</i>"), ("second", "<i>two</i>"), ("third", ORIGINAL)]:
        await page.evaluate("name => kizashi.track(name)", name)
        await expect(slot).to_have_js_property("innerHTML", html)
    await page.click("#own")
    assert await page.evaluate("window.clicked") == 1


async def test_scripts_in_a_decision_do_not_run(page: Page, site: StubSite) -> None:
    site.answer = lambda _: {
        "v": TOKEN,
        "decisions": {"hero": decision("<script>window.ran = 1</script><b>x</b>")},
    }
    await opened(page, site)
    await expect(page.locator("[data-kz-slot=hero] b")).to_have_text("x")
    assert await page.evaluate("window.ran") is None


async def test_strict_content_security_policy(page: Page, site: StubSite) -> None:
    site.csp = "default-src 'self'; require-trusted-types-for 'script'; trusted-types kizashi"
    site.answer = lambda _: {"v": TOKEN, "decisions": {"hero": decision("<b>trusted</b>")}}
    site.delay = None  # until told: a page view sent while the page is still parsed could be answered by now
    await stop_clock(page)
    await page.goto(site.url("/strict.html"))
    assert await visibility(page, "[data-kz-slot=hero]") == "hidden"
    await page.clock.run_for(1)
    site.closing.set()
    await expect(page.locator("[data-kz-slot=hero] b")).to_be_visible()


# ---- A server that fails -----------------------------------------------------------------------------------


async def test_slow_server_leaves_the_original(page: Page, site: StubSite) -> None:
    site.delay = 2
    site.answer = lambda _: {"v": TOKEN, "decisions": {"hero": decision("<b>too late</b>")}}
    await opened(page, site)  # returns once the answer has come
    assert await visibility(page, "[data-kz-slot=hero]") == "visible"
    assert await page.inner_html("[data-kz-slot=hero]") == ORIGINAL


async def test_dead_server_leaves_the_page_as_it_is(page: Page, site: StubSite) -> None:
    site.tag = f'data-host="http://127.0.0.1:{unused_port()}"'
    await page.goto(site.url())
    await page.wait_for_function("sessionStorage.kz")  # the page view has failed, and waits for the next try
    assert await visibility(page, "[data-kz-slot=hero]") == "visible"
    assert await page.inner_html("[data-kz-slot=hero]") == ORIGINAL
    assert await page.evaluate("document.querySelectorAll('[style]:not(div)').length") == 0
    await page.evaluate("kizashi.track('still works'); kizashi.reset()")


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
        (200, '{"decisions": {"hero": 5, "side": {"html": {"a": 1}}, "constructor": {}}}'),
        (200, '{"decisions": {"hero": {"html": null}}, "v": {"x": 1}}'),
        (200, '{"__proto__": {"html": "polluted"}, "decisions": {"__proto__": {"html": "polluted"}}}'),
    ],
)
async def test_rubbish_answers_change_nothing(page: Page, site: StubSite, status: int, answer: str) -> None:
    site.answer = lambda _: web.Response(text=answer, status=status, content_type="application/json")
    await page.goto(site.url())
    await until(lambda: site.beacons)
    await page.evaluate("kizashi.track('second')")
    await until(lambda: site.events("track"))
    await expect(page.locator("[data-kz-slot=hero]")).to_have_css("visibility", "visible")
    assert await page.inner_html("[data-kz-slot=hero]") == ORIGINAL
    assert await page.inner_text("[data-kz-slot=constructor]") == "Original odd"
    assert await page.evaluate("({}).html") is None


async def test_failed_events_are_repeated_under_the_same_ids(page: Page, site: StubSite) -> None:
    site.answer = lambda _: web.Response(status=503)
    await page.goto(site.url())
    await page.wait_for_function("sessionStorage.kz")
    await page.evaluate("kizashi.track('download')")
    await until(lambda: site.events("track"))
    await page.wait_for_function("JSON.parse(sessionStorage.kz).length > 1")
    failed = [*ids(site.events("page"))][:1] + [*ids(site.events("track"))][:1]
    site.beacons.clear()
    site.answer = lambda _: {"v": TOKEN, "decisions": {}}
    await page.wait_for_function("!sessionStorage.kz", timeout=60_000)  # by itself, after a back-off
    assert [*ids(site.events())][:2] == failed
    assert len(site.events("page")) == 1


async def test_failed_events_are_sent_by_the_next_page_of_the_tab(page: Page, site: StubSite) -> None:
    site.answer = lambda _: web.Response(status=503)
    await page.goto(site.url())
    await page.wait_for_function("sessionStorage.kz")
    (first,) = set(ids(site.events("page")))
    site.beacons.clear()
    site.answer = lambda _: (
        {"v": TOKEN, "decisions": {}} if len(site.events("page")) > 1 else web.Response(status=503)
    )
    await page.goto(site.url("/next.html"))
    await until(lambda: len(set(ids(site.events("page")))) == 2)
    assert first in set(ids(site.events("page")))


async def test_refused_events_are_dropped(page: Page, site: StubSite) -> None:
    site.answer = lambda _: web.json_response({"error": {"code": "bad"}}, status=400)
    await page.goto(site.url())
    await until(lambda: site.beacons)
    await page.evaluate("kizashi.track('next')")
    await until(lambda: site.events("track"))
    assert [event["type"] for event in site.events()] == ["page", "track"]
    assert await page.evaluate("sessionStorage.kz") is None


async def test_second_beacon_waits_for_the_first_token(page: Page, site: StubSite) -> None:
    """Two beacons without a token would make two visitors."""
    site.delay = 0.5
    await page.goto(site.url())
    await until(lambda: site.beacons)
    await page.evaluate("kizashi.track('a'); kizashi.track('b')")
    await until(lambda: len(site.events("track")) == 2)
    assert [beacon.get("v") for beacon in site.beacons] == [None, TOKEN]


async def test_no_beacon_outgrows_what_a_leaving_page_may_send(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.evaluate("for (let i = 0; i < 12; i++) kizashi.track('big', { i, text: '字'.repeat(6000) })")
    await until(lambda: len(site.events("track")) == 12, seconds=60)
    assert sorted(event["props"]["i"] for event in site.events("track")) == [*range(12)]
    assert max(int(headers["Content-Length"]) for headers in site.requests) < 65_536


# ---- Privacy -----------------------------------------------------------------------------------------------


async def test_global_privacy_control_sends_and_stores_nothing(page: Page, site: StubSite) -> None:
    await page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    await page.goto(site.url())
    await page.evaluate("kizashi.track('a'); kizashi.consent(true); kizashi.optOut(); kizashi.reset()")
    await page.click("#named")
    await page.wait_for_url("**/next.html")
    assert site.beacons == []
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0
    await page.goto(site.url())
    assert await visibility(page, "[data-kz-slot=hero]") == "visible"


async def test_nothing_happens_before_consent(page: Page, site: StubSite) -> None:
    site.tag = 'data-consent="required"'
    await page.goto(site.url())
    await page.evaluate("kizashi.track('held')")
    await page.click("#inner")
    assert await visibility(page, "[data-kz-slot=hero]") == "visible"
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert site.beacons == []
    await page.evaluate("kizashi.consent(true)")
    await page.wait_for_function("localStorage.kz")
    assert [event["name"] for event in site.events()] == ["page", "held"]
    await page.evaluate("kizashi.consent(false); kizashi.track('after')")
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0
    await page.evaluate("kizashi.consent(true); kizashi.track('again')")
    await until(lambda: site.events()[-1]["name"] == "again")
    assert "after" not in [event["name"] for event in site.events()]


async def test_opting_out_lasts_until_it_is_taken_back(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.evaluate("kizashi.optOut(); kizashi.track('a')")
    await page.goto(site.url("/next.html"))
    await page.evaluate("kizashi.track('b')")
    await page.goto(site.url())
    assert await page.evaluate("localStorage.kz") == "-"
    assert [event["type"] for event in site.events()] == ["page"]
    await page.evaluate("kizashi.optOut(false)")
    await opened(page, site, "/next.html")
    assert site.events("page")[-1]["url"] == site.url("/next.html")


async def test_reset_makes_the_next_event_another_visitor_s(page: Page, site: StubSite) -> None:
    site.answer = lambda beacon: {
        "v": "visitor-2.signature" if beacon.get("reset") else TOKEN,
        "decisions": {},
    }
    await opened(page, site)
    await page.evaluate("kizashi.track('mine'); kizashi.reset()")
    await page.goto(site.url("/next.html"))  # the reset outlives the page it was asked for on
    await until(lambda: len(site.events("page")) == 2)
    await page.wait_for_function("localStorage.kz === 'visitor-2.signature'")
    await page.evaluate("kizashi.track('theirs')")
    await until(lambda: site.events()[-1]["name"] == "theirs")
    seen = {
        event["name"]: (beacon.get("v"), beacon.get("reset"), event["url"] == site.url("/next.html"))
        for beacon in site.beacons
        for event in beacon["events"]
        if event["type"] != "engage"
    }
    assert seen == {
        "mine": (TOKEN, None, False),
        "page": (None, True, True),
        "theirs": ("visitor-2.signature", None, True),
    }


async def test_works_where_storage_is_refused(page: Page, site: StubSite) -> None:
    await page.add_init_script(
        "for (const area of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, area, { get() { throw new DOMException('no', 'SecurityError') } })"
    )
    await page.goto(site.url())
    await until(lambda: site.beacons)
    await page.evaluate("kizashi.track('a')")
    await until(lambda: site.events("track"))
    assert site.beacons[-1]["v"] == TOKEN
