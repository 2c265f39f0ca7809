"""Segment's HTTP API on real processes: what arrives, what is refused and why, which pages may ask."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from core.visitor_ids import visitor_of, visitor_of_user
from storage import keys
from storage.embedded import Server
from storage.profiles import unpack
from tests.kafka import free_ports
from tests.processes import ADMIN_TOKEN, Stack, until
from tests.sites import DEMO

KEY = "demo-write-key"
SHOP = "http://shop.example"
ANN = visitor_of("demo", "ann")
PATHS = [
    f"/v1/{name}" for name in ("page", "screen", "track", "identify", "group", "alias", "batch", *"pstigab")
]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Web and worker with the demo site, for all tests of the module: each has visitors of its own."""
    root = tmp_path_factory.mktemp("segment")
    writer = MMDBWriter(6, "Test", languages=["en"], ipv4_compatible=True)
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"country": {"iso_code": "JP"}})
    writer.insert_network(IPSet(["198.51.100.0/24"]), {"country": {"iso_code": "US"}})
    writer.to_db_file(str(root / "country.mmdb"))
    env = {"KIZASHI_GEOIP_DB": str(root / "country.mmdb"), "KIZASHI_TRUSTED_PROXIES": "127.0.0.1"}
    with Server(root / "valkey") as valkey:
        stack = Stack(store_url=valkey.url, data_dir=root / "data", port=free_ports(1)[0], **env)
        async with stack as running:
            await running.publish(DEMO)
            yield running


def basic(user: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:".encode()).decode()}


def call(kind: str, who: str = "ann", **more: Any) -> dict[str, Any]:
    return {"type": kind, "anonymousId": who, **more}


async def send(stack: Stack, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any], Any]:
    """Status, body and headers of the answer. Bytes are sent as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with stack.http.post(stack.base + path, data=io.BytesIO(data), headers=headers) as answer:
        return answer.status, json.loads(await answer.text()), answer.headers


async def accepted(stack: Stack, path: str, body: Any, **headers: str) -> None:
    status, answer, _ = await send(stack, path, body, **headers)
    assert (status, answer) == (200, {"success": True}), path


async def taken(stack: Stack) -> tuple[float, int]:
    """How many events the web process has accepted, and how many profiles there are."""
    async with stack.http.get(f"{stack.base}/metrics") as answer:
        lines = [line for line in (await answer.text()).splitlines() if "events_accepted_total{" in line]
    return sum(float(line.split()[-1]) for line in lines), len(await stack.redis.keys("kz:p:*"))


async def stored(stack: Stack, visitor: str, **expected: Any) -> dict[str, Any]:
    """The visitor's view, once it shows what is expected."""

    async def there() -> bool:
        view = await stack.visitor(visitor)
        return {name: view.get(name) for name in expected} == expected

    await until(there)
    return await stack.visitor(visitor)


async def test_calls_become_profiles(stack: Stack) -> None:
    page = call("page", messageId="m1", properties={"url": f"{SHOP}/pricing", "title": "Pricing"})
    await accepted(stack, "/v1/page", page, **basic(KEY))
    assert (await send(stack, "/v1/p", page | {"writeKey": KEY}))[0] == 200
    body = gzip.compress(
        json.dumps(
            {
                "writeKey": KEY,
                "batch": [
                    page,
                    call("track", event="whitepaper_download", messageId="m2"),
                    call("identify", userId="u1", traits={"email": "ann@acme.example"}, messageId="m3"),
                    call("group", groupId="g1", traits={"name": "Acme"}, messageId="m4"),
                    call("sing", messageId="m5"),
                    {"type": "track", "event": "invoice_paid", "userId": "u9", "messageId": "m6"},
                    call("page", messageId="m7", properties={"url": f"{SHOP}/last"}),
                ],
            }
        ).encode()
    )
    status, answer, _headers = await send(stack, "/v1/batch", body, **{"Content-Encoding": "gzip"})
    assert (status, answer["success"]) == (200, True)
    assert [(r["index"], r["code"], r["field"]) for r in answer["rejected"]] == [
        (4, "unknown_type", "batch[4].type")
    ]
    view = await stored(stack, ANN, page_count=2)
    assert (view["score"], view["session_count"]) == (32, 1)
    assert {name: stat["count"] for name, stat in view["events"].items()} == {
        "page": 2, "whitepaper_download": 1, "identify": 1, "group": 1,
    }  # fmt: skip
    assert [alert["rule"] for alert in await stack.alerts()] == ["whitepaper"]
    server_side = await stored(stack, visitor_of_user("demo", "u9"), page_count=0)
    assert server_side["events"]["invoice_paid"]["count"] == 1


