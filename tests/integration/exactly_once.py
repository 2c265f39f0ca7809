"""Many events, a worker that dies at random moments, and the same result as a clean run's."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis

from alerts.outbox import Outbox
from core.events import Event
from core.profiles import Entry, Profile
from sites.registry import load_current
from sites.site import Site
from storage.profiles import ProfileReader, pack_closed, unpack
from streams.plugins import log
from streams.publisher import RedisPublisher
from streams.topics import EVENTS, GROUP
from tests.factories import MINUTE, T0
from tests.memory import Visitor
from tests.processes import Stack, until

BATCH = 500


def clickstream(*, events: int, visitors: int, seed: int) -> list[Event]:
    """A made-up clickstream: pages, reading, downloads, sign-ups, and one event in fifty sent twice."""
    rng = random.Random(seed)
    made: list[Event] = []
    for number in range(events):
        if made and rng.random() < 0.02:
            made.append(rng.choice(made[-200:]))
            continue
        kind = rng.choices(["page", "engage", "whitepaper_download", "identify"], [60, 30, 5, 5])[0]
        at = T0 + number * (30 * MINUTE // events)
        visitor = f"v{rng.randrange(visitors)}"
        made.append(
            Event(
                id=uuid.UUID(int=rng.getrandbits(128)).hex,
                site="demo",
                visitor=visitor,
                type="track" if kind == "whitepaper_download" else kind,  # type: ignore[arg-type]
                name=kind,
                at=at,
                received_at=at,
                url=f"http://shop.example/{rng.choice(['', 'pricing', 'cases', 'blog'])}",
                props=props(kind, visitor, rng),
            )
        )
    return made


def props(kind: str, visitor: str, rng: random.Random) -> dict[str, object]:
    """What an event of this kind carries. Several people use one browser, but nobody comes back or uses two: what
    one visitor does to another depends on whose event is first, and among visitors there is no order.
    """
    if kind == "engage":
        return {"engaged_ms": rng.randrange(1_000, 40_000), "scroll": rng.randrange(100)}
    if kind == "identify":
        return {"email": f"{visitor}-{rng.getrandbits(64)}@example.com", "name": "名前"}
    return {}


@dataclass
class Expected:
    """What a clean run leaves behind, of every chapter of a browser that several people use."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    ledgers: dict[str, list[Entry]] = field(default_factory=dict)
    alerts: set[str] = field(default_factory=set)


def clean_run(events: Sequence[Event], site: Site) -> Expected:
    """Apply the events in order, in memory, with nothing in the way."""
    expected, visitors = Expected(), defaultdict[str, Visitor](Visitor)
    for event in events:
        visitors[event.visitor].take(event, site)
    for name, visitor in visitors.items():
        assert visitor.profile is not None
        expected.profiles[name] = visitor.profile
        expected.profiles.update({one.closed_name: stored(one) for one in visitor.closed.values()})
        chapters = [visitor.profile, *visitor.closed.values()]
        expected.ledgers.update({one.name: visitor.ledgers[one.chapter] for one in chapters})
        expected.alerts.update(visitor.alerts)
    return expected


def stored(closed: Profile) -> Profile:
    """A chapter that ended, as the store keeps it."""
    return unpack(pack_closed(closed))[1]


async def publish_all(redis: Redis, events: Sequence[Event]) -> None:
    """Put the events into the stream."""
    publisher = RedisPublisher(redis=redis)
    for start in range(0, len(events), BATCH):
        await publisher.publish(events[start : start + BATCH])
    await publisher.close()


async def progress(redis: Redis) -> int:
    """The committed offset."""
    return (await log.committed(redis, GROUP, [(EVENTS, 0)]))[(EVENTS, 0)]


async def kill_at_random(stack: Stack, *, kills: int, rng: random.Random) -> int:
    """Kill the worker so many times, each time somewhere within the second after it got going again."""
    done = 0
    for _ in range(kills):
        before = await progress(stack.redis)

        async def moved(before: int = before) -> bool:
            return await progress(stack.redis) > before or await caught_up(stack.redis)

        await until(moved, 60, every=0.01)
        if await caught_up(stack.redis):
            break
        await asyncio.sleep(rng.random() * 0.4)
        stack.kill_worker()
        done += 1
        stack.start_worker()
    return done


async def caught_up(redis: Redis) -> bool:
    """Whether every event is committed."""
    return await progress(redis) >= await log.end(redis, (EVENTS, 0))


async def assert_same(redis: Redis, expected: Expected) -> None:
    """Every profile, ledger and alert equals the clean run's."""
    reader = ProfileReader(redis=redis)
    for name, wanted in expected.profiles.items():
        found = await reader.get("demo", name)
        assert found == wanted
        assert list(await reader.ledger(found)) == expected.ledgers[found.name]
    alerts = await Outbox(redis).recent("demo", 10_000)
    assert len(alerts) == len(expected.alerts)
    assert {alert["id"] for alert in alerts} == expected.alerts


async def site_of(redis: Redis) -> Site:
    """The published site."""
    return (await load_current(redis))["demo"]
