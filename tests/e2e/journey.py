"""A visitor's way through the demo website in a real browser, for tests and benchmarks."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page, Response

from tests.processes import ROOT
from tests.slack_server import Call, SlackServer

DOWNLOAD = "a[data-kz-event=whitepaper_download]"


def demo_site(base: str) -> str:
    """The demo's site file for a server at `base`."""
    text = (ROOT / "examples" / "demo" / "site.yaml").read_text(encoding="utf-8")
    assert "http://localhost:8080" in text
    return text.replace("http://localhost:8080", base)


def is_beacon(response: Response) -> bool:
    """Whether this is the answer to a beacon."""
    return response.url.endswith("/v1/beacon") and response.request.method == "POST"


def is_page_view(response: Response) -> bool:
    """Whether this is the answer to a beacon with a page view: a page that is left may be sending its last."""
    return is_beacon(response) and '"type":"page"' in (response.request.post_data or "")


async def open_page(page: Page, url: str) -> dict[str, Any]:
    """Open a page of the demo; the decisions its page view got, once they are in the page."""
    async with page.expect_response(is_page_view) as waiting:
        await page.goto(url)
    answer = await (await waiting.value).json()
    return dict(answer["decisions"])


async def slot_text(page: Page, slot: str) -> str:
    """What a visitor reads in a slot."""
    return await page.inner_text(f"[data-kz-slot={slot}]")


async def click_download(page: Page) -> tuple[float, dict[str, Any]]:
    """Click the whitepaper's link. When (epoch seconds, the browser's clock) and the decisions that came back."""
    await page.evaluate(
        """(selector) => document.querySelector(selector).addEventListener('click', () => {
            window.clickedAt = Date.now() }, {capture: true, once: true})""",
        DOWNLOAD,
    )
    async with page.expect_response(is_beacon) as waiting, page.expect_download():
        await page.click(DOWNLOAD)
    answer = await (await waiting.value).json()
    return await page.evaluate("window.clickedAt / 1000"), dict(answer["decisions"])


async def alert_for(slack: SlackServer, count: int) -> Call:
    """The `count`-th message that reached Slack."""
    await slack.until(lambda: len(slack.posted()) >= count)
    return slack.posted()[count - 1]
