"""A local server that answers like Slack's Web API and incoming webhooks, and fails as it is told.

In a test: `async with SlackServer() as slack:` and give `slack.api_url` to the client. As a script,
`python -m tests.slack_server PORT [TOKEN]` prints each message it takes as a line of JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

Kind = Literal["ok", "status", "error", "hang", "reset", "html"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One scripted answer. `posted`: the message is posted although the caller learns otherwise or nothing."""

    kind: Kind = "ok"
    status: int = 500
    code: str = ""
    retry_after: str | None = None
    posted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request for a message. `posted` says whether it became one; `at` is monotonic seconds."""

    method: str
    channel: str
    payload: Mapping[str, Any]
    at: float
    posted: bool


class SlackServer:
    """Takes `chat.postMessage`, `chat.update` and webhook posts. `shown` is what each message looks like now, by
    its `ts`; a `chat.update` of one that is not there is refused.

    `per_second` limits each channel as Slack does (429 with Retry-After). `script(channel, …)` gives the next
    answers of a channel; after them it answers as usual.
    """

    def __init__(
        self,
        *,
        token: str = "xoxb-test",
        per_second: float | None = None,
        on_message: Callable[[Call], None] | None = None,
    ) -> None:
        self.token, self.per_second, self._on_message = token, per_second, on_message
        self.calls: list[Call] = []
        self.shown: dict[str, Mapping[str, Any]] = {}
        self.probes = 0
        self._answers: dict[str, deque[Answer]] = defaultdict(deque)
        self._allowed_at: dict[str, float] = defaultdict(float)
        self._ts = itertools.count(1)
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def webhook_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/T0/B0/hook"

    def posted(self, channel: str | None = None) -> list[Call]:
        """The messages people see, in order."""
        return [c for c in self.calls if c.posted and channel in (None, c.channel)]

    def messages(self, channel: str | None = None) -> list[Call]:
        """The messages in the channel itself: no updates, nothing in a thread."""
        return [
            call
            for call in self.posted(channel)
            if call.method != "chat.update" and "thread_ts" not in call.payload
        ]

    def replies(self, ts: str) -> list[Call]:
        """What stands in a message's thread."""
        return [call for call in self.posted() if call.payload.get("thread_ts") == ts]

    def script(self, channel: str, *answers: Answer) -> None:
        """The next answers of `channel` ("webhook" for the webhook)."""
        self._answers[channel].extend(answers)

    async def until(self, done: Callable[[], bool], timeout: float = 30.0) -> None:
        """Wait until `done()`, looked at after each call. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while not done():
                self._changed.clear()
                await self._changed.wait()

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one."""
        app = web.Application()
        app.router.add_post("/api/{method}", self._api)
        app.router.add_get("/api/api.test", self._probe)
        app.router.add_post("/services/{path:.*}", self._webhook)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port or self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def stop(self) -> None:
        """Stop listening and drop connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> SlackServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        if method not in {"chat.postMessage", "chat.update"}:
            return web.json_response({"ok": False, "error": "unknown_method"})
        payload = await _payload(request)
        channel = _named(str(payload.get("channel", "")))
        if not channel:
            return web.json_response({"ok": False, "error": "channel_not_found"})
        if method == "chat.update" and payload.get("ts") not in self.shown:
            return web.json_response({"ok": False, "error": "message_not_found"})
        return await self._answer(request, method, channel, payload)

    async def _webhook(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, "webhook", "webhook", await _payload(request))

    async def _probe(self, request: web.Request) -> web.StreamResponse:
        self.probes += 1
        return web.json_response({"ok": True})

    async def _answer(
        self, request: web.Request, method: str, channel: str, payload: dict[str, Any]
    ) -> web.StreamResponse:
        answer = self._next(channel)
        posted = answer.kind == "ok" or answer.posted
        call = Call(method=method, channel=channel, payload=payload, at=time.monotonic(), posted=posted)
        self.calls.append(call)
        self._changed.set()
        if posted and self._on_message is not None:
            self._on_message(call)
        ts = str(payload.get("ts") or f"1700000000.{next(self._ts):06d}")
        if posted:
            self.shown[ts] = payload
        return await self._give(request, answer, method, channel, ts)

    def _next(self, channel: str) -> Answer:
        if self._answers[channel]:
            return self._answers[channel].popleft()
        now = time.monotonic()
        if self.per_second is not None and now < self._allowed_at[channel]:
            return Answer(kind="status", status=429, retry_after="1")
        if self.per_second is not None:
            self._allowed_at[channel] = now + 1 / self.per_second
        return Answer()

    async def _give(
        self, request: web.Request, answer: Answer, method: str, channel: str, ts: str
    ) -> web.StreamResponse:
        if answer.kind == "hang":
            await asyncio.sleep(3600)
        if answer.kind == "reset" and request.transport is not None:
            request.transport.abort()
        if answer.kind == "html":
            return web.Response(status=answer.status, text="<html>oops</html>", content_type="text/html")
        headers = {"Retry-After": answer.retry_after} if answer.retry_after is not None else {}
        if answer.kind == "status":
            return web.json_response(
                {"ok": False, "error": "scripted"}, status=answer.status, headers=headers
            )
        if method == "webhook":
            return (
                web.Response(status=404, text=answer.code)
                if answer.kind == "error"
                else web.Response(text="ok")
            )
        if answer.kind == "error":
            return web.json_response({"ok": False, "error": answer.code}, headers=headers)
        return web.json_response({"ok": True, "channel": f"C-{channel.lstrip('#')}", "ts": ts})


def stack_env(slack: SlackServer) -> dict[str, str]:
    """The settings that send a stack's alerts to this server."""
    return {"KIZASHI_SLACK_BOT_TOKEN": slack.token, "KIZASHI_SLACK_API_URL": slack.api_url}


def _named(channel: str) -> str:
    """A channel by its name, where its id (as this server gives them) is said."""
    return f"#{channel[2:]}" if channel.startswith("C-") else channel


async def _payload(request: web.Request) -> dict[str, Any]:
    payload = await request.json()
    return payload if isinstance(payload, dict) else {}


def _print(call: Call) -> None:
    line = {"method": call.method, "channel": call.channel, "at": call.at, "payload": call.payload}
    print(json.dumps(line, ensure_ascii=False), flush=True)


async def _serve(port: int, token: str) -> None:
    server = SlackServer(token=token, on_message=_print)
    await server.start(port)
    print(json.dumps({"listening": server.api_url, "webhook": server.webhook_url}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "xoxb-test"))
