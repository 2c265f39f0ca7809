"""What the tests of the snippet do with a page in a real Chromium."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.e2e.stub_site import PAGES, StubSite, until

NOON = 1_800_000_000_000  # epoch ms; where the tests' own clock stands
ORIGINAL = re.search(  # what plain.html has in its hero slot
    r'data-kz-slot="hero">(.*?)</section>', Path(PAGES / "plain.html").read_text("utf-8")
).group(1)  # type: ignore[union-attr]
HERO = "[data-kz-slot=hero]"


async def opened(page: Page, site: StubSite, path: str = "/plain.html") -> None:
    """Opens the page and waits until its page view has been answered and is remembered."""
    before = len(site.beacons)
    await page.goto(site.url(path))
    await until(lambda: len(site.beacons) > before)
    await page.wait_for_function("localStorage.kz")


async def stop_clock(page: Page) -> None:
    """The page's time then passes in `page.clock.run_for` alone (animations have their own). Before `goto`."""
    await page.clock.install(time=NOON / 1000)
    await page.clock.pause_at(NOON / 1000 + 1)


async def set_hidden(page: Page, hidden: bool) -> None:
    """What a switch of tabs looks like to the page: headless Chromium shows every tab at once."""
    await page.evaluate(
        """hidden => {
          const set = (name, value) => Object.defineProperty(document, name, { value, configurable: true })
          set('hidden', hidden)
          set('visibilityState', hidden ? 'hidden' : 'visible')
          document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
        }""",
        hidden,
    )


async def visibility(page: Page, selector: str = HERO) -> str:
    value: str = await page.eval_on_selector(selector, "element => getComputedStyle(element).visibility")
    return value


async def run_out(page: Page, selector: str, ms: float) -> None:
    """Stops the hiding of an element at `ms` from its start, whatever time it is."""
    await page.eval_on_selector(
        selector,
        "(element, ms) => { const [one] = element.getAnimations(); one.pause(); one.currentTime = ms }",
        ms,
    )


async def scroll_to(page: Page, y: float) -> None:
    """Scrolls, and waits until the page has been told."""
    await page.evaluate(
        "y => new Promise(done => { addEventListener('scroll', () => done(), { once: true }); scrollTo(0, y) })",
        y,
    )


def engaged_spans(site: StubSite) -> list[int]:
    """`engaged_ms` of every engage event received, in the order in which they happened."""
    events = sorted(site.events("engage"), key=lambda event: event["at"])
    return [event["props"]["engaged_ms"] for event in events]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wanted(beacon: dict[str, Any]) -> str:
    """The name of a beacon's last event; "" where it only asks for slots."""
    return beacon["events"][-1]["name"] if beacon["events"] else ""