async def test_every_path_takes_its_calls_and_the_clock_is_put_right(stack: Stack) -> None:
    year = 365 * 86_400_000
    now = int(time.time() * 1000)
    bodies: dict[str, dict[str, Any]] = {
        "track": {"event": "x"}, "t": {"event": "x"}, "group": {"groupId": "g"}, "g": {"groupId": "g"},
        "alias": {"previousId": "bob", "userId": "u"}, "a": {"previousId": "bob", "userId": "u"},
    }  # fmt: skip
    for path in PATHS:
        name = path.removeprefix("/v1/")
        one = call("wrong", "bob", **bodies.get(name, {}), timestamp=now - year - 1_000, sentAt=now - year)
        body = {"batch": [one | {"type": "page"}]} if name in ("b", "batch") else one
        await accepted(stack, path, body, **basic(KEY))
    view = await stored(stack, visitor_of("demo", "bob"), page_count=6)
    assert {name: stat["count"] for name, stat in view["events"].items()} == {
        "page": 6, "x": 2, "identify": 4, "group": 2,
    }  # fmt: skip
    last = view["events"]["page"]["last_at"]
    assert "T" in str(last) or abs(int(last) - now) < 60_000
    await accepted(stack, "/v1/m", {"series": []})
    await accepted(stack, "/v1/batch", {"batch": []}, **basic(KEY))


async def test_an_alias_makes_no_two_users_one(stack: Stack) -> None:
    """Anybody has the write key; two people are one when an operator says so."""
    first, second = (visitor_of_user("demo", name) for name in ("p1", "p2"))
    for name in ("p1", "p2"):
        body = {"userId": name, "traits": {"email": f"{name}@acme.example"}}
        await accepted(stack, "/v1/identify", body, **basic(KEY))
    await accepted(stack, "/v1/alias", {"previousId": "p1", "userId": "p2"}, **basic(KEY))
    nobody = visitor_of("demo", "p1")  # whose anonymousId would be `p1`
    lead = await person(stack, second, {second, nobody})
    assert await person(stack, first, {first}) != lead
    async with stack.http.post(
        f"{stack.base}/v1/admin/sites/demo/visitors/{first}/link",
        json={"user_id": "p2"},
        headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
    ) as answer:
        assert answer.status == 202
    assert await person(stack, first, {first, second, nobody}) == lead


async def person(stack: Stack, visitor: str, visitors: set[str]) -> str:
    """The visitor's lead, once it is that of these visitors."""

    async def there() -> bool:
        return set((await stack.visitor(visitor)).get("visitors") or []) == visitors

    await until(there)
    return str((await stack.visitor(visitor))["lead"])


#: How a call comes, and the country that counts: of a server's call what it says, of a page's where it comes from.
COUNTRIES = [
    ("server", "/v1/track", basic(KEY), "JP"),
    ("server-batch", "/v1/batch", basic(KEY), "JP"),
    ("key-in-the-body", "/v1/track", {}, ""),
    ("page", "/v1/track", basic(KEY) | {"Origin": SHOP}, "US"),
]


@pytest.mark.parametrize(("who", "path", "headers", "country"), COUNTRIES)
async def test_whose_address_tells_the_country(
    stack: Stack, who: str, path: str, headers: dict[str, str], country: str
) -> None:
    one = call("track", who, event="x", context={"ip": "203.0.113.7"}, writeKey=KEY)
    body = {"batch": [one], "writeKey": KEY} if path == "/v1/batch" else one
    await accepted(stack, path, body, **headers, **{"X-Forwarded-For": "198.51.100.9"})
    await stored(stack, visitor_of("demo", who), page_count=0)
    record = await stack.redis.get(keys.profile("demo", visitor_of("demo", who)))
    assert unpack(record)[1].country == country
    assert b"203.0.113.7" not in record


