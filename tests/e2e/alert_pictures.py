"""Takes the pictures of alerts in the docs: `python -m tests.e2e.alert_pictures`; with a folder, all there are,
to look at. The blocks are those that Slack gets, drawn as the demo's outbox draws them, in a real browser.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from alerts.digest import digest_message
from alerts.messages import follow_up, slack_message
from alerts.model import Alert, Escalation, Part, PastVisit, SeenPage
from alerts.standing import Standing
from alerts.words import happened, moved
from server.assets import add_assets
from server.demo import add_demo
from server.demo_fake import FakeDemoReader
from tests.browser import chromium
from tests.processes import ROOT

OUT = ROOT / "docs" / "images"
AT = int(datetime(2026, 11, 20, 5, 4, tzinfo=UTC).timestamp() * 1000)
#: Those the docs show, by size.
IN_DOCS = {"": {"new", "claimed", "enquiry", "digest"}, "-phone": {"unclaimed"}}
MINUTE, DAY = 60_000, 86_400_000
SIZES = {"": {"width": 900, "height": 2600}, "-phone": {"width": 390, "height": 2600}}
MAIL = "sato@yamato-foods.example"
SAID: dict[str, dict[str, Any]] = {
    "en": {
        "traits": {"name": "Hanako Sato", "title": "CEO", "email": MAIL, "phone": "03-0000-0000"},
        "company": "Yamato Foods",
        "labels": ("Whitepaper download", "Long look at pricing", "Page view", "Contact page"),
        "pages": ("Plans and prices", "How a 12-day close became 3 days", "ERP guide for makers"),
        "topics": {"Pricing": 4, "Case studies": 2, "Accounting": 1},
        "do": "Get in touch today, while the guide is fresh. Ask first how many days the close takes.",
        "ask": "We close the books by hand in three plants.\nCould you show us the plan for 120 people next week?",
        "people": ("Ken Mori", "Aiko Tanaka", "Jun Abe", "Mei Ito"),
        "doc": "ERP guide",
    },
    "ja": {
        "traits": {"name": "佐藤 花子", "title": "代表取締役社長", "email": MAIL, "phone": "03-0000-0000"},
        "company": "大和フーズ",
        "labels": ("資料ダウンロード", "料金をじっくり閲覧", "ページ閲覧", "お問い合わせページ"),
        "pages": ("料金プラン", "締めが12日から3日になった会社の話", "製造業のためのERP入門"),
        "topics": {"料金": 4, "導入事例": 2, "会計": 1},
        "do": "資料を読み終える今日のうちに連絡を。締めに何日かかっているかを、最初に伺ってください。",
        "ask": "三つの工場で、まだ手作業で締めています。\n来週、120名規模のプランを見せていただけますか。",
        "people": ("森 健", "田中 愛子", "阿部 純", "伊藤 芽衣"),
        "doc": "ERP入門",
    },
}  # fmt: skip


def url(site: str, visitor: str) -> str:
    """Where the links lead."""
    return f"https://kizashi.example/visitors/{site}/{visitor}"


def download(lang: str, **changes: Any) -> Alert:
    """The alert that begins it."""
    said = SAID[lang]
    labels = said["labels"]
    alert = Alert(
        id="a1",
        site="demo",
        site_name="Acme ERP",
        rule="whitepaper",
        visitor="v-8c1f2a",
        channel="#hot-leads",
        at=AT,
        event="e1",
        cause="whitepaper_download",
        traits=said["traits"],
        company=said["company"],
        score=48,
        intent="warm",
        parts=(
            Part(rule="whitepaper", points=30, label=labels[0]),
            Part(rule="pricing", points=10, label=labels[1]),
            Part(rule="page", points=8, count=8, label=labels[2]),
        ),
        pages=(
            SeenPage(path="/guide", title=said["pages"][2], engaged_ms=35_000),
            SeenPage(path="/cases/minato", title=said["pages"][1], engaged_ms=95_000),
            SeenPage(path="/pricing", title=said["pages"][0], engaged_ms=140_000),
        ),
        topics=said["topics"],
        session_count=3,
        page_count=8,
        engaged_ms=270_000,
        source={"referrer_class": "search", "referrer_host": "google.com", "utm_campaign": "autumn-erp"},
        visits=(
            PastVisit(at=AT - 9 * DAY, page_count=2, engaged_ms=40_000, source={"referrer_class": "social"}),
            PastVisit(at=AT - 2 * DAY, page_count=6, engaged_ms=310_000, source={"referrer_class": "direct"}),
        ),
        locale=lang,
        timezone="Asia/Tokyo",
        instruction=said["do"],
        why=happened("whitepaper_download", {"title": said["doc"]}, lang),
        owner="U0SATO",
        episode="ep",
    )
    return replace(alert, **changes)


def scenes(lang: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name, and the alert as the outbox page takes it."""
    said, first = SAID[lang], download(lang)
    yield "new", shown(first, slack_message(first, visitor_url=url, buttons=True))
    hot = download(
        lang,
        id="a2",
        event="e2",
        rule="became-hot",
        at=AT + 7 * MINUTE,
        score=63,
        intent="high",
        parts=(*first.parts, Part(rule="contact", points=15, label=said["labels"][3])),
        why=moved("high_intent", lang, entered=True),
    )
    standing = Standing(owner="U0SATO", owner_at=AT + 2 * MINUTE)
    message = slack_message(hot, visitor_url=url, before=[first], standing=standing, buttons=True)
    yield "claimed", shown(hot, message, state="updated", reply=follow_up([hot], standing=standing))
    asked = download(lang, why=happened("form_submit", {}, lang), enquiry=said["ask"], urgent=True)
    yield "enquiry", shown(asked, slack_message(asked, visitor_url=url, buttons=True))
    late = download(lang, reminder=True, escalate=Escalation(after_ms=15 * MINUTE, mention="U0BOSS"))
    yield "unclaimed", shown(late, slack_message(late, visitor_url=url, buttons=True))
    many = [
        download(lang, id=f"d{i}", visitor=f"v-{i:06x}", traits={"name": name}, company="", score=64 - 3 * i)
        for i, name in enumerate(said["people"] * 4)
    ]
    standings = {"d1": Standing(owner="U0SATO", owner_at=AT)}
    digest = digest_message(many, visitor_url=url, cause="budget", stale_ms=15 * MINUTE, standings=standings)
    yield "digest", shown(first, digest.message)
    many = [
        replace(one, id=f"{one.id}-{n}", visitor=f"{n}-{one.visitor}") for n in range(200) for one in many
    ]
    late = digest_message(many, visitor_url=url, cause="late", stale_ms=15 * MINUTE, standings=standings)
    yield "backlog", shown(first, late.message)
    held = shown(first, slack_message(first, visitor_url=url, buttons=True), state="suppressed")
    yield "suppressed", held | {"why": "cooldown"}


