"""Sanitised content in a real browser: whatever the browser makes of it, nothing of it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Page

from personalization.sanitizer import sanitized

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

HOSTILE = json.loads((Path(__file__).parent.parent / "cases" / "hostile_html.json").read_text())

#: Puts HTML into the page as the snippet does, clicks and points at all of it, and says what ran.
PUT = """async (html) => {
  window.ran = 0
  window.hit = () => { window.ran++ }
  document.body.innerHTML = '<div id="slot"></div>'
  const slot = document.getElementById('slot')
  slot.onclick = (event) => { // a link that leads to a page is no harm, and would end this one
    const link = event.target.closest('a')
    if (link && link.protocol !== 'javascript:') event.preventDefault()
  }
  slot.innerHTML = html
  for (const element of slot.querySelectorAll('*')) {
    for (const type of ['pointerover', 'mouseover', 'focus']) element.dispatchEvent(new Event(type))
    element.click?.()
    element.focus?.()
  }
  await new Promise((resolve) => setTimeout(resolve, 20))
  return window.ran
}"""


async def test_nothing_hostile_runs(page: Page) -> None:
    await page.route("**/*", lambda route: route.abort())
    control = "<img src=x onerror=hit()><i onclick=hit()>x</i><a href='javascript:hit()'>x</a>"
    assert await page.evaluate(PUT, control) == 3, "the page cannot tell"
    ran = {html: await page.evaluate(PUT, sanitized(html)) for html in HOSTILE}
    assert {html: count for html, count in ran.items() if count} == {}
    assert page.url == "about:blank"
