"""A web process with the demo site for tests, its open pages, and what the worker would write: profiles."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from core.profiles import Profile, Session
from server import state
from server.app import make_app
from server.config import from_env
from server.live_hub import HUB, LiveHub
from server.live_stream import OBSERVE, PACE, Pace
from sites.registry import publish
from storage import keys
from storage.connect import connect
from storage.profiles import Position, pack
from tests.processes import ADMIN_TOKEN
from tests.sites import DEMO

ORIGIN = "http://shop.example"
#: A wait for something that must not come: long against the time that it would take.
NOTHING_S = 1.0


@dataclass(kw_only=True)
class Event:
    """One block of a stream: an event, a comment (`name` ":"), or a field alone."""

    name: str = ""
    data: Any = None
    id: str = ""
    retry: int = 0


@dataclass(kw_only=True)
class Page:
    """An open page: the events that it got."""

    response: aiohttp.ClientResponse
    events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    retries: list[int] = field(default_factory=list)
    comments: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self) -> Event:
        async with asyncio.timeout(20):
            return await self.events.get()

    async def hero(self) -> str:
        """What the next update says of the hero."""
        return str((await self.next()).data["decisions"]["hero"]["html"])

    async def nothing(self, seconds: float = NOTHING_S) -> bool:
        """Whether nothing comes."""
        try:
            async with asyncio.timeout(seconds):
                await self.events.get()
        except TimeoutError:
            return True
        return False

    async def read(self) -> None:
        block: list[str] = []
        try:
            async for line in self.response.content:
                if text := line.decode().rstrip("\n"):
                    block.append(text)
                elif block:
                    self._take(block)
                    block = []
        except aiohttp.ClientError:
            pass
        self.ended.set()

    def _take(self, block: list[str]) -> None:
        fields = dict(line.partition(": ")[::2] for line in block)
        if "retry" in fields:
            self.retries.append(int(fields["retry"]))
        elif "event" in fields:
            self.events.put_nowait(
                Event(name=fields["event"], data=json.loads(fields["data"]), id=fields["id"])
            )
        else:
            self.comments += 1


class Shop:
    """A web process with the demo site, and what the worker would write."""

    def __init__(self, app: web.Application, server: TestServer, redis: Redis, counted: Counter[str]) -> None:
        self.app, self.server, self.redis, self.counted = app, server, redis, counted
        # An address instead of a name is no reason to forget cookies.
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._offset = 0

    def token(self, visitor: str) -> str:
        return self.app[state.TOKENS].sign(visitor)

    async def beacon(self, *events: dict[str, Any], origin: str = ORIGIN, **more: Any) -> dict[str, Any]:
        """Send events as the snippet does."""
        body = {"site": "demo", "v": "", "events": list(events), "slots": ["hero"], **more}
        return await self.post("/v1/beacon", body, Origin=origin)

    async def post(self, path: str, body: Any, *, status: int = 200, **headers: str) -> dict[str, Any]:
        """POST JSON; the answer's body. Fails unless it has this status."""
        async with self.http.post(self.server.make_url(path), json=body, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return dict(json.loads(text))

    def url(self, visitor: str = "v1", **query: Any) -> str:
        asked = {"site": "demo", "v": self.token(visitor), "slot": "hero"} | query
        pairs = [
            (k, v) for k, values in asked.items() for v in ([values] if isinstance(values, str) else values)
        ]
        return str(self.server.make_url("/v1/live").with_query(pairs))

    async def get(self, url: str, **headers: str) -> aiohttp.ClientResponse:
        return await self.http.get(url, headers={"Origin": ORIGIN, **headers})

    @asynccontextmanager
    async def page(
        self, visitor: str = "v1", headers: dict[str, str] | None = None, **query: Any
    ) -> AsyncIterator[Page]:
        """Open a page of the visitor's, and close it."""
        response = await self.get(self.url(visitor, **query), **(headers or {}))
        assert response.status == 200, await response.text()
        page = Page(response=response)
        reader = asyncio.create_task(page.read())
        try:
            yield page
        finally:
            response.close()
            await reader

    async def become(
        self, visitor: str = "v1", *, tell: bool = True, seen: tuple[str, ...] = (), **facts: Any
    ) -> None:
        """Write a profile as the worker does: a channel is told in the same transaction."""
        self._offset += 1
        now = int(time.time() * 1000)
        made = {
            "id": visitor,
            "site": "demo",
            "first_at": now,
            "last_at": now,
            "session_count": 1,
            "page_count": 1,
        }
        session = Session(started_at=now, last_at=now, page_count=1)
        profile = Profile(**made | facts, session=session, seen=dict.fromkeys(seen, now))
        record = pack(Position(epoch="e", partition=0, offset=self._offset), profile)
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.set(keys.profile("demo", visitor), record)
            if tell:
                pipe.publish(keys.live("demo", visitor), "")
            await pipe.execute()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110  # the hub tells nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(
    url: str,
    tmp_path: Path,
    site: str = DEMO,
    *,
    clock: Callable[[], int] | None = None,
    pace: Pace | None = None,
    max_streams: int = 100,
    max_per_visitor: int = 4,
    **env: str,
) -> AsyncIterator[Shop]:
    """A web process on the store at `url`. `clock` is epoch ms."""
    given = {
        "KIZASHI_DATA_DIR": str(tmp_path / "data"),
        "KIZASHI_REDIS_URL": url,
        "KIZASHI_SECRET_KEY": "test-secret-key",
        "KIZASHI_ADMIN_TOKEN": ADMIN_TOKEN,
        **env,
    }
    app = make_app(from_env(given))
    counted: Counter[str] = Counter()
    app[state.CLOCK] = clock or app[state.CLOCK]
    app[HUB] = LiveHub(app[state.REDIS], max_streams=max_streams, max_per_visitor=max_per_visitor)
    app[PACE] = pace or Pace()
    app[OBSERVE] = lambda what: counted.update([what])
    async with connect(url) as redis:
        await publish(redis, site, now=1)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server(shutdown_timeout=2)
        shop = Shop(app, server, redis, counted)
        try:
            yield shop
        finally:
            await shop.http.close()
            await server.close()
