"""Takes the pictures in the docs: `python -m tests.e2e.pictures`. Real processes, a real browser."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from pathlib import Path

from storage.embedded import Server
from tests.browser import chromium
from tests.e2e.journey import DOWNLOAD, demo_site
from tests.processes import ROOT, Stack, until

OUT = ROOT / "docs" / "images"
DESKTOP = {"width": 1440, "height": 900}
LOCALES = {"en": "en-US", "ja": "ja-JP"}
MAIL = "sato@yamato-foods.example"
PERSON = {
    "en": {"name": "Hanako Sato", "company": "Yamato Foods", "title": "CEO", "email": MAIL},
    "ja": {"name": "佐藤 花子", "company": "大和フーズ", "title": "代表取締役社長", "email": MAIL},
}


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def take(stack: Stack, lang: str) -> None:
    """Walk through the demo in the live view and take its picture."""
    async with chromium(locale=LOCALES[lang], viewport=DESKTOP) as context:
        page = await context.new_page()
        await page.goto(f"{stack.base}/demo/live?lang={lang}")
        site = page.frame_locator("iframe")
        frame = next(f for f in page.frames if f is not page.main_frame)

        async def loaded() -> bool:
            return bool(await frame.evaluate("Boolean(window.kizashi && kizashi.identify)"))

        await until(loaded)  # evaluate, not wait_for_function: the page's CSP allows no eval
        await frame.evaluate("(traits) => kizashi.identify(traits.email, traits)", PERSON[lang])
        await frame.goto(f"{stack.base}/demo/pricing")
        cookie = next(c for c in await context.cookies() if c["name"] == "kz")

        async def dwelt() -> bool:
            ledger = (await stack.visitor(cookie["value"])).get("ledger", [])
            return any(entry["rule"] == "pricing-dwell" for entry in ledger)

        await until(dwelt, 60)
        await frame.goto(f"{stack.base}/demo/whitepaper")
        async with page.expect_download():
            await site.locator(DOWNLOAD).click()

        async def told() -> bool:
            view = await stack.visitor(cookie["value"])
            return any(a["visitor"] == view["id"] and a["state"] == "sent" for a in await stack.alerts())

        await until(told, 30)
        await frame.goto(f"{stack.base}/demo/")
        await page.wait_for_timeout(1_500)
        name = "live.png" if lang == "en" else f"live-{lang}.png"
        await page.screenshot(path=OUT / name)


async def main() -> None:
    """Take them all."""
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "valkey") as valkey:
        async with Stack(store_url=valkey.url, data_dir=Path(folder) / "data", port=free_port()) as stack:
            for lang in LOCALES:
                await stack.publish(demo_site(stack.base).replace("locale: ja", f"locale: {lang}"))
                await take(stack, lang)


if __name__ == "__main__":
    asyncio.run(main())
