"""The tag, the API and the beacon (conventions 1 to 3), in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.e2e.snippet_page import HERO, opened, wanted
from tests.e2e.stub_site import TOKEN, StubSite, deciding, decision, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_page_view_is_one_beacon_in_the_contract_s_shape(page: Page, site: StubSite) -> None:
    await opened(page, site)
    (beacon,) = site.beacons
    (event,) = beacon["events"]
    assert set(beacon) == {
        "site",
        "reset",
        "sentAt",
        "lang",
        "events",
        "slots",
    }  # no `v` before the server gave one
    assert (beacon["site"], beacon["lang"], beacon["reset"]) == ("demo", "ja", False)
    assert beacon["slots"] == ["hero", "side", "constructor"]
    assert set(event) == {"id", "type", "name", "url", "title", "ref", "at", "props"}
    assert (event["type"], event["name"], event["url"]) == ("page", "page", site.url())
    assert (event["title"], event["ref"], event["props"]) == ("Acme ERP", "", {})
    assert isinstance(event["at"], int)
    assert event["at"] <= beacon["sentAt"]
    assert event["id"].startswith(str(event["at"]))
    assert 20 < len(event["id"]) <= 40
    assert site.requests[0]["Content-Type"].startswith("text/plain")


async def test_token_is_remembered_and_sent_with_the_next_page(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.click("#next")
    await until(lambda: len(site.events("page")) == 2)
    assert site.beacons[-1]["v"] == TOKEN
    assert site.events("page")[-1]["ref"] == site.url()


async def test_row_01_the_api_follows_analytics_js(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.evaluate(
        """() => {
          kizashi.track('bought', { seats: 3 })
          kizashi('track', 'called as a function')
          kizashi.identify('u1', { title: '社長' })
          kizashi.identify({ email: 'a@example.com' })
          kizashi.identify(42)
          kizashi.identify(null, { role: 'CTO' })
          kizashi.group('acme', { size: 3 })
          kizashi.group({ industry: 'retail' })
          kizashi.alias('u2')
          kizashi.alias('u3', 'u2')
          kizashi.page()
          kizashi.page('Pricing')
          kizashi.page({ plan: 'pro' })
          kizashi.page('docs', 'Intro', { n: 1 })
          kizashi.track('with what analytics.js takes besides', {}, { integrations: {} }, () => {})
          kizashi.track('no properties', () => {})
        }"""
    )
    await until(lambda: len(site.names()) >= 17)
    sent = [(e["type"], e["name"], e.get("props")) for e in site.events() if e["type"] != "engage"]
    assert sent[1:] == [
        ("track", "bought", {"seats": 3}),
        ("track", "called as a function", None),
        ("identify", "identify", {"id": "u1", "title": "社長"}),
        ("identify", "identify", {"email": "a@example.com"}),
        ("identify", "identify", {"id": 42}),
        ("identify", "identify", {"role": "CTO"}),
        ("group", "group", {"id": "acme", "size": 3}),
        ("group", "group", {"industry": "retail"}),
        ("identify", "identify", {"id": "u2"}),
        ("identify", "identify", {"id": "u3"}),
        ("page", "page", {}),
        ("page", "page", {"name": "Pricing"}),
        ("page", "page", {"plan": "pro"}),
        ("page", "page", {"name": "Intro", "category": "docs", "n": 1}),
        ("track", "with what analytics.js takes besides", {}),
        ("track", "no properties", None),
    ]


async def test_row_01_ready_calls_back_before_and_after_load_and_without_tracking(
    page: Page, site: StubSite
) -> None:
    await page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    await page.goto(site.url("/queued.html"))
    await page.wait_for_function("window.isReady")
    assert await page.evaluate("new Promise((done) => kizashi.ready(done))") is None
    assert await page.evaluate("kizashi.ready()") is None


async def test_row_01_what_a_ready_callback_throws_is_the_page_s_own(page: Page, site: StubSite) -> None:
    await opened(page, site)
    thrown = await page.evaluate(
        "kizashi.ready(() => { throw Error('mine') }).catch((error) => error.message)"
    )
    assert thrown == "mine"


async def test_row_01_a_page_changes_its_object_after_the_call(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.evaluate(
        "const props = { n: 1 }; kizashi.track('a', props); kizashi.track('b', props); props.n = 2"
    )
    await until(lambda: len(site.events("track")) == 2)
    assert [event["props"] for event in site.events("track")] == [{"n": 1}, {"n": 1}]


async def test_row_02_calls_made_before_load_are_sent_in_order(page: Page, site: StubSite) -> None:
    await opened(page, site, "/queued.html")
    await page.evaluate("kizashi('track', 'late', { n: 2 })")
    await until(lambda: len(site.names()) >= 4)
    assert [(e["type"], e["name"], e.get("props")) for e in site.events() if e["type"] != "engage"] == [
        ("page", "page", {"name": "Pricing", "plan": "pro"}),  # in place of the automatic one
        ("track", "early", {"n": 1}),
        ("identify", "identify", {"id": "u1", "title": "社長"}),
        ("track", "late", {"n": 2}),
    ]
    assert await page.evaluate("isReady") is True


async def test_row_02_the_tag_twice_is_one_page_view(page: Page, site: StubSite) -> None:
    await opened(page, site, "/twice.html")
    await page.evaluate("kizashi.track('last')")
    await until(lambda: site.events("track"))
    assert site.names() == ["page", "last"]


async def test_row_03_works_when_a_tag_manager_adds_it_after_load(page: Page, site: StubSite) -> None:
    site.answer = deciding(hero=decision("<b>late tag</b>"))
    await opened(page, site, "/manager.html")
    await expect(page.locator(HERO)).to_have_text("late tag")
    assert len(site.events("page")) == 1


async def test_row_03_another_vendor_s_tag_with_a_data_site_is_not_ours(page: Page, site: StubSite) -> None:
    await opened(page, site, "/vendors.html")
    assert site.beacons[0]["site"] == "demo"


async def test_row_03_another_origin_is_asked_without_a_preflight(page: Page, site: StubSite) -> None:
    site.tag = f'data-host="{site.base.replace("127.0.0.1", "localhost")}/"'
    site.answer = deciding(side=decision("<b>from afar</b>"))
    await opened(page, site)  # the stub answers no OPTIONS request
    assert "localhost" in site.requests[0]["Host"]
    assert site.requests[0]["Origin"] == site.base
    await page.evaluate("kizashi.track('a')")
    await expect(page.locator("[data-kz-slot=side] b")).to_have_text("from afar")


@pytest.mark.parametrize(
    ("src", "tag", "path"),
    [
        ("/kizashi.js", "", "/v1/beacon"),
        ("/kz/kizashi.js", "", "/kz/v1/beacon"),  # a path of the site's own leads to the server
        ("/kizashi.js", 'data-host="{base}/kz/"', "/kz/v1/beacon"),
    ],
)
async def test_row_03_the_beacon_goes_beside_the_script_or_to_the_host(
    page: Page, site: StubSite, src: str, tag: str, path: str
) -> None:
    site.src, site.tag = src, tag.format(base=site.base)
    await opened(page, site)
    assert site.requests[0]["path"] == path


async def test_no_call_can_throw_into_the_page(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.evaluate(
        """() => {
          const loop = {}; loop.self = loop
          kizashi.track('circular', loop); kizashi.track(); kizashi('nonsense'); kizashi(); kizashi.identify(null)
          kizashi.page(loop); kizashi.group(Symbol('s')); kizashi.track('big', { n: 1n })
          kizashi.track('good')
        }"""
    )
    await until(lambda: "good" in site.names())
    assert [event["name"] for event in site.events("track")] == ["good"]


async def test_a_page_view_that_cannot_be_written_does_not_stop_the_rest(page: Page, site: StubSite) -> None:
    await page.add_init_script(
        "const loop = {}; loop.self = loop; window.kizashi = function () {}; kizashi.q = [['page', loop]]"
    )
    await page.goto(site.url("/plain.html"))
    await page.wait_for_function("kizashi.version")
    await page.evaluate("kizashi.track('after')")
    await until(lambda: wanted(site.beacons[-1]) == "after" if site.beacons else False)
    assert site.names() == ["after"]  # without the page view, which cannot be sent
