"""The main job over HTTP on real processes: beacon in, decisions out, profile and alert behind it."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storage.embedded import Server
from tests.processes import Stack, until
from tests.sites import DEMO
from tests.slack_server import SlackServer, stack_env


def hit(kind: str, path: str = "/", *, ago_ms: int = 0, **props: Any) -> dict[str, Any]:
    known = {"page", "identify", "engage"}
    return {
        "id": uuid.uuid4().hex,
        "type": kind if kind in known else "track",
        "name": kind,
        "url": f"http://shop.example{path}",
        "at": int(time.time() * 1000) - ago_ms,
        "props": props,
    }


async def test_a_visit_changes_page_profile_and_slack(stack: Stack) -> None:
    first = await stack.beacon(hit("page"), slots=["hero", "none"])
    assert first["decisions"]["hero"]["variant"] == "image"
    assert first["decisions"]["none"] is None
    v = first["v"]
    await stack.beacon(hit("page", "/pricing"), hit("identify", name="<b>Ann</b>"), v=v)

    async def counted() -> bool:
        seen = await stack.visitor(v)
        return seen.get("page_count") == 2 and "name" in seen["traits"]

    await until(counted)
    hot = await stack.beacon(
        hit("engage", "/pricing", engaged_ms=61_000), hit("whitepaper_download"), v=v, slots=["hero"]
    )
    assert hot["v"] == v
    decision = hot["decisions"]["hero"]
    assert decision["variant"] == "talk"
    assert decision["html"] == "<h1>Talk to us, &lt;b&gt;Ann&lt;/b&gt;</h1>"
    assert "high_intent" in decision["reason"]

    async def sent() -> bool:
        return [a["state"] for a in await stack.alerts()] == ["sent"]

    await until(sent)
    view = await stack.visitor(v)
    assert (view["score"], view["intent"], view["session_count"]) == (52, "high", 1)
    assert view["score"] == sum(entry["points"] for entry in view["ledger"])
    assert view["audiences"] == ["first_time", "high_intent"]
    assert view["topics"]["pricing"] == {"views": 1, "engaged_ms": 61_000}
    assert [alert["rule"] for alert in await stack.alerts()] == ["whitepaper"]


async def test_an_event_is_counted_once_however_often_it_is_sent(stack: Stack) -> None:
    v = (await stack.beacon(hit("page")))["v"]
    same = hit("whitepaper_download")
    await asyncio.gather(*(stack.beacon(same, v=v) for _ in range(10)))
    await stack.beacon(hit("page", "/last"), v=v)

    async def drained() -> bool:
        return (await stack.visitor(v)).get("page_count") == 2

    await until(drained)
    view = await stack.visitor(v)
    assert view["events"]["whitepaper_download"]["count"] == 1
    assert [e["rule"] for e in view["ledger"]].count("whitepaper") == 1
    assert len(await stack.alerts()) == 1


async def test_the_worker_killed_between_download_and_alert(
    own_valkey: Server, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    async with SlackServer() as slack:
        env = stack_env(slack)
        running = Stack(store_url=own_valkey.url, data_dir=tmp_path / "data", port=free_port(), **env)
        async with running as stack:
            await stack.publish(DEMO)
            v = (await stack.beacon(hit("page")))["v"]
            stack.kill_worker()
            await stack.beacon(hit("whitepaper_download"), v=v)
            assert await stack.alerts() == []
            stack.start_worker()
            await until(lambda: all_sent(stack), 40)
            stack.kill_worker()
            stack.start_worker()
            await stack.beacon(hit("page", "/after"), v=v)

            async def counted() -> bool:
                return (await stack.visitor(v)).get("page_count") == 2

            await until(counted, 40)
            assert (await stack.visitor(v))["score"] == 32
            assert await all_sent(stack)
        assert len(slack.posted()) == len(slack.calls) == 1


async def all_sent(stack: Stack) -> bool:
    """Whether there is one alert and it was sent."""
    return [alert["state"] for alert in await stack.alerts()] == ["sent"]


async def test_everything_restarted_still_knows_the_visitor(stack: Stack, own_valkey: Server) -> None:
    yesterday = 23 * 3_600_000
    v = (await stack.beacon(hit("page", ago_ms=yesterday), hit("whitepaper_download", ago_ms=yesterday)))["v"]

    async def counted() -> bool:
        return (await stack.visitor(v)).get("score") == 31

    await until(counted)
    stack.kill_worker()
    stack.kill_web()
    own_valkey.restart()
    stack.start_web()
    stack.start_worker()
    await stack.ready()
    back = await stack.beacon(hit("page"), v=v, slots=["hero"])
    assert back["v"] == v
    assert back["decisions"]["hero"]["variant"] == "results"

    async def again() -> bool:
        return (await stack.visitor(v)).get("session_count") == 2

    await until(again, 40)
    assert (await stack.visitor(v))["score"] == 32


BIG = b'{"site":"demo","events":[{"id":"' + b"x" * 10_000_000 + b'"}]}'
EVENT = '{"id":"bad","type":"page","url":"http://shop.example/"}'
BAD: list[tuple[str, bytes, dict[str, str], int, str, str]] = [
    ("not JSON", b"{nope", {}, 400, "bad_json", ""),
    ("empty", b"", {}, 400, "bad_json", ""),
    ("a list", b"[]", {}, 400, "bad_shape", ""),
    ("NaN", b'{"site":"demo","sentAt":NaN}', {}, 400, "bad_json", ""),
    ("beyond all numbers", b'{"site":"demo","sentAt":1e999}', {}, 400, "bad_shape", "sentAt"),
    ("10,000 deep", b'{"site":"demo","events":[' + b"[" * 10_000 + b"]" * 10_000 + b"]}", {}, 400, "", ""),
    ("wrong type", b'{"site":1}', {}, 400, "bad_shape", "site"),
    ("unknown site", b'{"site":"nobody"}', {}, 404, "unknown_site", "site"),
    ("foreign origin", b'{"site":"demo"}', {"Origin": "https://evil.example"}, 403, "foreign_origin", "origin"),
    ("null origin", b'{"site":"demo"}', {"Origin": "null"}, 403, "foreign_origin", "origin"),
    ("10 MB", BIG, {}, 413, "too_large", ""),
    ("gzip bomb", gzip.compress(b" " * 20_000_000), {"Content-Encoding": "gzip"}, 413, "too_large", ""),
    ("not gzip", b"zzz", {"Content-Encoding": "gzip"}, 400, "", ""),
    ("no id", b'{"site":"demo","events":[{"type":"page"}]}', {}, 400, "bad_shape", "events[0]"),
    ("unknown type", EVENT.replace("page", "sing").join(('{"site":"demo","events":[', "]}")).encode(), {}, 400,
     "unknown_type", "events[0].type"),
    ("NUL", b'{"site":"demo","events":[{"id":"a\\u0000","type":"page"}]}', {}, 400, "bad_value", "events[0].id"),
    ("lone surrogate", b'{"site":"demo","events":[{"id":"a\\ud800","type":"page"}]}', {}, 400, "", ""),
    ("reserved name", b'{"site":"demo","events":[{"id":"a","type":"track","name":"page"}]}', {}, 400, "bad_name",
     "events[0].name"),
    ("prototype", b'{"site":"demo","events":[{"id":"a","type":"page","props":{"__proto__":{"x":1}}}]}', {}, 400,
     "bad_value", "events[0].props.__proto__"),
    ("negative time", b'{"site":"demo","events":[{"id":"a","type":"engage","props":{"engaged_ms":-1}}]}', {}, 400,
     "bad_value", "events[0].props.engaged_ms"),
    ("two days old", b'{"site":"demo","sentAt":172800000,"events":[{"id":"a","type":"page","at":0}]}', {}, 400,
     "too_old", "events[0].at"),
]  # fmt: skip


async def test_bad_beacons_are_refused_and_store_nothing(stack: Stack) -> None:
    for name, body, headers, status, code, field in BAD:
        async with stack.http.post(
            f"{stack.base}/v1/beacon", data=io.BytesIO(body), headers=headers
        ) as answer:
            error = json.loads(await answer.text())["error"]
            assert answer.status == status, (name, error)
            assert set(error) == {"code", "field", "message"}, name
            assert code in ("", error["code"]), (name, error)
            assert field in ("", error["field"]), (name, error)
            assert error["message"], name
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert "Set-Cookie" not in answer.headers
    assert await stack.redis.keys("kz:[pl]:*") == []
    assert await stack.redis.xlen("kz:t:events:0") == 0
    assert stack.web is not None
    assert stack.web.poll() is None


async def test_in_a_batch_the_good_events_count_and_each_bad_one_has_its_reason(stack: Stack) -> None:
    answer = await stack.beacon(hit("page"), {"id": "x", "type": "sing"}, hit("page", "/b"))
    assert [(r["index"], r["field"]) for r in answer["rejected"]] == [(1, "events[1].type")]

    async def counted() -> bool:
        return (await stack.visitor(answer["v"])).get("page_count") == 2

    await until(counted)


async def test_who_may_ask_and_what_is_told(stack: Stack) -> None:
    known = (await stack.beacon(hit("whitepaper_download")))["v"]
    forged = known.split(".")[0] + ".forged"
    answer = await stack.beacon(v=forged, slots=["hero"])
    assert answer["v"].split(".")[0] != known.split(".")[0]
    assert answer["decisions"]["hero"]["variant"] == "image"
    headers = {"Origin": "http://shop.example"}
    async with stack.http.post(f"{stack.base}/v1/beacon", data='{"site":"demo"}', headers=headers) as listed:
        assert listed.headers["Access-Control-Allow-Origin"] == "http://shop.example"
        assert listed.headers["Access-Control-Allow-Credentials"] == "true"
        assert listed.headers["Cache-Control"] == "private, no-store"
        cookie = listed.headers["Set-Cookie"]
    assert cookie.startswith("kz=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    async with stack.http.get(f"{stack.base}/v1/admin/sites") as closed:
        assert closed.status == 401


async def test_global_privacy_control_stores_nothing(stack: Stack) -> None:
    body = json.dumps({"site": "demo", "events": [hit("page")], "slots": ["hero"]})
    async with stack.http.post(f"{stack.base}/v1/beacon", data=body, headers={"Sec-GPC": "1"}) as answer:
        assert await answer.json() == {"v": "", "decisions": {"hero": None}}
        assert "Set-Cookie" not in answer.headers
    assert await stack.redis.xlen("kz:t:events:0") == 0


async def test_without_the_store_the_page_keeps_its_originals_and_nothing_is_lost(
    stack: Stack, own_valkey: Server
) -> None:
    v = (await stack.beacon(hit("page")))["v"]
    own_valkey.stop()
    away = await stack.beacon(hit("page", "/away"), v=v, slots=["hero"])
    assert away == {"v": v, "decisions": {"hero": None}}
    async with stack.http.get(f"{stack.base}/readyz") as answer:
        assert answer.status == 503
    async with stack.http.get(f"{stack.base}/healthz") as answer:
        assert answer.status == 200
    own_valkey.start()
    await stack.ready()
    stack.kill_worker()
    stack.start_worker()

    async def counted() -> bool:
        return (await stack.visitor(v)).get("page_count") == 2

    await until(counted, 40)
