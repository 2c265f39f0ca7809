"""The beacon: CPU a request and requests a second of one web process, beside bare aiohttp answering 204."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import site as measured
from benchmarks.harness import SECRET_KEY, Process, environment, in_turns, until
from benchmarks.load import free_port, listening, request, send
from benchmarks.results import Row, compared
from benchmarks.visitors import mix
from server.tokens import Tokens
from sites.registry import publish
from storage import keys
from storage.connect import connect
from storage.embedded import Server
from storage.profiles import Position, pack

FAMILY = "The beacon, one web process"
YARDSTICK = "bare aiohttp answering 204"
ROUNDS = 7
REQUESTS = 1_000
KNOWN = 200


class Sample(NamedTuple):
    """One round of one server."""

    cpu_us: float
    per_s: float


class Target(NamedTuple):
    """A server, the requests for it and the status it answers them with."""

    process: Process
    port: int
    requests: Iterator[bytes]
    status: int

    def sample(self) -> Sample:
        """Send a round of requests."""
        cpu = self.process.cpu_s()
        load = asyncio.run(send(self.requests, port=self.port, count=REQUESTS, status=self.status))
        return Sample((self.process.cpu_s() - cpu) * 1e6 / load.requests, load.requests / load.seconds)


def rows() -> list[Row]:
    """Every row of this family."""
    with tempfile.TemporaryDirectory() as home, Server(Path(home) / "store") as store:
        tokens = asyncio.run(_known_visitors(store.url))
        with _web(store.url, Path(home)) as (web, port), _bare(Path(home)) as (bare, bare_port):
            targets = {
                "a page view of a new visitor": Target(web, port, _requests([""], port), 200),
                "a page view of a known visitor": Target(web, port, _requests(tokens, port), 200),
                YARDSTICK: Target(bare, bare_port, _requests(tokens, bare_port), 204),
            }
            samples = in_turns({name: target.sample for name, target in targets.items()}, ROUNDS + 1)
    counted = {name: taken[1:] for name, taken in samples.items()}  # the first round warms up
    bare_samples = counted.pop(YARDSTICK)
    return [row for name, taken in counted.items() for row in _rows(name, taken, bare_samples)]


def _rows(name: str, samples: list[Sample], bare: list[Sample]) -> list[Row]:
    return [
        compared(
            FAMILY,
            f"CPU of {name}",
            [s.cpu_us for s in samples],
            "µs CPU",
            YARDSTICK,
            [s.cpu_us for s in bare],
        ),
        compared(FAMILY, name, [s.per_s for s in samples], "requests/s", YARDSTICK, [s.per_s for s in bare]),
    ]


async def _known_visitors(store_url: str) -> list[str]:
    """Publish the site and store some visitors; their tokens."""
    site = measured.compiled()
    tokens = Tokens(secret_key=SECRET_KEY)
    found = []
    async with connect(store_url) as redis:
        await publish(redis, measured.text(), now=1)
        for number, visitor in enumerate(mix(KNOWN, site)):
            name = tokens.new_visitor()
            position = Position(epoch="bench", partition=0, offset=number)
            await redis.set(keys.profile("demo", name), pack(position, visitor.profile))
            found.append(tokens.sign(name))
    return found


def _requests(tokens: list[str], port: int) -> Iterator[bytes]:
    """Page views without end, each with an id of its own and one slot to fill."""
    rng = random.Random(1)
    for token in itertools.cycle(tokens):
        event = {
            "id": uuid.UUID(int=rng.getrandbits(128)).hex,
            "type": "page",
            "url": "http://shop.example/pricing?utm_source=news",
            "title": "Pricing",
            "ref": "https://www.example.com/",
        }
        body = {"site": "demo", "v": token, "events": [event], "slots": ["hero"]}
        yield request(json.dumps(body).encode(), port=port)


@contextlib.contextmanager
def _web(store_url: str, home: Path) -> Iterator[tuple[Process, int]]:
    port = free_port()
    env = environment(store_url=store_url, data_dir=home, port=port)
    with Process("cli.main", "web", env=env, log=home / "web.log") as process:
        asyncio.run(until(lambda: listening(port), process))
        yield process, port


@contextlib.contextmanager
def _bare(home: Path) -> Iterator[tuple[Process, int]]:
    port = free_port()
    with Process("benchmarks.bare_server", str(port), env=os.environ, log=home / "bare.log") as process:
        asyncio.run(until(lambda: listening(port), process))
        yield process, port
