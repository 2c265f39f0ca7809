"""Privacy and policy: conventions 7 (GPC), 8 (consent), 9 (cookie), 12 (strict CSP, SRI), in a real Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import BrowserContext, Page, expect

import snippet
from server import state
from server.collect import set_cookie
from server.config import from_env
from tests.e2e.snippet_page import HERO, opened, stop_clock, visibility
from tests.e2e.stub_site import TOKEN, StubSite, deciding, decision, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

STORED = "localStorage.length + sessionStorage.length"
GPC = "Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })"


async def test_row_07_global_privacy_control_sends_and_stores_nothing(page: Page, site: StubSite) -> None:
    await page.add_init_script(GPC)
    await page.goto(site.url())
    await page.evaluate("kizashi.track('a'); kizashi.consent(true); kizashi.optOut(); kizashi.optOut(false)")
    await page.evaluate("kizashi.reset(); kizashi('page'); kizashi.identify('u1')")
    await page.click("#named")
    await page.wait_for_url("**/next.html")
    assert site.beacons == []
    assert await page.evaluate(STORED) == 0
    assert await page.context.cookies() == []
    await page.goto(site.url())
    assert await visibility(page) == "visible"


async def test_row_07_a_token_from_before_is_not_read(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.add_init_script(GPC)
    site.beacons.clear()
    await page.goto(site.url("/next.html"))
    await page.evaluate("kizashi.track('a')")
    await page.goto(site.url())
    assert [beacon for beacon in site.beacons if "/next" in str(beacon)] == []


async def test_row_08_nothing_happens_before_consent(page: Page, site: StubSite) -> None:
    site.tag = 'data-consent="required"'
    site.cookie = lambda _, response: response.set_cookie("kz", TOKEN)
    await page.goto(site.url())
    await page.evaluate("kizashi.track('held')")
    await page.click("#inner")
    assert await visibility(page) == "visible"
    assert await page.evaluate(STORED) == 0
    assert await page.context.cookies() == []
    assert site.beacons == []
    await page.evaluate("kizashi.consent(true)")
    await page.wait_for_function("localStorage.kz")
    assert site.names() == ["page", "held"]


async def test_row_08_consent_in_the_queue_before_load(page: Page, site: StubSite) -> None:
    site.tag = 'data-consent="required"'
    await page.add_init_script(
        """window.kizashi = function () { kizashi.q.push(arguments) }
        kizashi.q = [['track', 'first'], ['consent', true], ['page', 'Mine']]"""
    )
    await opened(page, site)
    sent = [(event["name"], event["url"], event.get("props")) for event in site.events()]
    assert sent == [("first", site.url(), None), ("page", site.url(), {"name": "Mine"})]


async def test_row_08_withdrawn_consent_removes_what_was_stored(page: Page, site: StubSite) -> None:
    site.tag = 'data-consent="required"'
    await page.goto(site.url())
    await page.evaluate("kizashi.consent(true)")
    await page.wait_for_function("localStorage.kz")
    await page.evaluate("kizashi.consent(false); kizashi.track('after')")
    assert await page.evaluate(STORED) == 0
    await page.evaluate(
        "document.dispatchEvent(new Event('visibilitychange')); dispatchEvent(new Event('pagehide'))"
    )
    assert await page.evaluate(STORED) == 0
    await page.evaluate("kizashi.consent(true); kizashi.track('again')")
    await until(lambda: "again" in site.names())
    assert "after" not in site.names()


async def test_row_08_consent_withdrawn_while_an_answer_is_under_way(page: Page, site: StubSite) -> None:
    site.tag = 'data-consent="required"'
    site.delay = 0.3
    site.answer = deciding(hero=decision("<b>no</b>"))
    await page.goto(site.url())
    await page.evaluate("kizashi.consent(true)")
    await until(lambda: site.beacons)
    await page.evaluate("kizashi.consent(false)")
    await until(lambda: site.answered == 1)
    await page.evaluate("new Promise((done) => setTimeout(done, 100))")
    assert await page.evaluate(STORED) == 0
    assert await page.locator(f"{HERO} b").count() == 0


async def test_opting_out_lasts_until_it_is_taken_back(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.evaluate("kizashi.optOut(); kizashi.track('a')")
    await page.goto(site.url("/next.html"))
    await page.evaluate("kizashi.track('b')")
    await page.goto(site.url())
    assert await page.evaluate("localStorage.kz") == "-"
    assert await page.evaluate("sessionStorage.kz") is None
    assert [event["type"] for event in site.events()] == ["page"]
    await page.evaluate("kizashi.optOut(false)")
    await opened(page, site, "/next.html")
    assert site.events("page")[-1]["url"] == site.url("/next.html")


async def test_opting_out_and_back_in_on_one_page(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.evaluate("kizashi.optOut(); history.pushState({}, '', '/unseen'); kizashi.optOut(false)")
    await page.evaluate("kizashi.track('back')")
    await until(lambda: "back" in site.names())
    assert "/unseen" not in str(site.events("page"))


async def test_opting_out_in_another_tab_holds_here(page: Page, site: StubSite) -> None:
    await opened(page, site)
    await page.evaluate("localStorage.kz = '-'")  # what another tab does to this one
    await page.evaluate("kizashi.track('a')")
    await page.goto(site.url("/next.html"))
    await page.wait_for_function("kizashi.version")
    assert site.names() == ["page"]


async def test_reset_makes_the_next_event_another_visitor_s(page: Page, site: StubSite) -> None:
    site.answer = lambda beacon: {
        "v": "visitor-2.signature" if beacon["reset"] else TOKEN,
        "decisions": {},
    }
    await opened(page, site)
    await page.evaluate("kizashi.track('mine'); kizashi.reset()")
    await page.goto(site.url("/next.html"))  # the reset outlives the page it was asked for on
    await until(lambda: len(site.events("page")) == 2)
    await page.wait_for_function("localStorage.kz === 'visitor-2.signature'")
    await page.evaluate("kizashi.track('theirs')")
    await until(lambda: "theirs" in site.names())
    seen = {
        event["name"]: (beacon.get("v"), beacon["reset"], event["url"] == site.url("/next.html"))
        for beacon in site.beacons
        for event in beacon["events"]
        if event["type"] != "engage"
    }
    assert seen == {
        "mine": (TOKEN, False, False),
        "page": ("!", True, True),
        "theirs": ("visitor-2.signature", False, True),
    }


async def test_works_where_storage_is_refused(page: Page, site: StubSite) -> None:
    await page.add_init_script(
        "for (const area of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, area, { get() { throw new DOMException('no', 'SecurityError') } })"
    )
    site.answer = deciding(hero=decision("<b>x</b>"), side=decision(redirect="/next.html"))
    await page.goto(site.url())
    await expect(page.locator(f"{HERO} b")).to_have_text("x")
    await page.evaluate("kizashi.track('a')")
    await until(lambda: site.events("track"))
    assert site.beacons[-1]["v"] == TOKEN
    assert page.url == site.url()  # nothing could remember a redirect: none is followed
    await page.evaluate("kizashi.optOut(); kizashi.track('b')")
    assert "b" not in site.names()


@pytest.mark.parametrize("public_url", ["http://127.0.0.1:8080", "https://k.example.com"])
async def test_row_09_the_cookie_is_the_server_s_and_no_script_sees_it(
    page: Page, site: StubSite, public_url: str
) -> None:
    """The server's own `set_cookie`, as the browser takes it (which keeps Secure ones of 127.0.0.1 too)."""
    server = web.Application()
    server[state.SETTINGS] = from_env({"KIZASHI_PUBLIC_URL": public_url})

    def real_cookie(_: web.Request, response: web.Response) -> None:
        set_cookie(_Asked(server), response, TOKEN)  # type: ignore[arg-type]

    site.cookie = real_cookie
    await opened(page, site)
    (cookie,) = await page.context.cookies()
    assert (cookie["name"], cookie["value"], cookie["path"]) == ("kz", TOKEN, "/")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert cookie["secure"] == public_url.startswith("https")
    assert cookie["expires"] > 0
    assert await page.evaluate("document.cookie") == ""


