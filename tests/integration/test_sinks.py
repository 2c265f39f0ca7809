"""The signed webhook, the e-mails and the guard of outgoing connections, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from msgspec.structs import replace
from standardwebhooks import Webhook, WebhookVerificationError

from alerts.blocks import Block, context, fields, header, link, section
from alerts.links import Links
from alerts.messages import envelope, slack_message
from alerts.model import Alert, Part, SeenPage
from alerts.sinks.base import Refused, RetryLater, Sent
from alerts.sinks.choice import also_sinks
from alerts.sinks.email import EmailSink
from alerts.sinks.guard import AddressRefused, GuardedSession, check_url_now
from alerts.sinks.mail_body import html_body, plain_body
from alerts.sinks.mail_server import parse_mail_url
from alerts.sinks.signature import make_secret, parse_secrets
from alerts.sinks.signed_webhook import PUBLISHED, SignedWebhookSink
from core.addresses import NOTHING, Allowed, check_url, parse_allowed
from tests.smtp_server import HANG, RESET, SmtpServer, certificate

ROOT = Path(__file__).parent.parent.parent
LINKS = Links(public_url="https://kizashi.acme.example", secret_key="test-secret-key")
SECRET, OLD_SECRET = make_secret(bytes(range(32))), make_secret(b"o" * 24)
LOCAL = parse_allowed("127.0.0.1")
LATER = "later, without a time"
ALERT = Alert(
    id="5f3a9c",
    site="demo",
    site_name="Acme ERP",
    rule="whitepaper",
    visitor="v1",
    channel="#hot",
    at=1_763_780_645_678,
    event="e1",
    cause="whitepaper_download",
    props={"document": "ERP guide"},
    traits={"name": "Taro", "email": "taro@acme.example"},
    company="Acme",
    score=31.5,
    intent="warm",
    parts=(Part(rule="whitepaper", points=30), Part(rule="page-view", points=1.5, count=3)),
    pages=(SeenPage(path="/pricing", title="料金", engaged_ms=61_000, at=1_763_780_600_000),),
    topics={"Pricing": 2},
    why="Downloaded a whitepaper: ERP guide",
)
MESSAGE = slack_message(ALERT, visitor_url=LINKS)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


# -- parts


class Listener:
    """Counts the connections made to a free port of 127.0.0.1, and answers none."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    async def __aenter__(self) -> Listener:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _accept(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a receiver got."""

    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """A receiver of webhooks on 127.0.0.1. `script(status, headers)` gives its next answers; 0 is a reset."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.probes = 0
        self._answers: deque[tuple[int, dict[str, str]]] = deque()

    def script(self, status: int, headers: dict[str, str] | None = None) -> None:
        self._answers.append((status, headers or {}))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def __aenter__(self) -> Receiver:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        app.router.add_get("/hook", self._probed)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.requests.append(Request(headers=dict(request.headers), body=await request.read()))
        return await self._answer(request)

    async def _probed(self, request: web.Request) -> web.Response:
        self.probes += 1
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.Response:
        status, headers = self._answers.popleft() if self._answers else (204, {})
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        if status < 0:
            await asyncio.sleep(3600)
        return web.Response(status=max(status, 200), headers=headers)


class Names(AbstractResolver):
    """A resolver that answers with one list of addresses after another; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = deque(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[Any]:
        self.asked += 1
        found = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        return [
            {"hostname": host, "host": one, "port": port, "family": family, "proto": 0, "flags": 0}
            for one in found
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with Listener() as one:
        yield one


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as one:
        yield one


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    async with SmtpServer() as one:
        yield one


def webhook(url: str, *, secret: str = SECRET, **options: Any) -> SignedWebhookSink:
    options = {"clock": now_ms, "allowed": LOCAL, "visitor_url": LINKS} | options
    return SignedWebhookSink(url=url, keys=parse_secrets(secret), **options)


def leads_to_visitor(url: str) -> bool:
    """Whether the link opens the visitor `v1`. Its key holds the second it was made in."""
    page, _, key = url.partition("?k=")
    return page == LINKS("demo", "v1").partition("?k=")[0] and LINKS.opens(key, "demo", "v1")


async def send(sink: SignedWebhookSink | EmailSink, alert: Alert = ALERT, **options: Any) -> Sent:
    message = options.pop("message", None) or slack_message(alert, visitor_url=LINKS)
    try:
        return await sink.send(alert, message, attempt=options.pop("attempt", 1))
    finally:
        await sink.close()


# -- the guard


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::ffff:127.0.0.1", "::1", "fe80::1%1"]
)
async def test_a_name_that_leads_inside_is_refused_at_connect(address: str, listener: Listener) -> None:
    url = f"https://receiver.example:{listener.port}/"
    assert check_url(url) is None, "nothing can be known from the URL alone"
    assert (await check_url_now(url, resolver=Names([address])) or "").startswith("leads to a")
    sink = webhook(url, allowed=NOTHING, resolver=Names([address]))
    with pytest.raises(Refused, match=r"the receiver's URL leads to an? [a-z-]+ address"):
        await send(sink)
    assert listener.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
async def test_the_same_name_reaches_the_listener_without_the_guard(address: str, listener: Listener) -> None:
    connector = aiohttp.TCPConnector(resolver=Names([address]))
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://receiver.example:{listener.port}/")
    assert listener.connections > 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "2130706433", "127.1", "0x7f000001", "localhost"]
)
async def test_a_url_that_leads_inside_is_refused_on_save_test_and_send(
    host: str, listener: Listener
) -> None:
    url = f"https://{host}:{listener.port}/"
    assert check_url(url)
    assert await check_url_now(url)
    sink = webhook(url, allowed=NOTHING)
    with pytest.raises(Refused, match="the receiver's URL"):
        await send(sink)
    with pytest.raises(Refused, match="the receiver's URL"):
        await sink.probe()
    assert listener.connections == 0


