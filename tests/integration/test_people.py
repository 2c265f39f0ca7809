"""People over several browsers, companies, timers, erasure: on real processes, through the public doors."""

from __future__ import annotations

import time
import uuid
from typing import Any

import aiohttp

from storage import keys
from tests.processes import ADMIN_TOKEN, Stack, until
from tests.sites import DEMO

SITE = "/v1/admin/sites/demo"


def hit(kind: str, path: str = "/", *, ago_ms: int = 0, **props: Any) -> dict[str, Any]:
    known = {"page", "identify", "engage", "group"}
    return {
        "id": uuid.uuid4().hex,
        "type": kind if kind in known else "track",
        "name": kind,
        "url": f"http://shop.example{path}",
        "at": int(time.time() * 1000) - ago_ms,
        "props": props,
    }


def id_of(v: str) -> str:
    return v.partition(".")[0]


async def seen(stack: Stack, v: str, **wanted: Any) -> dict[str, Any]:
    """The visitor's view, once it holds what is wanted."""

    async def there() -> bool:
        view = await stack.visitor(v)
        return all(view.get(name) == value for name, value in wanted.items())

    await until(there)
    return await stack.visitor(v)


async def act(stack: Stack, method: str, path: str, body: Any = None) -> int:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with stack.http.request(method, stack.base + path, headers=headers, json=body) as answer:
        return answer.status


async def test_two_browsers_of_one_person_share_a_profile(stack: Stack) -> None:
    desk = (await stack.beacon(hit("page"), hit("whitepaper_download")))["v"]
    phone = (await stack.beacon(hit("page", "/pricing")))["v"]
    taro = {"email": "taro@acme.co.jp", "title": "部長"}
    await stack.beacon(hit("identify", **taro), v=desk)
    alone = await seen(stack, desk, stage="lead")
    assert (alone["score"], alone["lead"], alone["account"]) == (31, "taro@acme.co.jp", "acme.co.jp")
    # The phone says who it is, and the very answer knows the person: two visits, so "returning".
    answer = await stack.beacon(hit("identify", email="Taro@acme.co.jp"), v=phone, slots=["hero"])
    assert answer["decisions"]["hero"]["variant"] == "results"
    for v in (desk, phone):
        shared = await seen(stack, v, score=32)
        assert shared["session_count"] == 2
        assert shared["traits"]["title"] == "部長"
        assert set(shared["visitors"]) == {id_of(desk), id_of(phone)}
        assert sum(line["points"] for line in shared["ledger"]) == 32
    found = await stack.admin(f"{SITE}/leads?email=taro@acme.co.jp")
    assert {part["visitor"]: part["score"] for part in found["parts"]} == {id_of(desk): 31, id_of(phone): 1}
    assert await stack.admin(f"{SITE}/visitors?email=nobody@acme.co.jp") is None

    assert await act(stack, "POST", f"{SITE}/visitors/{id_of(phone)}/unlink", {}) == 202
    assert (await seen(stack, phone, score=1))["lead"] is None
    assert (await seen(stack, desk, score=31))["visitors"] == [id_of(desk)]
    assert await act(stack, "POST", f"{SITE}/visitors/{id_of(phone)}/link", {"visitor": id_of(desk)}) == 202
    await seen(stack, phone, score=32)
    assert await act(stack, "POST", f"{SITE}/visitors/{id_of(phone)}/link", {}) == 400
    assert await act(stack, "POST", f"{SITE}/visitors/nobody/link", {"email": "a@b.example"}) == 404


async def test_an_address_that_anybody_can_type_tells_nobody_a_name(stack: Stack) -> None:
    mail = "taro@acme.co.jp"
    page, engaged = hit("page", "/pricing"), hit("engage", "/pricing", engaged_ms=61_000)
    first = await stack.beacon(page, engaged, hit("whitepaper_download"))
    await stack.beacon(hit("identify", email=mail, name="Taro"), v=first["v"])
    await seen(stack, first["v"], intent="high", stage="mql")
    guesser = (await stack.beacon(hit("page")))["v"]
    answer = await stack.beacon(hit("identify", email=mail), v=guesser, slots=["hero"])
    # The behaviour counts for the person; the name is only for the browser that said it.
    assert answer["decisions"]["hero"]["html"] == "<h1>Talk to us, friend</h1>"
    again = await stack.beacon(v=first["v"], slots=["hero"])
    assert again["decisions"]["hero"]["html"] == "<h1>Talk to us, Taro</h1>"


async def test_a_shared_browser_forks_and_the_first_persons_history_stays_theirs(stack: Stack) -> None:
    v = (await stack.beacon(hit("page"), hit("whitepaper_download"), hit("identify", email="a@acme.co.jp")))[
        "v"
    ]
    await seen(stack, v, score=31)
    await stack.beacon(hit("identify", email="b@beta.co.jp"), v=v)
    await seen(stack, v, score=0)
    await stack.beacon(hit("page"), v=v)
    now = await seen(stack, v, score=1)
    assert (now["lead"], now["session_count"], now["traits"]) == (
        "b@beta.co.jp",
        1,
        {"email": "b@beta.co.jp"},
    )
    before = await stack.admin(f"{SITE}/leads?email=a@acme.co.jp")
    assert (before["score"], before["traits"]) == (31, {"email": "a@acme.co.jp"})
    assert sum(line["points"] for line in before["ledger"]) == 31
    # Erasing the first person leaves the second alone.
    assert await act(stack, "DELETE", f"{SITE}/leads/{before['lead_id']}") == 202

    async def gone() -> bool:
        return await stack.admin(f"{SITE}/leads?email=a@acme.co.jp") is None

    await until(gone)
    assert (await stack.visitor(v))["score"] == 1


