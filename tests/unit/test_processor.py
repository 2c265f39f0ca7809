"""A batch of messages: each applied once, in order, or set aside; what happens between the look and the write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec.structs import replace
from redis.exceptions import ConnectionError as RedisConnectionError

from core.errors import LeaseLost
from core.events import Event, encode_event
from core.identity import identifiers
from core.profiles import Profile
from sites.check import read_text
from sites.compile import compile_site
from sites.site import Site
from storage.profiles import Position
from streams.outcome import ALONE, Around
from streams.pipeline import step
from streams.plugins.log import Entry
from streams.prefetch import Wanted
from streams.processor import Processor
from streams.recent import Recent
from streams.topics import event_key
from tests.factories import T0, event
from tests.sites import DEMO

SITE = compile_site(read_text(DEMO)[0], revision=1, rule_versions={})
KEY, DAMAGED = event_key("demo", "v1"), event_key("demo", "damaged")
IDENTIFY = replace(
    event("identify", id="who", at=T0, props={"email": "taro@acme.co.jp"}), site="demo", visitor="v1"
)
SECOND = replace(event("page", id="second", at=T0 + 1), site="demo", visitor="v1")


class MemoryStore:
    """Records in memory. `elsewhere` is what another worker writes while this one reads something."""

    def __init__(self, record: tuple[Position, Profile], elsewhere: tuple[Position, Profile] | None) -> None:
        self.records: dict[str, tuple[Position, Profile] | None] = {KEY: record}
        self.elsewhere = elsewhere
        self.puts: list[tuple[str, int]] = []
        self.letters: list[str] = []

    def loaded(self, name: str) -> bool:
        return name in self.records

    async def load(self, names: list[str]) -> None:
        self.records |= dict.fromkeys(name for name in names if name != DAMAGED)

    async def flush(self) -> None:
        """Nothing is gathered."""

    def get(self, name: str) -> Any:
        record = self.records[name]
        return record[1] if record else None

    def applied(self, name: str, position: Position) -> bool:
        record = self.records[name]
        return record is not None and record[0].covers(position)

    def put(self, name: str, value: Any, position: Position, effects: Any, *, now: bool = False) -> None:
        self.records[name] = (position, value)
        self.puts.append((name, position.offset))

    def also(self, name: str, effects: Any, *, now: bool = False) -> None:
        self.letters.append(name)


class Slow:
    """A reader during whose reading the other worker writes, or something fails."""

    def __init__(self, store: MemoryStore, error: Exception | None = None) -> None:
        self._store, self._error = store, error
        self.asked: list[Wanted] = []

    async def prefetch(self, asked: Iterable[Wanted]) -> None:
        self.asked += asked
        if self._error:
            raise self._error

    async def recent(self, profile: Profile) -> Recent:
        return Recent(base=None, events=())

    async def around(
        self, profile: Profile | None, site: Site, at_hand: Callable[[str], Profile | None]
    ) -> Around:
        if self._error and profile is not None and profile.id == "v1":
            raise self._error
        if self._store.elsewhere:
            self._store.records[KEY] = self._store.elsewhere
        return ALONE

    async def remains(self, profile: Profile | None, event: Event) -> Any:
        raise AssertionError("no erasure")


def at(offset: int) -> Position:
    return Position(epoch="e", partition=0, offset=offset)


async def run(store: MemoryStore, *messages: Entry, error: Exception | None = None) -> list[Wanted]:
    """Process the messages. What was asked for beforehand."""
    reader = Slow(store, error)

    async def nothing() -> None:
        """Nothing new is published, and nobody waits for a turn."""

    processor = Processor(
        store=store,
        reader=reader,
        sites=lambda: {"demo": SITE},
        look_again=nothing,
        clock=lambda: T0 + 2,
        epoch="e",
        pause=nothing,
    )
    await processor.process(0, messages)
    return reader.asked


def message(offset: int, event: Event) -> Entry:
    return Entry(offset, event_key(event.site, event.visitor).encode(), encode_event(event))


def known(elsewhere: tuple[Position, Profile] | None = None) -> MemoryStore:
    """A store in which v1 is identified at offset 1."""
    return MemoryStore((at(1), step(None, IDENTIFY, T0, SITE).profile), elsewhere)


async def test_an_event_counts_once() -> None:
    store = known()
    await run(store, message(2, SECOND))
    assert store.puts == [(KEY, 2)]


async def test_what_another_worker_has_counted_meanwhile_is_not_counted_again() -> None:
    profile = step(step(None, IDENTIFY, T0, SITE).profile, SECOND, T0 + 1, SITE).profile
    store = known((at(2), replace(profile, seen={})))
    await run(store, message(2, SECOND))
    assert store.puts == []


MANY = [replace(event("page", id=f"e{n}", at=T0 + n), site="demo", visitor=f"v{n % 3}") for n in range(250)]


async def test_a_long_batch_is_applied_in_order_but_for_what_was_applied_before() -> None:
    store = known()
    messages = [message(n, one) for n, one in enumerate(MANY)]
    await run(store, *messages)
    assert [offset for _, offset in store.puts] == [0, *range(2, 250)]
    await run(store, *messages)
    assert len(store.puts) == 249
    assert store.letters == []


async def test_who_belongs_together_is_prefetched_for_the_known_and_for_who_makes_themself_known() -> None:
    newcomer = replace(IDENTIFY, id="new", visitor="v2", props={"email": "jiro@acme.co.jp"})
    nobody = replace(SECOND, id="third", visitor="v3")
    asked = await run(known(), message(2, SECOND), message(3, newcomer), message(4, nobody))
    mails = [identifiers("demo", one.props).mail for one in (IDENTIFY, newcomer)]
    assert asked == [("demo", mail) for mail in mails]


BAD = [
    Entry(2, KEY.encode(), b'{"half'),
    Entry(2, b"nobody", b"{}"),
    message(2, replace(SECOND, site="gone")),
]


@pytest.mark.parametrize("bad", BAD)
async def test_a_message_that_cannot_be_applied_is_set_aside_and_the_next_goes_on(bad: Entry) -> None:
    store = known()
    await run(store, bad, message(3, replace(SECOND, visitor="v3")))
    assert len(store.letters) == 1
    assert store.puts == [("demo:v3", 3)]


async def test_what_cannot_be_read_for_one_event_holds_up_no_other() -> None:
    store = known()
    other = replace(SECOND, visitor="v3")
    await run(store, message(2, SECOND), message(3, other), error=ValueError("a damaged record"))
    assert store.letters == [KEY]
    assert store.puts == [("demo:v3", 3)]


async def test_a_damaged_record_is_one_visitors_dead_letter_and_nobody_elses() -> None:
    store = known()
    await run(store, message(2, SECOND), message(3, replace(SECOND, visitor="damaged")),
              message(4, replace(SECOND, visitor="v3")))  # fmt: skip
    assert store.letters == [DAMAGED]
    assert store.puts == [(KEY, 2), ("demo:v3", 4)]


@pytest.mark.parametrize("error", [RedisConnectionError("away"), TimeoutError("silent"), LeaseLost()])
async def test_a_store_that_is_away_is_no_dead_letter(error: Exception) -> None:
    store = known()
    with pytest.raises(type(error)):
        await run(store, message(2, SECOND), error=error)
    assert (store.letters, store.puts) == ([], [])
