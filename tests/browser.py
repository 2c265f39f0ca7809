"""A real Chromium for tests: which one, and how it is started."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, async_playwright

#: Looked for on PATH, in this order.
NAMES = ("chromium", "chromium-browser", "google-chrome")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoBrowserError(RuntimeError):
    """No Chromium found: run `python tests/install_browser.py`."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


def system_chromium() -> str | None:
    """The path in KIZASHI_CHROMIUM, else the first of `NAMES` on PATH, else None."""
    named = os.environ.get("KIZASHI_CHROMIUM")
    if named:
        return shutil.which(named)
    return next(filter(None, map(shutil.which, NAMES)), None)


def playwright_chromium() -> str | None:
    """The newest Chromium that `playwright install` has put into its own folder, else None."""
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache/ms-playwright")
    found = sorted(folder.glob("chromium-*/chrome-*/chrome"), key=lambda path: path.stat().st_mtime)
    return str(found[-1]) if found else None


def chromium_path() -> str:
    """Path of the browser that tests drive. Raises NoBrowserError where there is none."""
    path = system_chromium() or playwright_chromium()
    if path is None:
        raise NoBrowserError
    return path


@asynccontextmanager
async def chromium(*, without: Sequence[str] = (), **context_options: Any) -> AsyncIterator[BrowserContext]:
    """A fresh browser with a fresh profile; yields a context made with `context_options`.

    `without` names flags of Playwright's own to leave out. A second visitor is `context.browser.new_context()`.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(), args=list(FLAGS), ignore_default_args=list(without)
        )
        try:
            yield await browser.new_context(**context_options)
        finally:
            await browser.close()
