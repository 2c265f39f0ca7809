"""Recent events in a real store: as the worker writes them they are read back, and as earlier releases did."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from core.events import Event
from core.profiles import Profile
from core.recents import BATCH, as_kept
from storage import keys, packing
from storage.profiles import Position, ProfileReader, pack
from streams.effects import effects
from streams.plugins.writer import Write, Writer, plain, word
from streams.recent import Recent, advance, needs_past
from tests.factories import DAY, HOUR, MINUTE, T0, page, site

SITE = site()
KEY = keys.profile("demo", "v1")


async def count(redis: Redis, profile: Profile | None, event: Event, number: int) -> Profile:
    """Count an event as the worker does."""
    late = profile is not None and needs_past(profile, event)
    recent = None
    if profile is not None and late:
        base, events = await ProfileReader(redis=redis).recent(profile)
        recent = Recent(base=base, events=events)
    folded = advance(profile, event, event.received_at, SITE, recent)
    at = Position(epoch="r1", partition=0, offset=number)
    commands = [plain(one) for one in effects(event, profile, folded, site=SITE)]
    base = f"r1 0 {number - 1}" if number else ""
    record = word(pack(at, folded.outcome.profile))
    await Writer(redis=redis).write([Write(key=KEY, base=base, record=record, effects=commands)])
    return folded.outcome.profile


@pytest.mark.parametrize("late", [None, 5, BATCH + 3])
async def test_what_is_written_is_read_back(redis: Redis, late: int | None) -> None:
    events = [page("/", at=T0 - 5 * DAY), *(page(f"/{n}", at=T0 + n * MINUTE) for n in range(2 * BATCH + 3))]
    if late is not None:
        events.append(replace(events.pop(late), received_at=T0 + HOUR))
    profile, seen = None, list[Event]()
    for number, event in enumerate(events):
        profile = await count(redis, profile, event, number)
        seen = [*seen, event] if number != 1 else [event]
        base, recent = await ProfileReader(redis=redis).recent(profile)
        assert sorted(recent, key=lambda one: one.at) == sorted(seen, key=lambda one: one.at)
        assert (base is not None, len(recent)) == (number > 0, profile.recent)
    assert profile is not None
    assert profile.page_count == len(events)


async def test_what_was_put_beside_after_the_profile_was_read_is_not_told_twice(redis: Redis) -> None:
    events = [page(f"/{n}", at=T0 + n * MINUTE) for n in range(BATCH)]
    profile: Profile | None = None
    for number, event in enumerate(events[:-1]):
        profile = await count(redis, profile, event, number)
    assert profile is not None
    await count(redis, profile, events[-1], BATCH - 1)
    assert await redis.llen(keys.recent("demo", "v1")) == 1
    assert (await ProfileReader(redis=redis).recent(profile))[1] == tuple(events[:-1])


@pytest.mark.parametrize("packed", [False, True])
async def test_recent_events_of_an_earlier_release_go_on(redis: Redis, packed: bool) -> None:
    events = [page(f"/{n}", at=T0 + n * MINUTE) for n in range(BATCH + 2)]
    old, late = [*events[:1], *events[2:4]], events[1]
    profile: Profile | None = None
    for number, event in enumerate(old):
        profile = await count(redis, profile, event, number)
    assert profile is not None
    texts = [msgspec.json.encode(replace(one, site="", visitor="")) for one in old]
    stored = [packing.pack(text, packing.LINES) for text in texts] if packed else texts
    await redis.rpush(keys.recent("demo", "v1"), *stored)
    profile = replace(profile, recent_events=())
    profile = await count(redis, profile, events[4], 3)
    assert (profile.recent, profile.recent_events) == (4, (as_kept(events[4]),))
    assert (await ProfileReader(redis=redis).recent(profile))[1] == (*old, events[4])
    profile = await count(redis, profile, replace(late, received_at=T0 + HOUR), 4)
    assert len((await ProfileReader(redis=redis).recent(profile))[1]) == profile.recent == 5
    assert [visit.path for visit in profile.pages] == ["/0", "/1", "/2", "/3", "/4"]
