"""Fixtures that the browser tests of the snippet share: one Chromium, a profile and a tab for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from storage.embedded import Server
from tests.browser import chromium
from tests.e2e.stub_site import StubSite, stub_site
from tests.ports import free_ports
from tests.processes import Stack
from tests.slack_server import SlackServer, stack_env


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_browser() -> AsyncIterator[Browser]:
    async with chromium(without=["--disable-back-forward-cache"]) as context:
        assert context.browser is not None
        yield context.browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def slack() -> AsyncIterator[SlackServer]:
    """What `stack` takes for Slack."""
    async with SlackServer() as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory, slack: SlackServer) -> AsyncIterator[Stack]:
    """Web and worker for all tests that want them: each publishes what it needs, has visitors of its own, and
    starts again what it has killed. `tests/conftest.py` keeps these tests in one process."""
    root = tmp_path_factory.mktemp("stack")
    with Server(root / "valkey") as valkey:
        (port,) = free_ports(1)
        running = Stack(store_url=valkey.url, data_dir=root / "data", port=port, **stack_env(slack))
        async with running:
            yield running


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
