"""Fixtures that the browser tests of the snippet share: one Chromium, a profile and a tab for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from tests.browser import chromium
from tests.e2e.stub_site import StubSite, stub_site


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_browser() -> AsyncIterator[Browser]:
    async with chromium(without=["--disable-back-forward-cache"]) as context:
        assert context.browser is not None
        yield context.browser


@pytest_asyncio.fixture(loop_scope="session")
async def site() -> AsyncIterator[StubSite]:
    async with stub_site() as served:
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def context(shared_browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser profile of its own."""
    fresh = await shared_browser.new_context()
    fresh.set_default_timeout(30_000)
    yield fresh
    await fresh.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A tab that fails its test where anything was thrown in it, or its console holds an error that is not
    the browser's own line about a failed request."""
    tab = await context.new_page()
    thrown: list[str] = []
    tab.on("pageerror", lambda error: thrown.append(str(error)))
    tab.on("console", lambda line: thrown.append(line.text) if line.type == "error" else None)
    yield tab
    assert [line for line in thrown if not line.startswith("Failed to load resource:")] == []
