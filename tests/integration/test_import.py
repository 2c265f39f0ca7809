"""`kizashi send`: a clickstream through the real command and worker, against an independent computation."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from storage import keys
from storage.profiles import unpack
from tests.processes import Stack, until

DAY = 86_400_000
START = 1_788_000_000_000
PATHS = ["/", "/demo/pricing", "/demo/cases", "/demo/product", "/demo/cases/acme"]


def clickstream(count: int, seed: int) -> list[dict[str, Any]]:
    """At least `count` events of visitors who come on several days, read for a while, and pause in between."""
    rng, lines = random.Random(seed), list[dict[str, Any]]()
    visitor = 0
    while len(lines) < count:
        visitor += 1
        lines += _life(rng, f"v{visitor:06}")
    rng.shuffle(lines)  # the command puts them in order
    return lines


def _life(rng: random.Random, visitor: str) -> Iterator[dict[str, Any]]:
    at = START + rng.randrange(20 * DAY)
    for _ in range(rng.choice([1, 1, 2, 5])):
        campaign = f"?utm_source=s{rng.randrange(3)}" if rng.random() < 0.3 else ""
        for number in range(rng.randint(1, 12)):
            path = rng.choice(PATHS)
            query = campaign if number == 0 else ""
            url = f"https://example.com{path}{query}"
            yield {"visitor": visitor, "type": "page", "url": url, "at": at}
            at += rng.randrange(1_000, 120_000)
            if rng.random() < 0.7:
                spent = rng.randrange(100, 60_000)
                props = {"engaged_ms": spent, "scroll": rng.randrange(100)}
                yield {"visitor": visitor, "type": "engage", "url": url, "at": at, "props": props}
            at += rng.choice([5_000, 90_000, 29 * 60_000, 31 * 60_000, 3 * 3_600_000])
        at += rng.randrange(1, 5) * DAY // 2


def expected(lines: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Sessions, pages and engaged time of each visitor, by the definition alone: split where it says so."""
    zone, found = ZoneInfo("Asia/Tokyo"), dict[str, dict[str, int]]()
    by_visitor: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_visitor.setdefault(line["visitor"], []).append(line)
    for visitor, own in by_visitor.items():
        own.sort(key=lambda line: line["at"])
        sessions, last, campaign = 0, 0, ""
        for line in own:
            named = line["url"].partition("utm_source=")[2] if line["type"] == "page" else ""
            day, before = (datetime.fromtimestamp(at / 1000, zone).date() for at in (line["at"], last))
            if line["at"] - last > 30 * 60_000 or day != before or (named and named != campaign):
                sessions, campaign = sessions + 1, named
            last = line["at"]
        found[visitor] = {
            "session_count": sessions,
            "page_count": sum(line["type"] == "page" for line in own),
            "engaged_ms": sum(line.get("props", {}).get("engaged_ms", 0) for line in own),
        }
    return found


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(4_000, id="short"),
        pytest.param(100_000, id="whole", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
)
async def test_sessions_and_engaged_time_of_a_clickstream(stack: Stack, tmp_path: Path, count: int) -> None:
    lines = clickstream(count, seed=7)
    file = tmp_path / "clickstream.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    said = await stack.run("send", "demo", str(file))
    assert f"sent {len(lines)} events, left out 0" in said
    wanted = expected(lines)
    await until(lambda: _arrived(stack, len(lines)), 600)
    assert await counted(stack, list(wanted)) == wanted
    # The same file again changes nothing.
    await stack.run("send", "demo", str(file))
    await until(lambda: _arrived(stack, 2 * len(lines)), 600)
    assert await counted(stack, list(wanted)) == wanted
    assert await stack.redis.zcard(keys.alerts("demo")) == 0  # nobody is told of what is long past


async def _arrived(stack: Stack, count: int) -> bool:
    """Whether the worker has committed so many messages."""
    offsets = await stack.redis.hgetall(keys.offsets("kizashi"))
    await asyncio.sleep(0.1)
    return sum(int(offset) for offset in offsets.values()) >= count


async def counted(stack: Stack, visitors: list[str]) -> dict[str, dict[str, int]]:
    """What the profiles say."""
    records = await stack.redis.mget([keys.profile("demo", visitor) for visitor in visitors])
    found = {}
    for visitor, record in zip(visitors, records, strict=True):
        profile = unpack(record)[1]
        found[visitor] = {
            name: getattr(profile, name) for name in ("session_count", "page_count", "engaged_ms")
        }
    return found


async def test_mistakes_are_named_by_line_and_the_rest_is_sent(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    rows = [
        {"visitor": "v1", "type": "page", "url": "https://example.com/", "at": START},
        {"visitor": "a b", "type": "page", "at": START},
        {"visitor": "v1", "type": "sneeze", "at": START},
        {"visitor": "v1", "type": "page", "at": "yesterday"},
        {"type": "page", "at": START},
        {"visitor": "v1", "type": "page", "at": START, "country": "Japan"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{not json\n", "utf-8")
    said = await stack.run("send", "demo", str(file), code=1)
    for number, field in ((2, "visitor"), (3, "type"), (4, "at"), (5, "visitor"), (6, "device or country")):
        assert f"events.jsonl:{number}: {field}: " in said
    assert "events.jsonl:7: " in said
    assert "sent 1 events, left out 6" in said
    assert "is not published" in await stack.run("send", "nowhere", str(file), code=1)
