"""One message: what happens between the look at the record and the write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from core.events import Event, encode_event
from core.profiles import Profile
from sites.check import read_text
from sites.compile import compile_site
from sites.site import Site
from storage.profiles import Position
from streams.pipeline import ALONE, Around, step
from streams.processor import Processor
from streams.recent import Recent
from streams.topics import event_key
from tests.factories import T0, event
from tests.sites import DEMO

SITE = compile_site(read_text(DEMO)[0], revision=1, rule_versions={})
KEY = event_key("demo", "v1")
IDENTIFY = replace(
    event("identify", id="who", at=T0, props={"email": "taro@acme.co.jp"}), site="demo", visitor="v1"
)
SECOND = replace(event("page", id="second", at=T0 + 1), site="demo", visitor="v1")


class MemoryStore:
    """Records in memory. `elsewhere` is what another worker writes while this one reads something."""

    def __init__(self, record: tuple[Position, Profile], elsewhere: tuple[Position, Profile] | None) -> None:
        self.records, self.elsewhere, self.puts = {KEY: record}, elsewhere, 0

    def loaded(self, name: str) -> bool:
        return name in self.records

    async def load(self, names: list[str]) -> None:
        raise AssertionError(f"{names} are loaded")

    async def flush(self) -> None:
        """Nothing is gathered."""

    def get(self, name: str) -> Any:
        return self.records[name][1]

    def applied(self, name: str, position: Position) -> bool:
        return self.records[name][0].covers(position)

    def put(self, name: str, value: Any, position: Position, effects: Any, *, now: bool = False) -> None:
        self.puts += 1

    def also(self, name: str, effects: Any, *, now: bool = False) -> None:
        raise AssertionError("a dead letter")


class Slow:
    """A reader during whose reading the other worker writes."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def recent(self, site: str, visitor: str) -> Recent:
        return Recent(base=None, events=())

    async def around(
        self, profile: Profile | None, site: Site, at_hand: Callable[[str], Profile | None]
    ) -> Around:
        if self._store.elsewhere:
            self._store.records[KEY] = self._store.elsewhere
        return ALONE

    async def remains(self, profile: Profile | None, event: Event) -> Any:
        raise AssertionError("no erasure")


def at(offset: int) -> Position:
    return Position(epoch="e", partition=0, offset=offset)


async def run(elsewhere: tuple[Position, Profile] | None) -> int:
    first = step(None, IDENTIFY, T0, SITE).profile
    store = MemoryStore((at(1), first), elsewhere)

    async def same() -> None:
        """Nothing new is published."""

    processor = Processor(
        store=store,
        reader=Slow(store),
        sites=lambda: {"demo": SITE},
        look_again=same,
        clock=lambda: T0 + 2,
        epoch="e",
    )
    await processor.process(KEY.encode(), encode_event(SECOND), partition=0, offset=2)
    return store.puts


async def test_an_event_counts_once() -> None:
    assert await run(None) == 1


async def test_what_another_worker_has_counted_meanwhile_is_not_counted_again() -> None:
    profile = step(step(None, IDENTIFY, T0, SITE).profile, SECOND, T0 + 1, SITE).profile
    assert await run((at(2), replace(profile, seen={}))) == 0
