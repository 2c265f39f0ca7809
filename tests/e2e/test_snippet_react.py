"""A real React app that draws the slots anew. React comes from the registry, by the snippet's lock file."""

from __future__ import annotations

import json
from html import escape
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
HERO_HTML, SIDE_TEXT = "<p>Variant hero</p>", "Variant <side> & co"


def bundled(name: str, out: Path, *options: str, mode: str = "production") -> bytes:
    """A page's script with React in it."""
    modules = node_tools.installed()
    done = node_tools.run(
        *(
            str(modules / ".bin/esbuild"),
            str(PAGES / name),
            "--bundle",
            "--jsx=automatic",
            f"--outfile={out}",
        ),
        *(f"--define:process.env.NODE_ENV='{mode}'", *options),
        NODE_PATH=str(modules),
    )
    assert done.returncode == 0, done.stderr
    return out.read_bytes()


@pytest.fixture(scope="session")
def react(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """`pages/react.jsx` with React in it."""
    return bundled("react.jsx", tmp_path_factory.mktemp("react") / "react.js", "--minify", "--format=esm")


@pytest.fixture(scope="session")
def hydrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """A page that a server has rendered with two decisions in it, and the script that hydrates it.

    The development build: it reports every difference between the two in the console.
    """
    folder = tmp_path_factory.mktemp("hydrated")
    server, client = folder / "server.cjs", folder / "client.js"
    bundled("hydrated_server.jsx", server, "--platform=node", mode="development")
    script = bundled("hydrated_client.jsx", client, "--format=esm", mode="development")
    decided = {"hero": HERO_HTML, "side": escape(SIDE_TEXT)}
    done = node_tools.run("node", str(server), json.dumps(decided))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), script


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
    # (On load React may have drawn before the tag, which is async, has come.)
    assert not {"original /a", "original /b"} & set(painted)


HYDRATED = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Hydrated</title>
<script src="/frames.js"></script><!--tag--></head>
<body><div id="root">%s</div><script type="module" src="/hydrated.js"></script></body></html>"""
#: Counts what is put into the slots and taken out, and what is done to them.
COUNT = """() => {
  window.first = document.querySelector('[data-kz-slot=hero]').firstChild
  window.changes = []
  new MutationObserver((all) => changes.push(...all.map((one) => one.type))).observe(
    document.querySelector('main'), { childList: true, attributes: true, characterData: true, subtree: true })
}"""


@pytest.mark.parametrize("order", ["answered, then hydrated", "hydrated, then answered"])
async def test_a_page_rendered_with_its_decisions_is_hydrated_as_it_is(
    page: Page, site: StubSite, hydrated: tuple[str, bytes], order: str
) -> None:
    """React reports no difference (the page's console is empty), and nothing is swapped twice."""
    rendered, script = hydrated
    site.tag = 'data-timeout="0"'
    tag = f'<script async src="/kizashi.js" data-site="demo" {site.tag}></script>'
    site.files["hydrated.html"] = ("text/html", (HYDRATED % rendered).replace("<!--tag-->", tag).encode())
    site.files["hydrated.js"] = ("text/javascript", script)
    site.answer = lambda _: {
        "v": TOKEN,
        "decisions": {"hero": decision(HERO_HTML), "side": decision(text=SIDE_TEXT), "late": None},
    }
    if order.startswith("hydrated"):
        site.script_gate.clear()
    await page.goto(site.url("/hydrated.html"), wait_until="commit")
    await page.wait_for_function("Boolean(window.hydrate)")
    await page.evaluate(COUNT)
    if order.startswith("hydrated"):
        await hydrate(page)
        site.script_gate.set()
    await page.wait_for_function("localStorage.kz")  # answered
    if order.startswith("answered"):
        await hydrate(page)
    assert await page.evaluate("changes") == ["characterData"]  # React's own: the output says `hydrated`
    assert await page.evaluate("first === document.querySelector('[data-kz-slot=hero]').firstChild") is True
    seen = {"Variant hero", SIDE_TEXT, "Original late"}
    assert set(await page.evaluate("frames_")) == seen

    site.answer = lambda _: {"v": TOKEN, "decisions": {"late": decision("<p>Variant late</p>")}}
    await page.evaluate("kizashi.track('click')")  # and the visit goes on
    await expect(page.locator("[data-kz-slot=late]")).to_have_text("Variant late")
    await page.click("button")
    await expect(page.locator("output")).to_have_text("hydrated 1")
    await expect(page.locator("[data-kz-slot=late]")).to_have_text("Variant late")
    await expect(page.locator("[data-kz-slot=side]")).to_have_text(SIDE_TEXT)


async def hydrate(page: Page) -> None:
    await page.evaluate("hydrate()")
    await expect(page.locator("output")).to_have_text("hydrated 0")