async def test_a_name_that_rebinds_is_refused(listener: Listener) -> None:
    names = Names(["93.184.215.14"], ["127.0.0.1"])
    url = f"https://receiver.example:{listener.port}/"
    assert await check_url_now(url, resolver=names) is None, "it was public when it was saved"
    with pytest.raises(Refused, match="leads to a loopback address"):
        await send(webhook(url, allowed=NOTHING, resolver=names))
    assert (names.asked, listener.connections) == (2, 0)


async def test_a_name_is_looked_up_anew_for_each_request(receiver: Receiver, listener: Listener) -> None:
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    allowed = parse_allowed(f"receiver.example:1,127.0.0.1:{receiver.port}")
    session = GuardedSession(
        url=f"https://receiver.example:{receiver.port}/", allowed=allowed, resolver=names
    )
    url = f"http://receiver.example:{receiver.port}/hook"
    async with session.open().post(url) as response:
        assert response.status == 204
    with pytest.raises(aiohttp.ClientConnectorError) as refused:
        await session.open().post(url)
    assert isinstance(refused.value.os_error, AddressRefused)
    await session.close()


async def test_of_several_addresses_only_allowed_ones_are_connected(receiver: Receiver) -> None:
    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(1)
        writer.close()

    connected: list[int] = []
    inside = await asyncio.start_server(count, "127.0.0.2", receiver.port)
    names = Names(["127.0.0.2", "127.0.0.1"])
    url = f"https://receiver.example:{receiver.port}/"
    session = GuardedSession(url=url, allowed=LOCAL, resolver=names)
    async with session.open().post(f"http://receiver.example:{receiver.port}/hook") as response:
        assert response.status == 204
    await session.close()
    inside.close()
    await inside.wait_closed()
    assert (len(receiver.requests), connected) == (1, [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"])
async def test_redirects_are_not_followed(
    status: int, host: str, receiver: Receiver, listener: Listener
) -> None:
    receiver.script(status, {"Location": f"http://{host}:{listener.port}/"})
    with pytest.raises(Refused, match=f"HTTP {status}: redirects are not followed"):
        await send(webhook(receiver.url))
    receiver.script(status, {"Location": f"http://{host}:{listener.port}/"})
    sink = webhook(receiver.url)
    await sink.probe()
    await sink.close()
    assert (len(receiver.requests), receiver.probes, listener.connections) == (1, 1, 0)


async def test_a_proxy_of_the_environment_is_not_asked(
    receiver: Receiver, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    await send(webhook(receiver.url))
    assert (len(receiver.requests), listener.connections) == (1, 0)


@pytest.mark.parametrize(
    ("allow", "host", "arrives"),
    [
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.1:{port}", "127.0.0.1", True),
        ("127.0.0.1:1", "127.0.0.1", False),
        ("10.0.0.0/8", "127.0.0.1", False),
        ("receiver", "receiver", True),
        ("receiver:{port}", "receiver", True),
        ("receiver:1", "receiver", False),
    ],
)
async def test_the_operator_may_allow_an_internal_receiver(
    allow: str, host: str, arrives: bool, receiver: Receiver
) -> None:
    allowed: Allowed = parse_allowed(allow.format(port=receiver.port))
    sink = webhook(f"http://{host}:{receiver.port}/hook", allowed=allowed, resolver=Names(["127.0.0.1"]))
    if arrives:
        await send(sink)
    else:
        with pytest.raises(Refused):
            await send(sink)
    assert len(receiver.requests) == arrives


# -- the signed webhook


async def test_a_receiver_verifies_the_signature_with_the_standard_library(receiver: Receiver) -> None:
    sent = await send(webhook(receiver.url))
    (request,) = receiver.requests
    payload = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert sent == Sent(channel="signed-webhook", ts="5f3a9c")
    assert request.headers["webhook-id"] == "5f3a9c"
    assert request.headers["Content-Type"] == "application/json"
    assert payload["type"] == "alert.created"
    assert payload["timestamp"] == "2025-11-22T03:04:05.678Z"
    data = payload["data"]
    assert leads_to_visitor(data["url"])
    assert (data["id"], data["score"], data["traits"]) == ("5f3a9c", 31.5, ALERT.traits)
    assert data["parts"][1] == {"rule": "page-view", "points": 1.5, "count": 3, "label": ""}
    assert data["pages"] == [
        {"path": "/pricing", "title": "料金", "topic": "", "engaged_ms": 61_000, "at": 1_763_780_600_000}
    ]
    tampered = request.body.replace(b"31.5", b"99.5")
    for secret, body, headers in (
        (SECRET, tampered, request.headers),
        (OLD_SECRET, request.body, request.headers),
        (SECRET, request.body, {**request.headers, "webhook-id": "other"}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, dict(headers))


async def test_while_a_secret_is_replaced_both_verify(receiver: Receiver) -> None:
    await send(webhook(receiver.url, secret=f"{SECRET}, {OLD_SECRET}"))
    (request,) = receiver.requests
    for secret in (SECRET, OLD_SECRET):
        assert Webhook(secret).verify(request.body, dict(request.headers))["type"] == "alert.created"


async def test_a_retry_has_the_same_id_and_body_and_its_own_time(receiver: Receiver) -> None:
    receiver.script(500)
    times = [1_800_000_000_000, 1_800_000_060_000]
    sink = webhook(receiver.url, clock=lambda: times[0])
    with pytest.raises(RetryLater):
        await sink.send(ALERT, MESSAGE, attempt=1)
    times[0] = times[1]
    marked = slack_message(ALERT, visitor_url=LINKS, duplicate=True)
    await send(sink, message=marked, attempt=2)
    first, second = receiver.requests
    assert first.body == second.body
    assert [request.headers["webhook-id"] for request in receiver.requests] == ["5f3a9c", "5f3a9c"]
    assert [r.headers["webhook-timestamp"] for r in receiver.requests] == ["1800000000", "1800000060"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


async def test_each_state_that_an_update_tells_has_an_id_of_its_own(receiver: Receiver) -> None:
    sink = webhook(receiver.url)
    sent = Sent(channel="signed-webhook", ts="5f3a9c")
    hotter = replace(ALERT, score=50)
    other_links = Links(public_url="https://kizashi.acme.example", secret_key="another-key")
    doubtful = slack_message(hotter, visitor_url=other_links, duplicate=True)
    told = slack_message(hotter, visitor_url=LINKS)
    claimed = {**told, "blocks": [*told["blocks"], context(":raised_hand: *Claimed by <@U1>*")]}
    for alert, message in ((hotter, told), (hotter, doubtful), (hotter, claimed), (ALERT, MESSAGE)):
        assert await sink.update(sent, alert, message, attempt=1) == sent
    await sink.close()
    names = [request.headers["webhook-id"] for request in receiver.requests]
    assert names[0] == names[1]
    assert len({*names, "5f3a9c"}) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)
    payloads = [Webhook(SECRET).verify(r.body, dict(r.headers)) for r in receiver.requests]
    assert {payload["type"] for payload in payloads} == {"alert.updated"}
    assert [payload["data"]["score"] for payload in payloads] == [50, 50, 50, 31.5]


async def test_a_later_alert_of_an_episode_is_an_update_with_its_own_id(receiver: Receiver) -> None:
    await send(webhook(receiver.url), replace(ALERT, id="later", episode="ep1", first=False))
    (request,) = receiver.requests
    payload = json.loads(request.body)
    assert (request.headers["webhook-id"], payload["type"]) == ("later", "alert.updated")
    assert (payload["data"]["id"], payload["data"]["episode"], payload["data"]["first"]) == (
        "later",
        "ep1",
        False,
    )


async def test_a_digest_says_that_it_is_one(receiver: Receiver) -> None:
    message = envelope("14 alerts arrived late", [], {"id": "other", "count": 14})
    await send(webhook(receiver.url), message=message)
    (request,) = receiver.requests
    payload = json.loads(request.body)
    assert request.headers["webhook-id"] == "other-d14"
    assert (payload["type"], payload["data"]["count"]) == ("alert.digest", 14)
    assert payload["data"]["alert"]["id"] == "5f3a9c"


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {}, None),
        (202, {}, None),
        (299, {}, None),
        (304, {}, Refused),
        (400, {}, Refused),
        (401, {}, Refused),
        (404, {}, Refused),
        (410, {}, Refused),
        (422, {}, Refused),
        (408, {}, LATER),
        (425, {}, LATER),
        (429, {}, LATER),
        (429, {"Retry-After": "7"}, 7.0),
        (500, {}, LATER),
        (503, {"Retry-After": "120"}, 120.0),
        (502, {"Retry-After": "soon"}, LATER),
        (503, {"Retry-After": "-5"}, LATER),
        (429, {"Retry-After": formatdate(1_800_000_030, usegmt=True)}, 30.0),
        (429, {"Retry-After": formatdate(1_799_999_000, usegmt=True)}, 0.0),
        (429, {"Retry-After": formatdate(1_900_000_000, usegmt=True)}, 86_399.0),
    ],
)
async def test_what_the_receiver_answers(
    status: int, headers: dict[str, str], expected: Any, receiver: Receiver
) -> None:
    receiver.script(status, headers)
    sink = webhook(receiver.url, clock=lambda: 1_800_000_000_000)
    if expected is None:
        assert await send(sink)
    elif expected is Refused:
        with pytest.raises(Refused, match=f"HTTP {status}"):
            await send(sink)
    else:
        with pytest.raises(RetryLater) as later:
            await send(sink)
        assert later.value.after_s == (None if expected == LATER else expected)
        assert later.value.posted == "no"
    assert len(receiver.requests) == 1


async def test_a_receiver_that_is_gone_is_left_alone(receiver: Receiver) -> None:
    receiver.script(410)
    sink = webhook(receiver.url)
    for _ in range(3):
        with pytest.raises(Refused, match="410"):
            await send(sink)
    with pytest.raises(Refused, match="410"):
        await sink.update(Sent(), ALERT, MESSAGE, attempt=1)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [0, -1])
