"""The beacon: CPU a request and requests a second of one web process, beside bare aiohttp and nginx."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from benchmarks import nginx
from benchmarks import site as measured
from benchmarks.harness import SECRET_KEY, Group, Process, environment, in_turns, until
from benchmarks.load import free_port, listening, request, send
from benchmarks.results import Row, aimed, compared
from benchmarks.visitors import NOW, mix
from core.events import Event
from core.profiles import Profile
from server.decide import ahead, decisions_for
from server.exposures import exposure_events
from server.tokens import Tokens
from sites.registry import publish
from sites.site import Site
from storage import keys
from storage.connect import connect
from storage.embedded import Server
from storage.profiles import Position, pack
from streams.pipeline import step

FAMILY = "The beacon, one web process"
YARDSTICK = "bare aiohttp answering 204"
ROUNDS = 5
REQUESTS = 800
#: Visitors, and how many different pasts they have.
KNOWN, PASTS = 5_000, 200
SLOTS = ["hero", "side"]
URL = "http://shop.example/pricing?utm_source=news"
#: Shares of bare aiohttp's speed that are to be reached, by the number of connections.
GOALS = {64: 0.55, 8: 0.45}


class Sample(NamedTuple):
    """One round of one server."""

    cpu_us: float
    per_s: float


class Target(NamedTuple):
    """A server, the requests for it and the status it answers them with."""

    process: Process | Group
    port: int
    requests: Iterator[bytes]
    status: int

    def sample(self, connections: int) -> Sample:
        """Send a round of requests."""
        cpu = self.process.cpu_s()
        load = asyncio.run(
            send(self.requests, port=self.port, count=REQUESTS, status=self.status, connections=connections)
        )
        return Sample((self.process.cpu_s() - cpu) * 1e6 / load.requests, load.requests / load.seconds)


def rows() -> list[Row]:
    """Every row of this family."""
    with tempfile.TemporaryDirectory() as home, Server(Path(home) / "store") as store:
        tokens = asyncio.run(known_visitors(store.url))
        with web(store.url, Path(home)) as (process, port), _others(store.url, Path(home), tokens) as others:
            known = Target(process, port, requests(itertools.cycle(tokens), port), 200)
            new = Target(process, port, requests(itertools.repeat(""), port), 200)
            return [
                *_speed(known, others, 64, "a page view of a known visitor"),
                *_speed(new, {YARDSTICK: others[YARDSTICK]}, 64, "a page view of a new visitor"),
                *_speed(known, {YARDSTICK: others[YARDSTICK]}, 8, "a page view of a known visitor"),
            ]


def _speed(target: Target, others: dict[str, Target], connections: int, what: str) -> list[Row]:
    """The target in turns with the others; the first round warms up. Peers beside the yardstick get rows too."""
    measures = {what: target, **others}
    samples = in_turns(
        {name: lambda one=one: one.sample(connections) for name, one in measures.items()}, ROUNDS + 1
    )
    taken = {name: found[1:] for name, found in samples.items()}
    bare = taken.pop(YARDSTICK)
    found = []
    for name, own in taken.items():
        cpu = _cpu(f"CPU of {name}, {connections} connections", own, bare)
        found.append(aimed(cpu, "ratio", most=round(1 / GOALS[connections], 2)) if name == what else cpu)
        per_s = [one.per_s for one in own]
        title = f"{name}, {connections} connections"
        found.append(compared(FAMILY, title, per_s, "requests/s", YARDSTICK, [one.per_s for one in bare]))
    return found


def _cpu(name: str, samples: Sequence[Sample], bare: Sequence[Sample]) -> Row:
    return compared(
        FAMILY, name, [one.cpu_us for one in samples], "µs CPU", YARDSTICK, [one.cpu_us for one in bare]
    )


async def known_visitors(store_url: str, count: int = KNOWN) -> list[str]:
    """Publish the site and store `count` visitors; their tokens."""
    site = measured.compiled()
    tokens = Tokens(secret_key=SECRET_KEY)
    found = []
    async with connect(store_url) as redis:
        await publish(redis, measured.text(), now=1)
        pasts = itertools.cycle(list(mix(PASTS, site)))
        pipe = redis.pipeline(transaction=False)
        for number, visitor in enumerate(itertools.islice(pasts, count)):
            name = tokens.new_visitor()
            position = Position(epoch="bench", partition=0, offset=number)
            profile = _shown(replace(visitor.profile, id=name), site)
            pipe.set(keys.profile("demo", name), pack(position, profile))
            found.append(tokens.sign(name))
        await pipe.execute()
    return found


def _shown(profile: Profile, site: Site) -> Profile:
    """The visitor once they have met what the site has for them on the page that is asked for: an answer that
    shows something for the first time is another one than nearly all.
    """
    view = Event(
        id="shown",
        site=site.id,
        visitor=profile.id,
        type="page",
        name="page",
        at=NOW,
        received_at=NOW,
        url=URL,
    )
    after, seen = ahead(profile, [view], NOW, site)
    found = decisions_for(after, visitor=profile.id, slots=SLOTS, now=NOW, site=site, lang="en", seen=seen)
    events = exposure_events(
        found.exposures, profile=after, events=[view], visitor=profile.id, now=NOW, site=site
    )
    for event in events:
        profile = step(profile, event, NOW, site).profile
    return profile


def requests(tokens: Iterable[str], port: int) -> Iterator[bytes]:
    """Page views, one of each visitor, each with an id of its own and two slots to fill."""
    rng = random.Random(1)
    for token in tokens:
        event = {
            "id": uuid.UUID(int=rng.getrandbits(128)).hex,
            "type": "page",
            "url": URL,
            "title": "Pricing",
            "ref": "https://www.example.com/",
        }
        body = {"site": "demo", "v": token, "events": [event], "slots": SLOTS}
        yield request(json.dumps(body).encode(), port=port)


def web_process(
    store_url: str, home: Path, port: int, program: Sequence[str] = (sys.executable, "-m")
) -> Process:
    """Kizashi's web process on `port`, started by `program`."""
    env = environment(store_url=store_url, data_dir=home, port=port)
    return Process("cli.main", "web", env=env, log=home / "web.log", program=program)