DEEP = b'{"anonymousId":"a","event":"x","properties":{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}}"
BOMB = gzip.compress(b'{"batch":[' + b" " * 20_000_000)
BAD: list[tuple[str, str, Any, dict[str, str], int, str, str]] = [
    ("no key", "/v1/track", call("track", event="x"), {}, 401, "unauthorized", "writeKey"),
    ("wrong key", "/v1/track", call("track", event="x"), basic("nobody"), 401, "unauthorized", "writeKey"),
    ("wrong key in the body", "/v1/batch", {"batch": [], "writeKey": "nobody"}, {}, 401, "unauthorized",
     "writeKey"),
    ("not Basic", "/v1/track", {}, {"Authorization": "Basic ???"}, 401, "unauthorized", "authorization"),
    ("a bearer token", "/v1/track", {}, {"Authorization": "Bearer abc"}, 401, "unauthorized", "writeKey"),
    ("foreign origin", "/v1/page", call("page"), basic(KEY) | {"Origin": "https://evil.example"}, 403,
     "foreign_origin", "origin"),
    ("null origin", "/v1/b", {"batch": []}, basic(KEY) | {"Origin": "null"}, 403, "foreign_origin", "origin"),
    ("not JSON", "/v1/track", b"{nope", basic(KEY), 400, "bad_json", ""),
    ("empty", "/v1/track", b"", basic(KEY), 400, "bad_json", ""),
    ("a list", "/v1/batch", b"[]", basic(KEY), 400, "bad_shape", ""),
    ("no batch", "/v1/batch", {}, basic(KEY), 400, "bad_shape", ""),
    ("NaN", "/v1/track", b'{"anonymousId":NaN}', basic(KEY), 400, "bad_json", ""),
    ("beyond all numbers", "/v1/t", b'{"anonymousId":"a","event":"x","timestamp":1e999}', basic(KEY), 400, "", ""),
    ("number in properties", "/v1/t", b'{"anonymousId":"a","event":"x","properties":{"n":1e999}}', basic(KEY),
     400, "", ""),
    ("10,000 deep", "/v1/track", DEEP, basic(KEY), 400, "", ""),
    ("10,000 deep in a batch", "/v1/batch", b'{"batch":[' + DEEP + b"]}", basic(KEY), 400, "", ""),
    ("lone surrogate", "/v1/track", b'{"anonymousId":"a","event":"x\\ud800"}', basic(KEY), 400, "", ""),
    ("broken UTF-8", "/v1/track", b'{"anonymousId":"a","event":"\xff"}', basic(KEY), 400, "", ""),
    ("NUL", "/v1/track", b'{"anonymousId":"a","event":"x\\u0000"}', basic(KEY), 400, "bad_value", "event"),
    ("33 KB", "/v1/track", call("track", event="x" * 33_000), basic(KEY), 400, "too_large", "body"),
    ("33 KB in a batch", "/v1/batch", {"batch": [call("track", event="x" * 33_000)]}, basic(KEY), 400,
     "too_large", "batch[0]"),
    ("501 KB", "/v1/batch", b" " * 513_000, basic(KEY), 413, "too_large", "body"),
    ("10 MB", "/v1/batch", b" " * 10_000_000, basic(KEY), 413, "too_large", "body"),
    ("gzip bomb", "/v1/batch", BOMB, basic(KEY) | {"Content-Encoding": "gzip"}, 413, "too_large", "body"),
    ("gzip bomb to track", "/v1/t", BOMB, basic(KEY) | {"Content-Encoding": "gzip"}, 413, "too_large", "body"),
    ("gzip bomb of metrics", "/v1/m", BOMB, {"Content-Encoding": "gzip"}, 413, "too_large", ""),
    ("not gzip", "/v1/batch", b"zzz", basic(KEY) | {"Content-Encoding": "gzip"}, 400, "", ""),
    ("2,501 calls", "/v1/batch", {"batch": [1] * 2_501}, basic(KEY), 400, "too_many", "batch"),
    ("calls that are none", "/v1/batch", {"batch": [1, None]}, basic(KEY), 400, "bad_shape", "batch[0]"),
    ("only bad calls", "/v1/batch", {"batch": [call("track")]}, basic(KEY), 400, "bad_name", "batch[0].event"),
    ("reserved name", "/v1/track", call("track", event="page"), basic(KEY), 400, "bad_name", "event"),
    ("nobody", "/v1/identify", {"traits": {}}, basic(KEY), 400, "no_id", "userId"),
    ("prototype", "/v1/i", {"userId": "u", "traits": {"__proto__": {"x": 1}}}, basic(KEY), 400, "bad_value",
     "traits.__proto__"),
    ("two days ago", "/v1/t", call("track", event="x", timestamp=time.time() * 1000 - 2 * 86_400_000),
     basic(KEY), 400, "too_old", "timestamp"),
]  # fmt: skip
LIMITS = {"33 KB": "32 KB", "33 KB in a batch": "32 KB", "501 KB": "500 KB", "gzip bomb": "500 KB"}


