"""A real React app that draws the slots anew. React comes from the registry, by the snippet's lock file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e import node_tools
from tests.e2e.snippet_page import HERO, opened
from tests.e2e.stub_site import PAGES, TOKEN, StubSite, decision

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="session"),
]

NO_LIMIT = 'data-timeout="600000"'


@pytest.fixture(scope="session")
def react(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """`pages/react.jsx` with React in it."""
    modules = node_tools.installed()
    out = Path(tmp_path_factory.mktemp("react")) / "react.js"
    done = node_tools.run(
        *(str(modules / ".bin/esbuild"), str(PAGES / "react.jsx"), "--bundle", "--minify", "--format=esm"),
        *("--jsx=automatic", "--define:process.env.NODE_ENV='production'", f"--outfile={out}"),
        NODE_PATH=str(modules),
    )
    assert done.returncode == 0, done.stderr
    return out.read_bytes()


@pytest.fixture
def app(site: StubSite, react: bytes) -> StubSite:
    """The site with the React app on it; its answers swap every slot, until an event is named `off`."""
    site.files["react.js"] = ("text/javascript", react)
    site.tag = NO_LIMIT

    def answer(beacon: dict[str, Any]) -> Any:
        path = site.events("page")[-1]["url"].removeprefix(site.base)
        swapped = {
            "title": decision(text="Variant title"),
            "hero": decision("<b>Variant hero</b>"),
            "lone": decision(text="Variant lone"),
            "view": decision(f'<p elementtiming="variant {path}">Variant view of {path}</p>'),
        }
        return {"v": TOKEN, "decisions": dict.fromkeys(swapped) if "off" in site.names() else swapped}

    site.answer = answer
    return site


async def variants(page: Page, path: str = "/react.html") -> None:
    for slot, text in [
        ("title", "Variant title"),
        ("hero", "Variant hero"),
        ("lone", "Variant lone"),
        ("view", f"Variant view of {path}"),
    ]:
        await expect(page.locator(f"[data-kz-slot={slot}]")).to_have_text(text)
        await expect(page.locator(f"[data-kz-slot={slot}]")).to_be_visible()


async def test_react_draws_anew_what_is_swapped_and_finds_its_own_nodes(page: Page, app: StubSite) -> None:
    await opened(page, app, "/react.html")
    await variants(page)
    steps: list[dict[str, Any]] = [
        {"n": 1},
        {"extra": True},  # children are added to a slot that is filled
        {"n": 2},
        {"extra": False},  # and removed
        {"shown": False},
        {"shown": True, "n": 3},
        {"extra": True, "n": 4},
    ]
    state: dict[str, Any] = {"n": 0, "extra": False, "shown": True, "route": "/react.html"}
    for step in steps:
        state |= step
        await page.evaluate("step => set(step)", step)
        for name, value in step.items():  # React lives: it has drawn the step
            expected = str(value).lower() if isinstance(value, bool) else str(value)
            await expect(page.locator("output")).to_contain_text(f'"{name}":{expected}')
        if state["shown"]:
            await variants(page)
    await page.click("#click")
    await expect(page.locator("output")).to_contain_text('"n":5')
    await variants(page)
    await page.evaluate("kizashi.track('off')")
    await expect(page.locator(HERO)).to_have_text("extra 5Original hero 5more")  # React's own, up to date
    await expect(page.locator("[data-kz-slot=title]")).to_have_text("Original title 5")
    await expect(page.locator("[data-kz-slot=lone]")).to_have_text("Original lone 5")
    await page.click("#click")
    await expect(page.locator(HERO)).to_have_text("extra 6Original hero 6more")


async def test_react_route_changes_paint_no_original(page: Page, app: StubSite) -> None:
    await opened(page, app, "/react.html")
    await variants(page)
    for path in ("/a", "/b"):
        await page.evaluate("path => go(path)", path)
        await variants(page, path)
    await page.wait_for_function("painted.includes('variant /b')")
    painted = await page.evaluate("painted")
    assert not [name for name in painted if name.startswith("original")]
