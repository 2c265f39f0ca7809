"""The npm package (convention 13): what is in it, its types, and its loader in a real Chromium."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Page

from tests.e2e import node_tools
from tests.e2e.stub_site import StubSite, until

pytestmark = [pytest.mark.e2e]

LOADER = """
import { load, kizashi } from '/index.js'
kizashi.track('before load')
const api = load({ src: '/kizashi.js', site: 'demo', timeout: 100 })
load({ src: '/kizashi.js', site: 'demo' })
api.track('after load', { n: 1 })
api('track', 'called')
api.ready(() => { window.isReady = true })
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_row_13_the_package_has_its_code_its_types_and_nothing_else() -> None:
    node_tools.installed()
    done = node_tools.run("npm", "pack", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    said: Any = json.loads(done.stdout)
    package = said[0] if isinstance(said, list) else next(iter(said.values()))
    assert sorted(file["path"] for file in package["files"]) == [
        "LICENSE",
        "README.md",
        "dist/kizashi-live.js",
        "dist/kizashi.js",
        "index.js",
        "package.json",
        "src/kizashi-live.js",
        "src/kizashi.js",
        "types/global.d.ts",
        "types/index.d.ts",
    ]
    manifest = json.loads((node_tools.FOLDER / "package.json").read_text())
    named = [manifest["main"], manifest["types"], *_files(manifest["exports"])]
    packed = {f"./{file['path']}" for file in package["files"]}
    assert set(named) <= packed


def _files(exports: Any) -> list[str]:
    if isinstance(exports, str):
        return [exports]
    return [file for value in exports.values() for file in _files(value)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_row_13_a_typed_example_compiles_and_mistakes_in_it_do_not() -> None:
    node_tools.installed()
    done = node_tools.run("npm", "run", "--silent", "types")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_loader_does_nothing_on_a_server() -> None:
    node_tools.installed()
    script = (
        "import { load } from './index.js'; const k = load({ src: 'x', site: 'y' }); k.track('a'); k.ready()"
    )
    done = node_tools.run("node", "--input-type=module", "--eval", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.asyncio(loop_scope="session")
async def test_row_03_the_loader_adds_the_tag_once_and_keeps_the_calls(page: Page, site: StubSite) -> None:
    site.files["index.js"] = ("text/javascript", (node_tools.FOLDER / "index.js").read_bytes())
    site.files["bundle.js"] = ("text/javascript", LOADER.encode())
    html = '<!doctype html><title>Bundled</title><script type="module" src="/bundle.js"></script>'
    site.files["bundled.html"] = ("text/html", html.encode())
    await page.goto(site.url("/bundled.html"))
    await until(lambda: "called" in site.names())
    assert site.names() == ["page", "before load", "after load", "called"]
    await page.wait_for_function("window.isReady")
    assert await page.locator("script[data-site]").count() == 1
    assert await page.get_attribute("script[data-site]", "data-timeout") == "100"
