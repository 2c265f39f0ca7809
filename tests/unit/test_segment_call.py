"""Segment's calls in our words: who, what, when; and why a call is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from core.events import DAY_MS, Event, Rejection
from core.visitor_ids import visitor_of, visitor_of_user
from server.body import MAX_EVENT
from server.geo import NOWHERE, Place
from server.segment_call import with_campaign
from server.segment_parse import Parser
from server.segment_settings import client_settings
from storage import keys

NOW = 1_800_000_000_000
ANN = visitor_of("demo", "ann")
CHROME = (
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36"
)


def parse(call: dict[str, Any], **batch: Any) -> Event | Rejection:
    parser = Parser(site="demo", now=NOW, user_agent="", **batch)
    return parser.parse_line(msgspec.Raw(json.dumps(call).encode()))


def event(call: dict[str, Any], **batch: Any) -> Event:
    parsed = parse({"anonymousId": "ann", **call}, **batch)
    assert isinstance(parsed, Event), parsed
    return parsed


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


CALLS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("track", {"type": "track", "event": "Signed Up", "properties": {"plan": "pro"}},
     {"type": "track", "name": "Signed Up", "props": {"plan": "pro"}}),
    ("track on a page", {"type": "track", "event": "x", "properties": {"url": "http://product.example"},
                         "context": {"page": {"url": "http://shop.example/a", "title": "A"}}},
     {"url": "http://shop.example/a", "title": "A", "props": {"url": "http://product.example"}}),
    ("page", {"type": "page", "name": "Home", "category": "Docs", "properties": {
        "url": "http://shop.example/", "title": "Welcome", "referrer": "http://a.example", "path": "/", "x": 1}},
     {"type": "page", "name": "page", "url": "http://shop.example/", "title": "Welcome", "ref": "http://a.example",
      "props": {"name": "Home", "category": "Docs", "x": 1}}),
    ("page, by its context", {"type": "page", "context": {"page": {
        "url": "http://shop.example/c", "title": "C", "referrer": "http://b.example"}}},
     {"url": "http://shop.example/c", "title": "C", "ref": "http://b.example", "props": {}}),
    ("page with a campaign", {"type": "page", "properties": {"url": "http://shop.example/?q=1#top"},
                              "context": {"campaign": {"name": "spring sale", "source": "mail", "medium": 3}}},
     {"url": "http://shop.example/?q=1&utm_campaign=spring+sale&utm_source=mail#top"}),
    ("screen", {"type": "screen", "name": "Cart"}, {"type": "page", "title": "Cart", "props": {"name": "Cart"}}),
    ("identify", {"type": "identify", "userId": "u1", "traits": {"email": "a@b.example", "id": "other"}},
     {"type": "identify", "visitor": ANN, "props": {"email": "a@b.example", "id": "u1"}}),
    ("identify without a user id", {"type": "identify", "traits": {"name": "Ann"}}, {"props": {"name": "Ann"}}),
    ("group", {"type": "group", "groupId": "g1", "traits": {"name": "Acme", "id": "other"}},
     {"type": "group", "props": {"name": "Acme", "id": "g1"}}),
    ("alias", {"type": "alias", "previousId": "before", "userId": "u1"},
     {"type": "identify", "visitor": visitor_of("demo", "before"), "props": {"id": "u1"}}),
    ("alias by a server library, which sends the new id as userId too",
     {"type": "alias", "previousId": "u0", "userId": "u1", "anonymousId": "ann"},
     {"type": "identify", "visitor": visitor_of("demo", "u0"), "props": {"id": "u1"}, "user": ""}),
    ("a user id of a server library", {"type": "track", "event": "x", "anonymousId": None, "userId": 42},
     {"visitor": visitor_of_user("demo", "42")}),
    ("both ids", {"type": "track", "event": "x", "userId": "u1"}, {"visitor": ANN}),
    ("message id", {"type": "track", "event": "x", "messageId": "ajs-1"}, {"id": "ajs-1"}),
    ("device and language", {"type": "page", "context": {"userAgent": CHROME, "locale": "ja-JP"}},
     {"device": "mobile", "lang": "ja-JP"}),
    ("context of another shape", {"type": "page", "context": {"page": [1], "campaign": "x", "userAgent": None}},
     {"url": "", "title": "", "device": ""}),
    ("bidi controls", {"type": "track", "event": "a\u202eb", "properties": {"k\u2066": "v\u202e"}},
     {"name": "ab", "props": {"k": "v"}}),
]  # fmt: skip


@pytest.mark.parametrize(("call", "expected"), [pytest.param(*row[1:], id=row[0]) for row in CALLS])
def test_what_a_call_says(call: dict[str, Any], expected: dict[str, Any]) -> None:
    found = event(call)
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.received_at == NOW


PLACES = {"203.0.113.7": Place(country="JP", company_domain="acme.example")}
CONTEXT_IPS: list[tuple[str, dict[str, Any], dict[str, Any], Place]] = [
    ("known", {"context": {"ip": "203.0.113.7"}}, {}, PLACES["203.0.113.7"]),
    ("the batch's", {}, {"context": {"ip": "203.0.113.7"}}, PLACES["203.0.113.7"]),
    ("unknown", {"context": {"ip": "198.51.100.1"}}, {}, NOWHERE),
    ("no address", {"context": {"ip": 7}}, {}, NOWHERE),
    ("none", {}, {}, NOWHERE),
]


@pytest.mark.parametrize(
    ("call", "batch", "place"), [pytest.param(*row[1:], id=row[0]) for row in CONTEXT_IPS]
)
def test_the_place_of_the_address_in_the_context(
    call: dict[str, Any], batch: dict[str, Any], place: Place
) -> None:
    asked: list[str] = []

    def place_of(ip: str) -> Place:
        asked.append(ip)
        return PLACES.get(ip, NOWHERE)

    found = event({"type": "track", "event": "x", **call}, place_of=place_of, **batch)
    assert (found.country, found.company) == (place.country, place.company_domain)
    assert len(asked) == 1
    assert not asked[0] or asked[0] not in str(found)  # looked up, and not kept


def test_a_call_without_a_message_id_gets_one_of_its_own() -> None:
    first, second = event({"type": "page"}), event({"type": "page"})
    assert len(first.id) == 32
    assert first.id != second.id


MIN = 60_000
YEAR = 365 * DAY_MS
TIMES: list[tuple[str, dict[str, Any], dict[str, Any], int, int | None]] = [
    ("none", {}, {}, NOW, None),
    ("right clock", {"timestamp": iso(NOW - MIN), "sentAt": iso(NOW)}, {}, NOW - MIN, NOW - MIN),
    ("a year behind", {"timestamp": iso(NOW - YEAR - MIN), "sentAt": iso(NOW - YEAR)}, {}, NOW - MIN,
     NOW - YEAR - MIN),
    ("a year ahead", {"timestamp": iso(NOW + YEAR - MIN), "sentAt": iso(NOW + YEAR)}, {}, NOW - MIN,
     NOW + YEAR - MIN),
    ("the original before the corrected", {"originalTimestamp": iso(NOW + YEAR - MIN), "timestamp": iso(NOW),
     "sentAt": iso(NOW + YEAR)}, {}, NOW - MIN, NOW + YEAR - MIN),
    ("passed on by a Segment server", {"originalTimestamp": iso(NOW + YEAR), "sentAt": iso(NOW + YEAR),
     "timestamp": iso(NOW - MIN), "receivedAt": iso(NOW - MIN)}, {}, NOW - MIN, NOW - MIN),
    ("sentAt of the batch", {"timestamp": iso(NOW - YEAR - MIN)}, {"sent_at": iso(NOW - YEAR)}, NOW - MIN,
     NOW - YEAR - MIN),
    ("the batch's before the call's", {"timestamp": iso(NOW - MIN), "sentAt": iso(NOW + YEAR)},
     {"sent_at": iso(NOW)}, NOW - MIN, NOW - MIN),
    ("epoch ms", {"timestamp": NOW - MIN}, {}, NOW - MIN, NOW - MIN),
    ("without a zone", {"timestamp": iso(NOW - MIN).removesuffix("+00:00")}, {}, NOW - MIN, NOW - MIN),
    ("not a time", {"timestamp": "yesterday"}, {}, NOW, None),
    ("in the future", {"timestamp": iso(NOW + MIN)}, {}, NOW, NOW + MIN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "batch", "at", "client_at"), [pytest.param(*row[1:], id=row[0]) for row in TIMES]
)
def test_when_it_happened(
    call: dict[str, Any], batch: dict[str, Any], at: int, client_at: int | None
) -> None:
    found = event({"type": "page", **call}, **batch)
    assert (found.at, found.client_at) == (at, client_at)


def test_the_context_of_a_batch_holds_for_calls_that_do_not_say_otherwise() -> None:
    shared = {"locale": "de", "page": {"url": "http://shop.example/all"}}
    found = event({"type": "page", "context": {"locale": "ja"}}, context=shared)
    assert (found.lang, found.url) == ("ja", "http://shop.example/all")


X = {"type": "track", "event": "x", "anonymousId": "ann"}
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("no type", {"anonymousId": "ann"}, "unknown_type", "type"),
    ("unknown type", X | {"type": "sing"}, "unknown_type", "type"),
    ("nobody", {"type": "track", "event": "x"}, "no_id", "userId"),
    ("empty ids", X | {"anonymousId": "", "userId": ""}, "no_id", "userId"),
    ("no event", X | {"event": None}, "bad_name", "event"),
    *((f"event {name}", X | {"event": name}, "bad_name", "event") for name in ("page", "identify", "engage")),
    ("long event", X | {"event": "x" * 101}, "bad_value", "event"),
    ("long message id", X | {"messageId": "x" * 101}, "bad_value", "messageId"),
    ("long anonymousId", X | {"anonymousId": "x" * 257}, "bad_value", "anonymousId"),
    ("long url", X | {"context": {"page": {"url": "x" * 2_049}}}, "bad_value", "context.page.url"),
    ("long referrer", X | {"context": {"page": {"referrer": "x" * 2_049}}}, "bad_value",
     "context.page.referrer"),
    ("long locale", X | {"context": {"locale": "x" * 36}}, "bad_value", "context.locale"),
    ("no group", {"type": "group", "userId": "u"}, "no_id", "groupId"),
    ("alias of nobody", {"type": "alias", "userId": "u"}, "no_id", "previousId"),
    ("alias to nobody", {"type": "alias", "previousId": "u"}, "no_id", "userId"),
    ("NUL", X | {"properties": {"a": "\0"}}, "bad_value", "properties.a"),
    ("NUL in an id", X | {"userId": "u", "anonymousId": "\0"}, "bad_value", "anonymousId"),
    ("prototype", X | {"properties": {"__proto__": {}}}, "bad_value", "properties.__proto__"),
    ("10,000 keys", X | {"properties": {str(i): 1 for i in range(10_000)}}, "too_large", ""),
    ("201 keys", X | {"properties": {str(i): 1 for i in range(201)}}, "bad_value", "properties"),
    ("deep traits", {"type": "identify", "userId": "u", "traits": {"a": {"b": {"c": {"d": {"e": {"f": {
        "g": 1}}}}}}}}, "bad_value", "traits.a.b.c.d.e.f"),
    ("properties of another shape", X | {"properties": []}, "bad_shape", "properties"),
    ("an id of another shape", X | {"userId": True}, "bad_shape", "userId"),
    ("32 KB", X | {"properties": {"a": "x" * MAX_EVENT}}, "too_large", ""),
    ("two days ago", X | {"timestamp": NOW - 2 * DAY_MS}, "too_old", "timestamp"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "code", "field"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_why_a_call_is_refused(call: dict[str, Any], code: str, field: str) -> None:
    found = parse(call)
    assert isinstance(found, Rejection), found
    assert (found.code, found.field) == (code, field)
    assert found.message


def test_a_limit_is_named() -> None:
    found = parse(X | {"properties": {"a": "x" * MAX_EVENT}})
    assert isinstance(found, Rejection)
    assert "32768" in found.message
    assert "32 KB" in found.message


@pytest.mark.parametrize(
    ("url", "campaign", "expected"),
    [
        ("", {"name": "a"}, ""),
        ("http://x.example", {"name": "a"}, "http://x.example?utm_campaign=a"),
        ("http://x.example?utm_source=b", {"source": "a"}, "http://x.example?utm_source=b"),
        ("http://x.example", {"name": "\ud800"}, "http://x.example"),
        ("http://[broken", {"name": "a"}, "http://[broken"),
        ("http://x.example/?a=1", None, "http://x.example/?a=1"),
    ],
)
def test_a_campaign_becomes_utm_parameters(url: str, campaign: Any, expected: str) -> None:
    assert with_campaign(url, campaign) == expected


def test_visitor_ids_are_keys_of_one_site_and_nobody_else_s() -> None:
    ids = {
        visitor_of("demo", "a"),
        visitor_of("demo", "b"),
        visitor_of("other", "a"),
        visitor_of_user("demo", "a"),
    }
    assert len(ids) == 4
    assert {len(one) for one in ids} == {33}
    assert all(one[1:].isalnum() and one[0] in "su" for one in ids)
    assert keys.profile("demo", ANN).count(":") == 3
    assert visitor_of("demo", "a") == visitor_of("demo", "a")


@pytest.mark.parametrize(
    ("public_url", "host", "api", "protocol"),
    [
        ("https://k.example", "k.example", "k.example/v1", "https"),
        ("https://www.example/kz/", "www.example", "www.example/kz/v1", "https"),
        ("https://k.example", "t.shop.example", "t.shop.example/v1", "https"),
        ("http://localhost:8080", "127.0.0.1:8080", "127.0.0.1:8080/v1", "http"),
    ],
)
def test_the_browser_client_is_sent_to_where_it_asked(
    public_url: str, host: str, api: str, protocol: str
) -> None:
    found = client_settings(write_key="key", public_url=public_url, host=host)
    told = found["integrations"]["Segment.io"]
    assert list(found["integrations"]) == ["Segment.io"]
    assert (told["apiKey"], told["apiHost"], told["protocol"]) == ("key", api, protocol)
    assert found["metrics"]["sampleRate"] == 0