async def test_no_answer_is_tried_again(status: int, receiver: Receiver) -> None:
    receiver.script(status)
    with pytest.raises(RetryLater, match="no answer") as later:
        await send(webhook(receiver.url, timeout_s=1.0))
    assert (later.value.after_s, later.value.posted) == (None, "no")
    assert receiver.url not in str(later.value)


async def test_a_receiver_that_is_away_is_tried_again(free_port: Callable[[], int]) -> None:
    with pytest.raises(RetryLater, match="no answer"):
        await send(webhook(f"http://127.0.0.1:{free_port()}/"))


@pytest.mark.parametrize(
    ("status", "alive"), [(200, True), (405, True), (410, True), (429, False), (503, False)]
)
async def test_a_probe_posts_nothing(status: int, alive: bool, receiver: Receiver) -> None:
    receiver.script(status)
    sink = webhook(receiver.url)
    if alive:
        await sink.probe()
    else:
        with pytest.raises(RetryLater):
            await sink.probe()
    await sink.close()
    assert (receiver.probes, receiver.requests) == (1, [])


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (SECRET, 1),
        (f"{SECRET},{OLD_SECRET}", 2),
        ("", 0),
        ("secret", 0),
        (SECRET.removeprefix("whsec_"), 0),
        ("whsec_!!!!", 0),
        (make_secret(b"x" * 23), 0),
        (make_secret(b"x" * 65), 0),
        (f"{SECRET},", 0),
    ],
)
def test_secrets(text: str, keys: int) -> None:
    if keys:
        assert len(parse_secrets(text)) == keys
        assert parse_secrets(text)[0] == base64.b64decode(SECRET.removeprefix("whsec_"))
    else:
        with pytest.raises(ValueError, match="is not whsec_"):
            parse_secrets(text)