def shown(alert: Alert, message: dict[str, Any], *, state: str = "sent", **more: Any) -> dict[str, Any]:
    """An alert as the outbox page takes it."""
    at = datetime.fromtimestamp(alert.at / 1000, UTC).isoformat().replace("+00:00", "Z")
    return {
        "id": alert.id,
        "rule": alert.rule,
        "visitor": alert.visitor,
        "state": state,
        "why": alert.why,
        "happened": alert.why,
        "at": at,
        "sent_at": at,
        "channel": alert.channel,
        "message": message,
        **more,
    }


async def take(folder: Path, lang: str, suffix: str, names: set[str] | None) -> None:
    """The scenes of those names (None: every one) in one language and size."""
    reader, app = FakeDemoReader(), web.Application()
    add_demo(app, root=ROOT / "examples" / "demo", reader=reader)
    add_assets(app)
    locale = {"en": "en-US", "ja": "ja-JP"}[lang]
    async with (
        TestServer(app) as server,
        chromium(
            locale=locale, timezone_id="Asia/Tokyo", viewport=SIZES[suffix], device_scale_factor=1.5
        ) as context,
    ):
        page = await context.new_page()
        for name, alert in scenes(lang):
            if names is not None and name not in names:
                continue
            reader.outbox = [alert]
            await page.goto(str(server.make_url(f"/demo/slack?lang={lang}")))
            for thread in await page.locator("details.thread").all():
                await thread.evaluate("details => { details.open = true }")
            await page.locator(".msg").screenshot(path=folder / f"alert-{name}-{lang}{suffix}.png")


async def main(folder: Path | None) -> None:
    """Take them all."""
    (folder or OUT).mkdir(parents=True, exist_ok=True)
    for lang in SAID:
        for suffix in SIZES:
            await take(folder or OUT, lang, suffix, None if folder else IN_DOCS[suffix])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
