"""Profiles, events and ledger entries as stored: what goes in comes out, and what was stored once can be read."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from core.exposures import Exposed, Measured
from core.profiles import Entry, Episode, EventStat, PageVisit, Profile, Session, Source, Tally, TopicStat
from core.recents import as_happened, as_kept
from storage import packing
from storage.profiles import (
    Position,
    pack,
    pack_entries,
    pack_events,
    pack_profile,
    unpack,
    unpack_entries,
    unpack_events,
    unpack_profile,
)  # fmt: skip
from tests.factories import DAY, HOUR, MINUTE, T0, page

#: A dictionary that was released is never changed: what was packed with it could not be read any more.
DICTIONARIES = {
    "1": "d5c9e9c301f112c3f533e49be8a6c9bf17824600d20a301cce8dfa88af21a13a",
    "2": "ac4d8130e37097ab4fb5899dd8e4217f8b520b058b36c8b3b95c7a174c9b29af",
    "3": "4eb501363e26f1057c58287719dca60aef542e47f051d7ea53a7b0b5de1aeb59",
}
AD = Source(utm_source="google", utm_medium="cpc", click_id="x1", referrer_class="ad")
ENTRIES = tuple(
    Entry(event=f"e{n}", rule="page-view", rule_version=1, points=0.5, at=T0 + n) for n in range(3)
)
NEW = Profile(id="v1", site="demo", first_at=T0, last_at=T0)
#: Every field says something.
WHOLE = Profile(
    id="v1", site="demo", first_at=T0 - 300 * DAY, last_at=T0, session_count=9, page_count=40, engaged_ms=90_000,
    session=Session(started_at=T0 - HOUR, last_at=T0, page_count=2, engaged_ms=9, landing_path="/", source=AD,
                    fired=("case-view",)),
    sessions=(Session(started_at=T0 - DAY, last_at=T0 - DAY + MINUTE), Session(started_at=1, last_at=2)),
    pages=tuple(
        PageVisit(at=T0 - n * MINUTE, url=f"https://shop.example/{n % 3}{'?q=1' * (n % 2)}", path=f"/{n % 3}",
                  title="名前 “x” \\ \n" * (n % 2), topic="pricing" * (n % 2), engaged_ms=n, scroll=n)
        for n in range(20, 0, -1)
    ),
    traits={"name": "鈴木 花子", "age": 40, "tags": ["a", {"b": None}]}, group="Acme", group_domain="acme.example",
    topics={"pricing": TopicStat(views=3, engaged_ms=7, last_at=T0 - 5, weight=1.25), "": TopicStat()},
    events={"page": EventStat(count=40, last_at=T0), "engage": EventStat()},
    points={"page-view": Tally(points=1.5, as_of=T0 - 1, count=3, last_at=T0 - 2, day="2026-11-02", holds=True,
                               idle_from=T0 - 3), "other": Tally()},
    score=12.5, intent="high", audiences=("returning", "known"), alerted={"hot": T0 - 7, "never": 0},
    seen={"a": T0 - 9, "b": T0 - 3}, device="desktop", country="JP", company="acme.example",
    days=(739_800, 739_820, 739_922), stages={"lead": T0 - DAY, "mql": T0}, user="u1", mails=("m1", "m2"),
    linked="l1", apart=True,
    measured=Measured(exposed=(Exposed(experience="top", variant="a", first_at=T0, converted={"hot": T0}),),
                      reached={"hot": (T0 - 4, T0), "none": ()}),
    chapter=2, erased_at=T0 - 200 * DAY, entries=20, last_key="0b", settled_at=T0 + 5, recent_from=T0 - DAY,
    recent=7, recent_base=True, recent_events=(Raw(b'{"id":"e1"}'), Raw(b'{"id":"e2"}')),
    episode=Episode(id="ep", first_at=T0 - 1, last_at=T0), latest=ENTRIES, loose=5,
)  # fmt: skip

PROFILES = [
    ("a newcomer", NEW),
    ("everything", WHOLE),
    ("few pages", replace(WHOLE, pages=WHOLE.pages[:3])),
    ("no session now", replace(WHOLE, session=None)),
    ("direct visits", replace(WHOLE, session=replace(WHOLE.session, source=Source()))),
    ("one host", replace(WHOLE, pages=tuple(replace(one, url=f"//a.example{one.path}") for one in WHOLE.pages))),
    ("no days, nothing seen", replace(WHOLE, days=(), seen={}, last_key="0gone")),
    ("another event was the last one", replace(WHOLE, last_key="3other")),
    ("nobody known", replace(NEW, pages=WHOLE.pages)),
    ("a tombstone", Profile(id="v1", site="demo", first_at=T0, last_at=T0, erased_at=T0, chapter=3)),
]  # fmt: skip


def test_the_whole_profile_leaves_no_field_out() -> None:
    assert [name for name in Profile.__struct_fields__ if getattr(WHOLE, name) == getattr(NEW, name)] == [
        "id",
        "site",
        "last_at",
    ]


@pytest.mark.parametrize(("case", "profile"), PROFILES)
def test_a_profile_survives(case: str, profile: Profile) -> None:
    assert unpack_profile(pack_profile(profile)) == profile
    at = Position(epoch="r1", partition=3, offset=42)
    assert unpack(pack(at, profile)) == (at, profile)


def test_profiles_packed_with_the_first_dictionary_are_read() -> None:
    assert unpack_profile(packing.pack(msgspec.json.encode(WHOLE), 1)) == WHOLE
    assert pack_profile(WHOLE)[0] == packing.PROFILES != 1


def test_events_and_entries_survive() -> None:
    one = page("/pricing", title="料金")
    kept = [as_kept(one), as_kept(replace(one, id="e2", props={"a": [1.5, None]}))]
    found = as_happened(unpack_events(pack_events(kept)), one.site, one.visitor)
    assert found == (one, replace(one, id="e2", props={"a": [1.5, None]}))
    assert unpack_entries(pack_entries(ENTRIES)) == list(ENTRIES)


def test_what_was_stored_before_there_was_packing_is_read() -> None:
    record = (
        b'r1 0 7\n{"id":"v1","site":"demo","first_at":1793581200000,"last_at":1793581200001,"entries":13,'
        b'"pages":[["e1",1793581200000,"https://a.example/","/","Top","",0,0]]}'
    )
    position, profile = unpack(record)
    assert (position.offset, profile.page.path if profile.page else "", profile.entries) == (7, "/", 13)
    assert (profile.loose, profile.latest) == (13, ())
    event = page("/")
    assert as_happened(unpack_events(msgspec.json.encode(event)), event.site, event.visitor) == (event,)
    alone = packing.pack(msgspec.json.encode(replace(event, site="", visitor="")), packing.LINES)
    assert as_happened(unpack_events(alone), event.site, event.visitor) == (event,)
    assert unpack_entries(b'["e0","page-view",1,0.5,%d]' % T0) == [ENTRIES[0]]


@pytest.mark.parametrize(
    "stored",
    [b"", b"\x1f{}", b"\x01", b"\x01garbage", pack_profile(WHOLE)[:-1], pack_profile(NEW)[:-1], b"{"],
)
def test_what_is_damaged_or_from_a_later_release_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError):
        unpack_profile(stored)


def test_dictionaries_stay_as_they_were_released() -> None:
    folder = Path(packing.__file__).parent / "data"
    assert {
        path.stem: sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.zdict")
    } == DICTIONARIES