async def test_an_erased_visitor_is_in_no_store_and_does_not_come_back(stack: Stack) -> None:
    mail = "taro@erased.example"
    first = await stack.beacon(
        hit("page", "/pricing"), hit("identify", email=mail, name="ERASEME"), hit("whitepaper_download")
    )
    v = first["v"]
    await seen(stack, v, stage="lead", score=31)

    async def alerted() -> bool:
        return bool(await stack.redis.smembers(keys.alerts_of("demo", id_of(v))))

    await until(alerted)
    exported = await stack.admin(f"{SITE}/visitors/{id_of(v)}/export")
    assert exported["profile"]["traits"]["email"] == mail
    assert len(exported["ledger"]) == 2
    assert len(exported["recent_events"]) == 3
    assert exported["alerts"]
    assert await act(stack, "DELETE", f"{SITE}/visitors/{id_of(v)}") == 202

    async def gone() -> bool:
        return await stack.visitor(v) == {}

    await until(gone)
    await stack.beacon(hit("page", "/pricing", ago_ms=3_600_000), v=v)  # late, from before the erasure
    left = await _where(stack, (id_of(v).encode(), b"ERASEME", mail.encode(), b"erased.example"))
    assert set(left) <= {keys.profile("demo", id_of(v))}
    assert await stack.visitor(v) == {}
    await stack.beacon(hit("page"), v=v)
    again = await seen(stack, v, page_count=1)
    assert (again["session_count"], again["traits"], again["score"]) == (1, {}, 1)


async def _where(stack: Stack, needles: tuple[bytes, ...]) -> list[str]:
    """The keys that hold one of `needles`, in their name or their value; once the streams are settled."""
    found = []
    async for key in stack.redis.scan_iter("*"):
        name = key.decode()
        if name.startswith("kz:t:"):
            continue  # committed entries go within seconds
        value = await stack.redis.dump(key)
        kind = (await stack.redis.type(key)).decode()
        values = {
            "string": lambda k: stack.redis.get(k),
            "hash": lambda k: stack.redis.hgetall(k),
            "list": lambda k: stack.redis.lrange(k, 0, -1),
            "set": lambda k: stack.redis.smembers(k),
            "zset": lambda k: stack.redis.zrange(k, 0, -1),
            "stream": lambda k: stack.redis.xrange(k),
        }
        text = repr(await values[kind](key)).encode()
        assert value is not None
        if any(needle in text or needle in key for needle in needles):
            found.append(name)
    return found


COMMITTEE = """
scoring:
  rules:
    - {id: page-view, on: page, points: 1}
    - {id: silent, idle: {event: page, for: 2s}, points: -7}
    - {id: capped, on: cheer, points: 4, max: 10}
stages: {mql: 3}
audiences:
  committee: {account.topics.pricing: {$gte: 3}}
"""


def with_people() -> str:
    head, _, _ = DEMO.partition("scoring:")
    return head + COMMITTEE.strip() + "\n"


async def test_three_people_of_one_company_and_a_silence_that_tells_by_itself(stack: Stack) -> None:
    await stack.publish(with_people())
    visitors = []
    for name in ("a", "b", "c"):
        answer = await stack.beacon(hit("page", "/pricing"), hit("identify", email=f"{name}@acme.co.jp"))
        visitors.append(answer["v"])
        await seen(stack, answer["v"], page_count=1)
    last = await seen(stack, visitors[2], audiences=["committee"])
    assert last["account"] == "acme.co.jp"
    company = await stack.admin(f"{SITE}/accounts/acme.co.jp")
    assert (company["people"], company["topics"]) == (3, {"pricing": 3})
    # Two seconds without a page view: the points go by themselves, and nobody has to come for it.
    quiet = await seen(stack, visitors[0], score=-6)
    assert [line["rule"] for line in quiet["ledger"]] == ["page-view", "silent"]
    assert await stack.redis.zscore(keys.TIMERS, f"demo:{id_of(visitors[0])}") is None
    await stack.beacon(hit("cheer"), hit("cheer"), hit("cheer"), v=visitors[0])
    capped = await seen(stack, visitors[0], stage="mql")
    assert sum(line["points"] for line in capped["ledger"] if line["rule"] == "capped") == 10
    assert set(capped["stages"]) == {"lead", "mql"}


async def test_timers_survive_the_worker(stack: Stack) -> None:
    await stack.publish(with_people())
    v = (await stack.beacon(hit("page")))["v"]
    await seen(stack, v, page_count=1)
    stack.kill_worker()
    stack.start_worker()
    silent = await seen(stack, v, score=-6)
    assert [line["rule"] for line in silent["ledger"]].count("silent") == 1


async def test_crawlers_are_answered_and_not_profiled(stack: Stack) -> None:
    crawler = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    for agent, profiled in ((crawler, False), ("python-requests/2.32", True), ("", True)):
        body = {"site": "demo", "events": [hit("page")], "slots": ["hero"]}
        async with stack.http.post(
            f"{stack.base}/v1/beacon", json=body, headers={"User-Agent": agent}
        ) as answer:
            assert answer.status == 200
            v = (await answer.json())["v"]
        assert bool(v) is profiled
        if profiled:
            await seen(stack, v, page_count=1)
    async with aiohttp.ClientSession() as http, http.get(f"{stack.base}/metrics") as answer:
        assert 'kizashi_beacons_ignored_total{why="bot"} 1.0' in await answer.text()
