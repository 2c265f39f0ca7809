"""What an event costs the worker where the store holds few visitors, and where it holds very many."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence

from msgspec.structs import replace
from redis.asyncio import Redis

from benchmarks import site as measured
from benchmarks.backends import Backend, preload, redis_streams
from benchmarks.harness import in_turns
from benchmarks.results import Row, aimed, compared
from benchmarks.visitors import MINUTE_MS, NOW, event, mix
from benchmarks.worker import Drained, drained
from core.events import Event
from storage import keys
from storage.connect import connect
from storage.profiles import LIFE_S, Position, pack

FAMILY = "Growth"
FEW, MANY = 1_000, 1_000_000
ROUNDS = 2
#: Of the visitors in the store, those who are here, and what each of them does: a visit.
HERE, EACH = 500, 8
#: Records written by one call of the script.
CHUNK = 20_000
#: The same record under many keys. ARGV: first and last number, seconds to live, the key's beginning, the record.
_FILL = """
for number = ARGV[1], ARGV[2] do
  redis.call('SET', ARGV[4] .. string.format('%032x', number), ARGV[5], 'EX', ARGV[3])
end
"""


def rows() -> list[Row]:
    """Every row of this family."""
    with redis_streams() as few, redis_streams() as many:
        asyncio.run(_stored(few, FEW))
        asyncio.run(_stored(many, MANY))
        rounds = {few.store_url: 0, many.store_url: 0}

        def drain(backend: Backend, visitors: int) -> Drained:
            rounds[backend.store_url] += 1
            return asyncio.run(_drain(backend, visitors, rounds[backend.store_url]))

        samples = in_turns({"few": lambda: drain(few, FEW), "many": lambda: drain(many, MANY)}, ROUNDS)
    name = (
        f"CPU of an event in the worker, {MANY:,} visitors in the store ({HERE:,} here, {EACH} events each)"
    )
    cpu = compared(
        FAMILY,
        name,
        [one.cpu_us for one in samples["many"]],
        "µs CPU",
        f"the same with {FEW:,} visitors in the store",
        [one.cpu_us for one in samples["few"]],
    )
    return [aimed(cpu, "ratio", most=1.2)]


async def _stored(backend: Backend, visitors: int) -> None:
    await preload(backend, [])
    async with connect(backend.store_url) as redis:
        await fill(redis, visitors, _here(visitors))


async def fill(redis: Redis, visitors: int, here: Sequence[str]) -> None:
    """Store `visitors` who were here some days ago and saw three pages. Those who will come `here` again have a
    record in their own name; the others' is never read.
    """
    histories = (one.profile for one in mix(1_000, measured.compiled()))
    profile = replace(
        next(one for one in histories if one.page_count == 3), recent=0, recent_from=0, recent_base=False
    )
    position = Position(epoch="before", partition=0, offset=1)
    script = redis.register_script(_FILL)
    for first in range(0, visitors, CHUNK):
        last = min(first + CHUNK, visitors) - 1
        await script(args=[first, last, LIFE_S, keys.profile("demo", ""), pack(position, profile)])
    for start in range(0, len(here), CHUNK):
        pipe = redis.pipeline(transaction=False)
        for name in here[start : start + CHUNK]:
            record = pack(position, replace(profile, id=name))
            pipe.set(keys.profile("demo", name), record, ex=LIFE_S)
        await pipe.execute()


async def _drain(backend: Backend, visitors: int, number: int) -> Drained:
    """One more visit of everybody who is here, counted by a worker started for it."""
    first, last = f"first{number}", f"last{number}"
    here = visits(visitors, number)
    marks = [replace(here[0], id=name, visitor=name) for name in (first, last)]
    async with connect(backend.store_url) as redis:
        publisher = backend.publisher(redis)
        for batch in ([marks[0]], *_batches(here), [marks[1]]):
            await publisher.publish(batch)
        await publisher.close()
    return await drained(backend.store_url, backend.worker, count=len(here), firsts=[first], lasts=[last])


def visits(visitors: int, number: int) -> list[Event]:
    """The events of the visit that is this `number`, all visitors' in turn."""
    rng, names = random.Random(number), _here(visitors)
    start = NOW + number * 30 * MINUTE_MS
    return [
        event(rng, at=start + minute * MINUTE_MS, visitor=name) for minute in range(EACH) for name in names
    ]


def _here(visitors: int) -> list[str]:
    """Those who are here lie evenly among all `visitors`."""
    return [f"{place * (visitors // HERE):032x}" for place in range(HERE)]


def _batches(events: list[Event]) -> Iterable[list[Event]]:
    return (events[start : start + 500] for start in range(0, len(events), 500))