async def drip(port: int, path: str) -> bytes:
    """The first line of the answer to a body that comes one byte at a time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: k\r\nContent-Length: 1000\r\n\r\n{{".encode())
    answer = asyncio.create_task(reader.readline())
    try:
        while not answer.done():
            writer.write(b" ")
            await asyncio.wait([answer], timeout=0.5)
    finally:
        writer.close()
    return await answer


async def test_bad_calls_are_refused_and_store_nothing(stack: Stack) -> None:
    before = await taken(stack)
    port = int(stack.base.rpartition(":")[2])
    dripping = [asyncio.create_task(drip(port, path)) for path in ("/v1/track", "/v1/batch", "/v1/m")]
    for name, path, body, headers, status, code, field in BAD:
        got, answer, answered = await send(stack, path, body, **headers)
        error = answer["error"]
        assert got == status, (name, answer)
        assert set(error) == {"code", "field", "message"}, name
        assert code in ("", error["code"]), (name, error)
        assert field in ("", error["field"]), (name, error)
        assert LIMITS.get(name, "") in error["message"], (name, error)
        assert "Access-Control-Allow-Origin" not in answered, name
        assert "Set-Cookie" not in answered, name
    assert {line.split()[1] for line in await asyncio.gather(*dripping)} == {b"408"}
    assert await taken(stack) == before
    assert stack.web is not None
    assert stack.web.poll() is None


async def test_which_pages_may_ask(stack: Stack) -> None:
    await stack.publish(DEMO.replace("demo", "other").replace(SHOP, "https://other.example"))
    matrix = [  # origin, status, what the answer allows
        (None, 200, None, None),
        (SHOP, 200, SHOP, "true"),
        ("https://other.example", 403, "https://other.example", None),  # some site's, but not this one's
        ("https://evil.example", 403, None, None),
        ("null", 403, None, None),
    ]
    for origin, status, allowed, credentials in matrix:
        for path in ("/v1/track", "/v1/batch"):
            body = call("track", event="x") if path == "/v1/track" else {"batch": []}
            headers = basic(KEY) | ({"Origin": origin} if origin else {})
            got, _answer, answered = await send(
                stack, path, body, **headers, **{"Content-Type": "text/plain"}
            )
            assert got == status, (origin, path)
            assert answered.get("Access-Control-Allow-Origin") == allowed, (origin, path)
            assert answered.get("Access-Control-Allow-Credentials") == credentials, (origin, path)
            assert answered["Cache-Control"] == "private, no-store"
        async with stack.http.get(
            f"{stack.base}/v1/projects/{KEY}/settings", headers={"Origin": origin} if origin else {}
        ) as answer:
            assert answer.status == status, origin
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed, origin
    # What can never be accepted must be readable, or the browser client takes it for a failure and sends again.
    got, answer, answered = await send(stack, "/v1/t", call("track"), **basic(KEY), Origin=SHOP)
    assert (got, answer["error"]["code"]) == (400, "bad_name")
    assert answered["Access-Control-Allow-Origin"] == SHOP
    assert "Access-Control-Allow-Credentials" not in answered


async def test_the_browser_client_asks_before_its_first_call(stack: Stack) -> None:
    async with stack.http.get(f"{stack.base}/v1/projects/{KEY}/settings") as answer:
        told = (await answer.json())["integrations"]["Segment.io"]
        assert told["apiKey"] == KEY
        assert f"{told['protocol']}://{told['apiHost']}" == f"{stack.base}/v1"
    async with stack.http.get(f"{stack.base}/v1/projects/nobody/settings") as answer:
        assert (answer.status, (await answer.json())["error"]["field"]) == (401, "writeKey")
    asked = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, x-retry-count",
    }
    for path in PATHS:
        async with stack.http.options(stack.base + path, headers=asked) as answer:
            assert answer.status == 204, path
            allowed = answer.headers["Access-Control-Allow-Headers"].lower()
            assert {"authorization", "content-type", "x-retry-count"} <= set(allowed.split(", ")), path
            assert "POST" in answer.headers["Access-Control-Allow-Methods"]


async def test_global_privacy_control_is_obeyed(stack: Stack) -> None:
    before = await taken(stack)
    for path, body in (("/v1/page", call("page")), ("/v1/batch", {"batch": [call("page")]})):
        got = await send(stack, path, body, **basic(KEY), **{"Sec-GPC": "1"})
        assert got[:2] == (200, {"success": True})
    assert await taken(stack) == before
