"""Made-up visitors: one with a given past, and a mix as a website sees it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from core.events import DAY_MS, Event, EventType
from core.profiles import Profile
from sites.site import Site
from streams.effects import Command, effects
from streams.recent import fold

MINUTE_MS = 60_000
#: 2026-11-02 (a Monday) 10:00 in Tokyo.
NOW = 1_793_581_200_000
#: The id of the visitors of a mix, as long as a real one; whoever stores them puts another in its place.
STAND_IN = "visitor-visitor-visitor-visitor-"

_PATHS = ("", "product", "pricing", "cases/minato", "blog/closing-the-month", "support")
_KINDS = ("page", "engage", "whitepaper_download", "identify")
_TYPES: dict[str, EventType] = {"page": "page", "engage": "engage", "identify": "identify"}


def event(rng: random.Random, *, at: int, visitor: str = "v1", kind: str | None = None) -> Event:
    """One event of the usual mix: 60 % page views, 30 % reading, the rest downloads and sign-ups. It happens
    within the minute after `at`: round times would be stored in less than real ones.
    """
    at += rng.randrange(MINUTE_MS)
    name = kind or rng.choices(_KINDS, [60, 30, 5, 5])[0]
    return Event(
        id=uuid.UUID(int=rng.getrandbits(128)).hex,
        site="demo",
        visitor=visitor,
        type=_TYPES.get(name, "track"),
        name=name,
        at=at,
        received_at=at + rng.randrange(5),
        url=f"http://shop.example/{rng.choice(_PATHS)}",
        title="A page of the shop" if name == "page" else "",
        device="desktop",
        props=_props(name, rng, visitor),
    )


def _props(name: str, rng: random.Random, visitor: str) -> dict[str, object]:
    if name == "engage":
        return {"engaged_ms": rng.randrange(1_000, 40_000), "scroll": rng.randrange(100)}
    if name == "identify":
        return {"email": f"{visitor}@acme.example", "name": "鈴木 花子", "title": "Manager"}
    return {}


def with_past(events: int, site: Site, *, over_ms: int, visits: int = 0) -> Profile:
    """A visitor whose `events` lie evenly in the `over_ms` before NOW, or a minute apart in so many `visits`."""
    rng, together = random.Random(events), events // (visits or events)
    times = (
        NOW - over_ms + number // together * together * over_ms // events + number % together * MINUTE_MS
        for number in range(events)
    )
    profile: Profile | None = None
    for at in times:
        made = event(rng, at=at, kind=None if profile else "page")
        profile = fold(profile, made, made.received_at, site).outcome.profile
    assert profile is not None
    return profile


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """One visitor's state: the profile, and the commands that wrote everything beside it."""

    profile: Profile
    commands: tuple[Command, ...]


def _length(rng: random.Random) -> int:
    """Page views of a visitor: most see one to three, few see many."""
    few, some, many = (1, 3), (4, 12), (13, 60)
    return rng.randint(*rng.choices([few, some, many], [80, 16, 4])[0])


def mix(count: int, site: Site, *, seed: int = 1) -> Iterator[Visitor]:
    """Visitors as a website has them: 80 % with one to three page views, 16 % with up to 12, 4 % with up to 60,
    eight events a visit, visits a week apart; every other page is read; few download or sign up.
    """
    rng = random.Random(seed)
    for _ in range(count):
        yield _visitor(rng, site)


def _visitor(rng: random.Random, site: Site) -> Visitor:
    profile: Profile | None = None
    commands: list[Command] = []
    at = NOW - 60 * DAY_MS - rng.randrange(30 * DAY_MS)
    for number, kind in enumerate(_kinds(rng)):
        at += 7 * DAY_MS if number % 8 == 7 else MINUTE_MS
        made = event(rng, at=at, visitor=STAND_IN, kind=kind)
        before = profile
        folded = fold(profile, made, made.received_at, site)
        profile = folded.outcome.profile
        commands += effects(made, before, folded, site=site)
    assert profile is not None  # everybody sees a page
    return Visitor(profile=profile, commands=tuple(commands))


def _kinds(rng: random.Random) -> list[str]:
    kinds = [kind for _ in range(_length(rng)) for kind in ("page", *["engage"] * (rng.random() < 0.5))]
    rare = {"whitepaper_download": 0.04, "identify": 0.02}
    return kinds + [kind for kind, share in rare.items() if rng.random() < share]
