"""What a visitor costs in the store, with all that is kept beside the profile, at 10,000 and 100,000 visitors."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis

from benchmarks import site as measured
from benchmarks.results import Row, aimed, compared, single
from benchmarks.visitors import STAND_IN, Visitor, mix, with_past
from core.events import DAY_MS
from server.people import named
from storage import keys, packing
from storage.connect import connect
from storage.embedded import Server
from storage.profiles import Position, pack
from streams.plugins.writer import Write, Writer, plain, word

FAMILY = "Memory in the store"
SIZES = (10_000, 100_000)
FAR = 1_000_000
#: Histories made; the visitors take them in turn, each under an id of its own.
HISTORIES = 5_000
#: Visits of somebody known, and how the row says so.
_KNOWN = {80: "", 10: " and ten visits"}
CHUNK = 1_000


def rows() -> list[Row]:
    """Every row of this family."""
    histories = list(mix(HISTORIES, measured.compiled()))
    used, settled, profile = asyncio.run(_fill(histories))
    small, large = SIZES
    slope = (used[large] - used[small]) / (large - small)
    far = used[large] + slope * (FAR - large)
    seen = sum(one.profile.page_count for one in histories) / len(histories)
    return [
        *(_beside(f"a visitor, at {size:,} visitors", used[size] / size, profile) for size in SIZES),
        _beside(f"a visitor, at {large:,} visitors, settled", settled / large, profile),
        *map(_known, _KNOWN),
        aimed(
            single(FAMILY, f"{FAR:,} visitors, on the line through both", far / 2**20, "MiB"),
            "value",
            most=1_024,
        ),
        single(FAMILY, f"{FAR:,} visitors, settled", settled / large * FAR / 2**20, "MiB"),
        single(FAMILY, "page views of a visitor of this mix, on average", seen, "page views"),
    ]


def _known(visits: int) -> Row:
    """The record of somebody known, with so many visits."""
    site = measured.compiled()
    profile = with_past(80, site, over_ms=10 * 7 * DAY_MS, visits=visits)
    record = pack(Position(epoch="r1234abcd", partition=0, offset=1_000_000), replace(profile, id=_name(0)))
    plain = msgspec.json.encode(named(profile))
    name = f"the profile record of somebody identified, 80 events in ten weeks{_KNOWN[visits]}"
    return aimed(
        compared(FAMILY, name, [len(record)], "bytes", "the same, every field named", [len(plain)]),
        "value",
        most=600,
    )


def _beside(name: str, value: float, profile: float) -> Row:
    return compared(FAMILY, name, [value], "bytes", "its profile record", [profile])


async def _fill(histories: Sequence[Visitor]) -> tuple[dict[int, int], int, float]:
    """Bytes used at each size, at the last without recent events, and the bytes of a visitor's profile record."""
    used: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as home, Server(Path(home) / "store") as server:
        async with connect(server.url) as redis:
            writer = Writer(redis=redis)
            writes = itertools.starmap(_write, enumerate(itertools.cycle(histories)))
            await writer.write([next(writes)])  # the script itself, the first tables
            empty, written = await _used(redis), 0
            for size in SIZES:
                while written < size:
                    await writer.write(list(itertools.islice(writes, CHUNK)))
                    written += CHUNK
                used[size] = await _used(redis) - empty
            for start in range(0, written, CHUNK):
                await redis.delete(*_passing(range(start, start + CHUNK)))
            settled = await _used(redis) - empty
    return (
        used,
        settled,
        sum(len(_record(number, one)) for number, one in enumerate(histories)) / len(histories),
    )


async def _used(redis: Redis) -> int:
    """What the server holds, without what it holds for clients and for its append-only file."""
    stats = await redis.memory_stats()
    passing = ("clients.normal", "aof.buffer", "lua.caches")
    return int(stats["total.allocated"]) - sum(int(stats[name]) for name in passing)


def _passing(numbers: Iterable[int]) -> list[str]:
    """The keys that live for days, not for a year: what recent events a late one is folded among."""
    names = map(_name, numbers)
    return [key("demo", name) for name in names for key in (keys.recent, keys.base)]


def _name(number: int) -> str:
    """A visitor's id as the snippet's are: nothing in it that could be compressed."""
    return blake2b(number.to_bytes(8, "big"), digest_size=16).hexdigest()


def _write(number: int, visitor: Visitor) -> Write:
    name = _name(number)
    commands = [plain([_named(part, name) for part in command]) for command in visitor.commands]
    record = _record(number, visitor)
    return Write(key=keys.profile("demo", name), base="", record=word(record), effects=commands)


def _named(part: str | bytes | int, name: str) -> str | bytes | int:
    """A word of a command, the visitor's own id in place of the one it shares with others of its history."""
    if isinstance(part, int):
        return part
    if isinstance(part, str):
        return part.replace(STAND_IN, name)
    text = packing.unpack(part).replace(STAND_IN.encode(), name.encode())
    return packing.pack(text, part[0]) if packing.is_packed(part) else text


def _record(number: int, visitor: Visitor) -> bytes:
    position = Position(epoch="r1234abcd", partition=0, offset=number)
    return pack(position, replace(visitor.profile, id=_name(number)))