@contextlib.contextmanager
def web(
    store_url: str, home: Path, program: Sequence[str] = (sys.executable, "-m")
) -> Iterator[tuple[Process, int]]:
    """Kizashi's web process at work, and its port."""
    port = free_port()
    with web_process(store_url, home, port, program) as process:
        asyncio.run(until(lambda: listening(port), process))
        yield process, port


@contextlib.contextmanager
def bare(home: Path, tokens: Sequence[str]) -> Iterator[Target]:
    """The yardstick."""
    port = free_port()
    with Process("benchmarks.bare_server", str(port), env=os.environ, log=home / "bare.log") as process:
        asyncio.run(until(lambda: listening(port), process))
        yield Target(process, port, requests(itertools.cycle(tokens), port), 204)


@contextlib.contextmanager
def _others(store_url: str, home: Path, tokens: list[str]) -> Iterator[dict[str, Target]]:
    """The yardstick and, where this machine has it, nginx."""
    with contextlib.ExitStack() as stack:
        found = {YARDSTICK: stack.enter_context(bare(home, tokens))}
        port = free_port()
        command = nginx.command(home, store_url=store_url, port=port)
        if command is None:
            print(f"\nNOT MEASURED, nginx with Lua: apt install {nginx.PACKAGES}\n", file=sys.stderr)
        else:
            peer = Process(*command, env=os.environ, log=home / "nginx.out", program=())
            stack.enter_context(peer)
            asyncio.run(until(lambda: listening(port), peer))
            views = requests(itertools.cycle(tokens), port)
            found["nginx + Lua + Redis, a minimal job"] = Target(peer, port, views, 204)
        yield found