def test_every_published_field_is_documented() -> None:
    page = (ROOT / "docs/sinks.md").read_text()
    table = page.split("### `data`")[1].split("\n## ")[0]
    documented = [
        name for row in re.findall(r"^\| (`.+?) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(documented) == sorted([*PUBLISHED, "url"])
    assert set(PUBLISHED) <= set(Alert.__struct_fields__)


# -- e-mail

MAIL = "from=Kizashi+<kizashi@acme.example>&to=sales@acme.example,Boss+<boss@acme.example>"


def email(smtp: SmtpServer, to: str = MAIL, **options: Any) -> EmailSink:
    url = f"{smtp.url}&{to}".replace("?&", "?")
    return EmailSink(parse_mail_url(url), **{"clock": now_ms, "timeout_s": 20.0} | options)


class Seen(HTMLParser):
    """The elements, links and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_an_alert_as_a_mail(smtp: SmtpServer) -> None:
    sent = await send(email(smtp, clock=lambda: 1_763_780_700_000))
    (taken,) = smtp.taken
    mail = taken.mail
    assert sent == Sent(channel="email", ts="<5f3a9c@acme.example>")
    assert (taken.sender, taken.recipients) == (
        "kizashi@acme.example",
        ("sales@acme.example", "boss@acme.example"),
    )
    assert {
        name: str(mail[name])
        for name in ("Message-ID", "Date", "From", "To", "Subject", "Auto-Submitted", "MIME-Version")
    } == {
        "Message-ID": "<5f3a9c@acme.example>",
        "Date": "Sat, 22 Nov 2025 03:05:00 +0000",
        "From": "Kizashi <kizashi@acme.example>",
        "To": "sales@acme.example, Boss <boss@acme.example>",
        "Subject": "Taro · Acme — Downloaded a whitepaper: ERP guide. Score 31.5 (warm)",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
    }
    assert mail.get_content_type() == "multipart/alternative"
    assert max(map(len, taken.raw.split(b"\r\n"))) <= 998
    assert taken.raw.isascii()
    text, page = taken.body("plain"), Seen(taken.body("html"))
    for shown in ("Taro · Acme", "whitepaper 30", "taro@acme.example", "料金 (/pricing)", "1 min 1 s"):
        assert shown in text
        assert shown in page.text
    (link,) = page.links
    assert leads_to_visitor(link)
    assert link in text
    assert {"h2", "strong", "a"} <= set(page.tags)
    assert "*" not in text.replace("*/*", "")


async def test_a_japanese_mail(smtp: SmtpServer) -> None:
    alert = replace(
        ALERT, locale="ja", why="ホワイトペーパーをダウンロードしました", traits={"name": "山田太郎"}
    )
    await send(email(smtp), alert)
    sink = email(smtp)
    await sink.update(
        Sent(ts="<5f3a9c@acme.example>"), alert, slack_message(alert, visitor_url=LINKS), attempt=1
    )
    created, updated = smtp.taken
    subject = str(created.mail["Subject"])
    assert subject.startswith("山田太郎 様")
    assert str(updated.mail["Subject"]) == f"【更新】{subject}"
    assert 'lang="ja"' in created.body("html")
    assert "ホワイトペーパーをダウンロードしました" in created.body("plain")
    assert "この訪問者を開く" in created.body("html")


async def test_retries_share_an_id_and_updates_a_thread(smtp: SmtpServer) -> None:
    sink = email(smtp)
    await send(sink)
    sent = await send(sink, message=slack_message(ALERT, visitor_url=LINKS, duplicate=True), attempt=2)
    hotter = replace(ALERT, score=50)
    for _ in range(2):
        assert await sink.update(sent, hotter, slack_message(hotter, visitor_url=LINKS), attempt=1) == sent
    first, again, update, update_again = (taken.mail for taken in smtp.taken)
    assert first["Message-ID"] == again["Message-ID"] == update["In-Reply-To"] == update["References"]
    assert str(again["Subject"]).startswith("[possible duplicate] ")
    assert str(update["Subject"]).startswith("[update] Taro")
    assert update["Message-ID"] == update_again["Message-ID"] != first["Message-ID"]
    assert (first["In-Reply-To"], first["References"]) == (None, None)


async def test_the_mails_of_an_episode_stand_in_one_thread(smtp: SmtpServer) -> None:
    first = replace(ALERT, episode="ep 1")
    for alert in (first, replace(first, id="b", first=False), replace(first, id="c", episode="ep2")):
        await send(email(smtp), alert)
    mails = [taken.mail for taken in smtp.taken]
    assert [str(mail["References"]) for mail in mails] == [
        "<episode-ep_1@acme.example>",
        "<episode-ep_1@acme.example>",
        "<episode-ep2@acme.example>",
    ]
    assert [str(mail["Subject"]).startswith("[update] ") for mail in mails] == [False, True, False]
    assert len({mail["Message-ID"] for mail in mails}) == 3


HOSTILE = (
    "</title><script>alert(1)</script> \"'&<img src=x onerror=y>\r\n"
    "Bcc: thief@evil.example\r\n\r\n*b* <!channel>"
)


async def test_what_a_visitor_typed_is_shown_and_nothing_else(smtp: SmtpServer) -> None:
    alert = replace(
        ALERT,
        traits={"name": HOSTILE, "title": HOSTILE, "email": HOSTILE},
        company=HOSTILE,
        why=f"Downloaded {HOSTILE}",
        instruction="Call <https://bank.example|here> www.bank.example",
        pages=(SeenPage(path=HOSTILE, title=HOSTILE),),
        source={"referrer_class": "ad", "utm_campaign": HOSTILE},
    )
    await send(email(smtp), alert)
    (taken,) = smtp.taken
    assert taken.recipients == ("sales@acme.example", "boss@acme.example")
    assert "Bcc" not in taken.mail
    head = taken.raw.split(b"\r\n\r\n")[0]
    assert {line.split(b":")[0] for line in head.split(b"\r\n") if not line.startswith(b" ")} == {
        *(b"Message-ID", b"Date", b"From", b"To", b"Subject", b"Auto-Submitted", b"X-Auto-Response-Suppress"),
        *(b"MIME-Version", b"Content-Type"),
    }
    page = Seen(taken.body("html"))
    assert not {"script", "img"} & set(page.tags)
    assert page.tags.count("title") == 1
    (link,) = page.links
    assert leads_to_visitor(link)
    for text in (taken.body("plain"), page.text):
        assert "<script>alert(1)</script>" in text
        assert "*b*" in text, "a visitor's marks stay marks"
        assert "https://bank" not in text, "no mail program makes a link of it"
        assert "https:\u2060//bank.example" in text
        assert "www\u2060.bank.example" in text


async def test_no_text_ends_the_subject(smtp: SmtpServer) -> None:
    await send(email(smtp), message={"text": "A\r\nBcc: thief@evil.example\u2028B\x00 " + "x" * 400})
    (taken,) = smtp.taken
    assert re.fullmatch(r"A Bcc: thief@evil\.example B x+…", str(taken.mail["Subject"]))
    assert "Bcc" not in taken.mail
    assert taken.recipients == ("sales@acme.example", "boss@acme.example")


def test_blocks_that_only_slack_can_show_are_left_out() -> None:
    blocks: list[Block] = [
        header("&lt;A&gt; :fire:"),
        section(f"*{link('https://x.example/?a=1&amp;b=2', 'bold link')}* :warning: 2 * 3 * 4"),
        fields(["*Title*\nCEO", "a*b*c"]),
        {"type": "divider"},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "text": {"type": "plain_text", "text": "Claim"}, "action_id": "claim"},
                {
                    "type": "button",
                    "text": {"type": "plain_text", "text": "Open"},
                    "url": "https://x.example/",
                },
                {
                    "type": "button",
                    "text": {"type": "plain_text", "text": "Bad"},
                    "url": "javascript:alert(1)",
                },
            ],
        },
        context("<javascript:alert(1)|click> :raised_hand: <@U12> <!subteam^S34>"),
        {"type": "no-such-thing"},
    ]
    message = {"text": "A", "blocks": blocks}
    text = plain_body(message).replace("\u2060", "")
    assert text == (
        "<A> :fire:\n\nbold link: https://x.example/?a=1&b=2 ⚠️ 2 * 3 * 4\n\nTitle\nCEO\na*b*c\n\n"
        "Open: https://x.example/\n\nclick ✋ @U12 @S34\n"
    )
    page = html_body(message, "en")
    assert Seen(page).links == ["https://x.example/?a=1&b=2", "https://x.example/"]
    assert "<strong>Title</strong><br>" in page
    assert plain_body({"text": "*only* text"}) == "only text\n"


@pytest.mark.parametrize(
    ("command", "answers", "expected", "reason"),
    [
        ("MAIL", ["421 4.3.2 busy"], RetryLater, "SMTP 421 4.3.2 (sender)"),
        ("MAIL", ["553 5.7.1 no such sender <kizashi@acme.example>"], Refused, "SMTP 553 5.7.1 (sender)"),
        ("RCPT", ["450 4.2.1 later", "450 4.2.1 later"], RetryLater, "SMTP 450 4.2.1 (recipient)"),
        ("RCPT", ["550 5.1.1 sales@acme.example?", "550 5.1.1 no"], Refused, "SMTP 550 5.1.1 (recipient)"),
        ("RCPT", ["550 no", "451 later"], RetryLater, "SMTP 451 (recipient)"),
        ("RCPT", ["550 5.1.1 no"], None, ""),
        ("DATA", ["451 4.7.1 greylisted"], RetryLater, "SMTP 451 4.7.1 (content)"),
        ("DATA", ["452 4.3.1 full"], RetryLater, "SMTP 452 4.3.1 (content)"),
        ("DATA", ["554 5.6.0 spam"], Refused, "SMTP 554 5.6.0 (content)"),
    ],
)
async def test_what_the_mail_server_answers(
    command: str, answers: list[str], expected: type[Exception] | None, reason: str, smtp: SmtpServer
) -> None:
    smtp.script(command, *answers)
    if expected is None:
        await send(email(smtp))
        assert [taken.recipients for taken in smtp.taken] == [("boss@acme.example",)]
        return
    with pytest.raises(expected) as error:
        await send(email(smtp))
    assert str(error.value) == reason
    assert getattr(error.value, "posted", "no") == "no"
    assert smtp.taken == []


@pytest.mark.parametrize(
    ("command", "answer", "posted", "taken"),
    [
        ("MAIL", RESET, "no", 0),
        ("RCPT", HANG, "no", 0),
        ("DATA", RESET, "unknown", 1),
        ("DATA", HANG, "unknown", 0),
    ],
)
async def test_a_mail_server_that_says_nothing(
    command: str, answer: str, posted: str, taken: int, smtp: SmtpServer
) -> None:
    smtp.script(command, answer)
    with pytest.raises(RetryLater, match="no answer from the mail server") as later:
        await send(email(smtp, timeout_s=3.0))
    assert (later.value.posted, len(smtp.taken)) == (posted, taken)


async def test_a_mail_server_that_is_away(free_port: Callable[[], int]) -> None:
    sink = EmailSink(parse_mail_url(f"smtp://127.0.0.1:{free_port()}?tls=none&{MAIL}"), clock=now_ms)
    for attempt in (send(sink), sink.probe()):
        with pytest.raises(RetryLater, match=r"connecting") as later:
            await attempt
        assert later.value.posted == "no"


@pytest.mark.parametrize("implicit", [False, True])
async def test_mail_over_tls_with_a_login(implicit: bool, tmp_path: Path) -> None:
    server, client = certificate(tmp_path)
    async with SmtpServer(tls=server, implicit=implicit) as smtp:
        sink = email(smtp, tls_context=client)
        await sink.probe()
        assert smtp.taken == []
        await send(sink)
        assert [taken.tls for taken in smtp.taken] == [True]
        wrong = parse_mail_url(f"{smtp.url}{MAIL}".replace("p%40ss", "wrong"))
        with pytest.raises(Refused, match=r"SMTP 535 5\.7\.8 \(connecting\)"):
            await send(EmailSink(wrong, clock=now_ms, tls_context=client))
        with pytest.raises(RetryLater, match="connecting"):
            await send(email(smtp, tls_context=ssl.create_default_context()))
        assert len(smtp.taken) == 1


async def test_without_tls_no_password_is_sent(smtp: SmtpServer) -> None:
    url = f"smtp://kizashi:secret@127.0.0.1:{smtp.port}?{MAIL}"
    with pytest.raises(Refused, match="offers no STARTTLS"):
        await send(EmailSink(parse_mail_url(url), clock=now_ms))
    assert (smtp.connections, smtp.taken) == (1, [])


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        (f"smtp://mail.acme.example?{MAIL}", "mail.acme.example", 587, "starttls"),
        (f"smtps://u:p@mail.acme.example?{MAIL}", "mail.acme.example", 465, "implicit"),
        (f"smtp://127.0.0.1:25?tls=none&{MAIL}", "127.0.0.1", 25, "none"),
        (f"smtp://[::1]:2525/?{MAIL}", "::1", 2525, "starttls"),
    ],
)
def test_mail_urls(url: str, host: str, port: int, tls: str) -> None:
    server = parse_mail_url(url)
    assert (server.host, server.port, server.tls) == (host, port, tls)
    assert [str(one) for one in server.recipients] == ["sales@acme.example", "Boss <boss@acme.example>"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"http://mail.example?{MAIL}", "does not start with smtp://"),
        (f"smtp://?{MAIL}", "is not smtp://"),
        (f"smtp://mail.example:99999?{MAIL}", "is not a URL"),
        (f"smtp://mail.example/inbox?{MAIL}", "nothing else in it"),
        (f"smtp://mail.example?{MAIL}&cc=x@x.example", "nothing else in it"),
        ("smtp://mail.example", "needs one address in from="),
        ("smtp://mail.example?from=a@a.example", "needs one address in from="),
        ("smtp://mail.example?from=a@a.example,b@b.example&to=c@c.example", "needs one address in from="),
        ("smtp://mail.example?from=nobody&to=c@c.example", "holds an e-mail address that is none"),
        (
            "smtp://mail.example?from=a@a.example&to=c@c.example%0d%0aX:y",
            "holds an e-mail address that is none",
        ),
        ("smtp://mail.example?from=%22a%0d%0ab%22<a@a.example>&to=c@c.example", "holds an e-mail address"),
        (f"smtp://u:hunter2@mail.example?tls=none&{MAIL}", "would send the password unencrypted"),
        (f"smtp://mail.example?tls=maybe&{MAIL}", "may have tls=none"),
        (f"smtps://mail.example?tls=none&{MAIL}", "may have tls=none"),
    ],
)
def test_mail_urls_that_cannot_be_used(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)) as error:
        parse_mail_url(url)
    assert "hunter2" not in str(error.value)


def test_the_password_is_not_in_the_repr() -> None:
    server = parse_mail_url(f"smtp://u:p%40ss%2Fword@mail.example?{MAIL}")
    assert server.password == "p@ss/word"
    assert server.password not in repr(server)


# -- which sinks there are


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, []),
        ({"webhook_url": "https://x.example/"}, []),
        ({"webhook_url": "https://x.example/", "webhook_secret": SECRET}, ["webhook"]),
        ({"smtp_url": f"smtp://mail.example?{MAIL}"}, ["email"]),
    ],
)
def test_the_sinks_beside_slack(settings: dict[str, str], names: list[str]) -> None:
    unset = dict.fromkeys(("webhook_url", "webhook_secret", "smtp_url", "outgoing_allow"))
    sinks = also_sinks(**unset | settings, visitor_url=LINKS, clock=now_ms)
    assert list(sinks) == names
