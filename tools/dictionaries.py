"""Make the dictionaries that stored texts are packed with: `python -m tools.dictionaries 5 6`, for number 5
(profiles) and 6 (events and ledger entries).

They are trained with visitors of made-up sites, of which no two share a host, a page's title or all their rules:
what the texts of any site have in common is learnt, and nobody's own words. A dictionary that was ever released is
never written again: what was packed with it could not be read any more. Change this, and take new numbers.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from core.events import DAY_MS, Event, EventType
from core.ledger import FIRST, LATER
from core.profiles import Entry, Profile, encode_profile
from core.recents import as_kept
from sites.check import check_text
from sites.compile import compile_site
from sites.site import Site
from storage.profiles import encode_entries
from streams.recent import fold

DATA = Path(__file__).parent.parent / "storage" / "data"
SITES = 800
VISITORS = 8
START = 1_767_225_600_000
PROFILE_BYTES, LINE_BYTES = 16_384, 12_288

TOPICS = (
    "product",
    "pricing",
    "cases",
    "blog",
    "support",
    "features",
    "solutions",
    "docs",
    "company",
    "whitepaper",
)
PATHS = ("", "/", ".html", "/index.html", "/overview", "/detail", "/2", "/a", "/guide", "/news")
TITLES = ("Products", "Pricing", "Customer stories", "Blog", "Support", "Features", "Contact us", "About us",
          "製品", "料金", "導入事例", "ブログ", "サポート", "機能", "お問い合わせ", "会社概要",
          "資料ダウンロード")  # fmt: skip
SOURCES = (
    "", "", "", "utm_source=google&utm_medium=cpc&utm_campaign={}", "utm_source=newsletter&utm_medium=email",
    "gclid={}", "utm_source=facebook&utm_medium=social", "utm_source=yahoo&utm_medium=cpc",
)  # fmt: skip
REFERRERS = ("", "", "https://www.google.com/", "https://www.google.co.jp/", "https://search.yahoo.co.jp/",
             "https://t.co/", "https://www.bing.com/", "https://www.linkedin.com/")  # fmt: skip
#: Rules as the guide and the demo name them.
RULES = (
    "{id: page-view, on: page, points: 1}",
    "{id: whitepaper, on: whitepaper_download, points: 30, once: session}",
    "{id: download, on: download, points: 10}",
    "{id: seminar, on: seminar, points: 10, once: visitor}",
    "{id: newsletter, on: identify, points: 10, once: visitor}",
    "{id: contact, on: contact, points: 50, once: visitor}",
    "{id: pricing-view, on: page, when: {page.topic: pricing}, points: 5, once: session}",
    "{id: case-view, on: page, when: {page.topic: cases}, points: 5, once: session}",
    "{id: pricing-dwell, on: engage, when: {page.topic: pricing, page.engaged_s: {$gte: 30}}, points: 15,"
    " once: session}",
    "{id: case-dwell, on: engage, when: {page.topic: cases, page.engaged_s: {$gte: 30}}, points: 10, once: day}",
    "{id: president, when: {traits.title: {$regex: 'CEO|President'}}, points: 20}",
    "{id: silent, idle: {event: email_open, for: 180d}, points: -30}",
    "{id: visit, on: page, points: 10, once: session}",
    "{id: key-page, on: page, points: 10, once: session, when: {page.topic: {$exists: true}}}",
    "{id: frequent, points: 10, when: {active_days.last_30: {$gte: 3}}}",
)
AUDIENCES = (
    "first_time: {session_count: 1}", "returning: {session_count: {$gte: 2}}", "high_intent: {intent: high}",
    "known: {traits.email: {$exists: true}}", "pricing_reader: {topics.pricing: {$gte: 2}}",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A made-up site and its pages: (url, title)."""

    site: Site
    pages: list[tuple[str, str]]


def main() -> None:
    """Train the dictionaries and write them."""
    profiles, lines = list[bytes](), list[bytes]()
    for profile, more in samples(random.Random(1)):
        profiles.append(encode_profile(profile))
        lines += more
    learnt = ((PROFILE_BYTES, profiles), (LINE_BYTES, lines))
    for name, (size, texts) in zip(sys.argv[1:3], learnt, strict=True):
        path = DATA / f"{name}.zdict"
        if path.exists() and "--again" not in sys.argv:
            raise SystemExit(f"{path.name} is there already: it may have been released")
        made = zstandard.train_dictionary(size, texts, level=3, dict_id=int(name))
        path.write_bytes(made.as_bytes())


def samples(rng: random.Random) -> Iterator[tuple[Profile, list[bytes]]]:
    """A profile as it is at some moment, and its recent events and ledger entries as they are kept."""
    for _ in range(SITES):
        shop = _shop(rng)
        for _ in range(VISITORS):
            yield from _visitor(rng, shop)


