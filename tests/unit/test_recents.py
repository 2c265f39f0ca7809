"""A visitor's recent events: few stand with the profile, many in batches beside it, and none in two places."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from core.events import Event
from core.profiles import Profile
from core.recents import BATCH, NO_RECENTS, as_happened, as_kept, held, in_batches, is_whole, put_away
from storage import keys
from storage.profiles import unpack_events
from streams.effects import effects
from streams.recent import Recent, advance, needs_past
from tests.factories import DAY, MINUTE, T0, page, site

SITE = site()
RECENT, BASE = keys.recent("demo", "v1"), keys.base("demo", "v1")


def views(count: int, start: int = T0) -> list[Event]:
    return [page(f"/{n}", at=start + n * MINUTE, id=f"view-{n}") for n in range(count)]


def counted(
    profile: Profile | None, *events: Event, recent: Recent | None = None
) -> tuple[Profile, list[tuple[Any, ...]]]:
    """The profile after the events, and what the last of them writes beside it."""
    commands: list[tuple[Any, ...]] = []
    for event in events:
        folded = advance(profile, event, event.received_at, SITE, recent)
        beside = effects(event, profile, folded, site=SITE)
        commands = [command for command in beside if command[1] in (RECENT, BASE)]
        profile = folded.outcome.profile
    assert profile is not None
    return profile, commands


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 2])
def test_what_is_put_away_and_what_stays_are_all(count: int) -> None:
    events = [as_kept(one) for one in views(count)]
    batches, rest = put_away(events)
    assert [one for batch in batches for one in batch] + list(rest) == events
    assert ([len(batch) for batch in batches], len(rest)) == ([BATCH] * (count // BATCH), count % BATCH)


def test_who_looks_at_few_pages_has_nothing_beside_the_profile() -> None:
    for count in range(1, BATCH):
        profile, commands = counted(None, *views(count))
        assert (commands, is_whole(profile), in_batches(profile)) == ([], True, 0)
        assert as_happened(profile.recent_events, "demo", "v1") == tuple(views(count))


def test_a_full_batch_is_put_beside_the_profile() -> None:
    profile, commands = counted(None, *views(BATCH))
    (push, key, batch), expiry = commands
    assert (push, key, expiry[:2]) == ("RPUSH", RECENT, ("EXPIRE", RECENT))
    assert as_happened(unpack_events(batch), "demo", "v1") == tuple(views(BATCH))
    assert (profile.recent, profile.recent_events, is_whole(profile)) == (BATCH, (), False)


def test_recent_events_that_begin_anew_leave_nothing_of_those_before() -> None:
    later = page("/", at=T0 + 3 * DAY)
    few, _ = counted(None, *views(2))
    many, _ = counted(None, *views(BATCH + 1))
    for before, gone in ((few, []), (many, [("DEL", RECENT, BASE)])):
        profile, commands = counted(before, later)
        assert commands[:-1] == gone
        assert commands[-1][:2] == ("SET", BASE)
        assert (profile.recent, as_happened(profile.recent_events, "demo", "v1")) == (1, (later,))


def test_a_late_event_takes_its_place_in_batches_too() -> None:
    for count in (3, BATCH - 1, BATCH, 2 * BATCH + 1):
        events = views(count + 1)
        late = events.pop(1)
        before, _ = counted(None, *events)
        assert needs_past(before, late)
        profile, commands = counted(before, late, recent=Recent(base=None, events=tuple(events)))
        assert commands[: not is_whole(before)] == ([] if is_whole(before) else [("DEL", RECENT, BASE)])
        pushed = [batch for command in commands if command[0] == "RPUSH" for batch in command[2:]]
        kept = [one for batch in pushed for one in unpack_events(batch)] + list(profile.recent_events)
        assert as_happened(kept, "demo", "v1") == tuple(views(count + 1))
        assert in_batches(profile) == len(kept) - len(profile.recent_events)


def test_the_visitor_who_is_erased_leaves_no_recent_events() -> None:
    erase = replace(page("/", at=T0 + DAY), type="erase", name="erase", id="e")
    for count, gone in ((2, []), (BATCH, [("DEL", RECENT, BASE)])):
        before, _ = counted(None, *views(count))
        profile, commands = counted(before, erase)
        assert (commands, {name: getattr(profile, name) for name in NO_RECENTS}) == (gone, NO_RECENTS)


def test_a_profile_that_is_held_shares_no_memory_with_the_text_it_came_from() -> None:
    text = bytearray(msgspec.json.encode(counted(None, *views(3))[0]))
    decoded = msgspec.json.decode(text, type=Profile)
    kept = held(decoded)
    text[:] = b" " * len(text)
    assert as_happened(kept.recent_events, "demo", "v1") == tuple(views(3))
    assert held(replace(kept, **NO_RECENTS)).recent_events == ()