class _Asked:
    """As much of a request as `set_cookie` looks at."""

    def __init__(self, app: web.Application) -> None:
        self.app = app


# ---- Row 12 ------------------------------------------------------------------------------------------------

STRICT = "default-src 'self'; require-trusted-types-for 'script'; trusted-types kizashi"


async def no_violations(page: Page) -> None:
    await page.add_init_script(
        "window.violations = []; addEventListener('securitypolicyviolation',"
        " (one) => violations.push(`${one.violatedDirective} ${one.sourceFile} ${one.sample}`))"
    )


async def test_row_12_strict_content_security_policy_with_trusted_types(page: Page, site: StubSite) -> None:
    await no_violations(page)
    site.csp, site.tag = STRICT, 'data-timeout="600000"'
    contents = {
        "hero": decision("<b>trusted</b>"),
        "side": decision(text="text"),
        "link": decision(attr={"href": "/x"}),
    }
    site.answer = lambda _: {"v": TOKEN, "decisions": contents, "live": True}
    site.delay = None  # until told: a page view sent while the page is still parsed could be answered by now
    await stop_clock(page)  # the answer is not late, however slow this machine is
    await page.goto(site.url("/strict.html"))
    assert await visibility(page) == "hidden"
    site.closing.set()
    await expect(page.locator(f"{HERO} b")).to_be_visible()
    await expect(page.locator("[data-kz-slot=side]")).to_have_text("text")
    await expect(page.locator("[data-kz-slot=link]")).to_have_attribute("href", "/x")
    await until(lambda: site.streams)  # the second script too
    assert await page.evaluate("violations") == []


async def test_row_12_a_policy_that_does_not_name_us_keeps_the_original(
    context: BrowserContext, site: StubSite
) -> None:
    """The browser reports it; the rest works."""
    page = await context.new_page()
    reported: list[str] = []
    page.on("console", lambda line: reported.append(line.text))
    site.csp = STRICT.replace("trusted-types kizashi", "trusted-types other")
    site.answer = deciding(hero=decision("<b>no</b>"), side=decision(text="text needs no policy"))
    await page.goto(site.url("/strict.html"))
    await expect(page.locator("[data-kz-slot=side]")).to_have_text("text needs no policy")
    await page.evaluate("kizashi.track('works')")
    await until(lambda: "works" in site.names())
    assert await page.inner_text(HERO) == "Original hero"
    for n in range(20):  # changes of the page do not make it ask again
        await page.evaluate("n => document.body.append(n)", str(n))
    await page.evaluate("kizashi.track('last')")
    await until(lambda: "last" in site.names())
    assert len([line for line in reported if "TrustedHTML" in line]) <= 1


async def test_row_12_a_versioned_file_with_its_hash(page: Page, site: StubSite) -> None:
    site.csp = "default-src 'self'"
    site.src = f"/kizashi-{snippet.version()}.js"
    site.tag = f'integrity="{snippet.integrity()}" crossorigin="anonymous"'
    site.answer = deciding(hero=decision("<b>pinned</b>"))
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    await page.goto(site.url("/strict.html"))
    await expect(page.locator(f"{HERO} b")).to_have_text("pinned")
    (script,) = [answer for answer in answers if answer.url.endswith(site.src)]
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["access-control-allow-origin"] == "*"