def _shop(rng: random.Random) -> Shop:
    name, topics = _word(rng), rng.sample(TOPICS, rng.randint(3, 7))
    rules = "".join(f"\n    - {rule}" for rule in rng.sample(RULES, rng.randint(4, 10)))
    own = "".join(
        f"\n    - {{id: {_word(rng)}, on: page, when: {{page.path: /{_word(rng)}}}, points: 3}}" for _ in "12"
    )
    audiences = "".join(f"\n  {one}" for one in rng.sample(AUDIENCES, rng.randint(2, 5)))
    where = "".join(f"\n  - {{path: '/{topic}*', topic: {topic}}}" for topic in topics)
    text = (
        f"site: {name}\nname: {name}\nwrite_key: k-{name}\norigins: ['https://{name}.example']\n"
        f"timezone: Asia/Tokyo\nlocale: en\ntopics:{where}\n"
        f"scoring:\n  rules:{rules}{own}\naudiences:{audiences}\n"
    )
    checked = check_text(text)
    assert not isinstance(checked, list), checked
    host, title = (
        rng.choice((f"https://www.{name}.co.jp", f"https://{name}.com", f"https://{name}.jp")),
        _word(rng),
    )
    pages = [
        (f"{host}/{topic}{rng.choice(PATHS)}", f"{rng.choice(TITLES)} | {title.title()}") for topic in topics
    ]
    pages += [
        (f"{host}/", title.title()),
        (f"{host}/{topics[0]}/{_word(rng)}-{_word(rng)}", f"{_word(rng)} {title}"),
    ]
    return Shop(site=compile_site(checked, revision=1, rule_versions={}), pages=pages)


def _visitor(rng: random.Random, shop: Shop) -> Iterator[tuple[Profile, list[bytes]]]:
    profile: Profile | None = None
    at, visitor = START + rng.randrange(200 * DAY_MS), rng.getrandbits(128).to_bytes(16, "big").hex()
    lines, entries = list[bytes](), list[Entry]()
    page, length = rng.choice(shop.pages), rng.choice((1, 2, 2, 3, 4, 6, 10, 20, 50))
    for number in range(length):
        page = rng.choice(shop.pages) if number % 2 == 0 else page
        at += rng.choice((rng.randrange(90_000), rng.randrange(90_000), rng.randrange(7 * DAY_MS)))
        event = _event(rng, shop, visitor, at, page, first=number == 0)
        folded = fold(profile, event, at, shop.site)
        profile = folded.outcome.profile
        entries = [*entries, *folded.outcome.entries]
        lines.append(bytes(as_kept(event)))
        if rng.random() < 2 / length:
            batch = [encode_entries(entries[-rng.choice((FIRST, LATER)) :])] if entries else []
            yield profile, [*lines[-6:], *batch]


def _event(
    rng: random.Random, shop: Shop, visitor: str, at: int, page: tuple[str, str], *, first: bool
) -> Event:
    kinds = (
        ["page"] * 8
        + ["engage"] * 6
        + ["identify", "whitepaper_download", "download", "seminar", "contact", "group"]
    )
    name = "page" if first else rng.choice(kinds)
    types: dict[str, EventType] = {
        "page": "page",
        "engage": "engage",
        "identify": "identify",
        "group": "group",
    }
    query = rng.choice(SOURCES).format(_word(rng)) if first else ""
    device, language = rng.choice(
        (("desktop", "ja"), ("mobile", "ja-JP"), ("desktop", "en-US"), ("tablet", "en"))
    )
    return Event(
        id=rng.choice((f"{at}{rng.random()}", rng.getrandbits(128).to_bytes(16, "big").hex())),
        site=shop.site.id,
        visitor=visitor,
        type=types.get(name, "track"),
        name=name,
        at=at,
        received_at=at + rng.randrange(40),
        client_at=at - rng.randrange(3_000),
        url=page[0] + (f"?{query}" if query else ""),
        title=page[1] if name == "page" else "",
        ref=rng.choice(REFERRERS) if first else "",
        props=_props(rng, name),
        device=device,
        lang=language,
        country=rng.choice(("JP", "JP", "JP", "US", "")),
    )


def _props(rng: random.Random, name: str) -> dict[str, object]:
    if name == "engage":
        return {"engaged_ms": rng.randrange(1_000, 90_000), "scroll": rng.randrange(101)}
    if name == "identify":
        who, title = _word(rng), rng.choice(("Manager", "CEO", "部長", "課長", "Engineer"))
        return {
            "email": f"{who}@{_word(rng)}.example",
            "name": who.title(),
            "title": title,
            "company": _word(rng),
        }
    if name == "group":
        return {"name": _word(rng).title(), "domain": f"{_word(rng)}.example"}
    return {"file": f"{_word(rng)}.pdf"} if "download" in name else {}


def _word(rng: random.Random) -> str:
    return "".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(2, 4)))


if __name__ == "__main__":
    main()
