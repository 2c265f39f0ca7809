"""The attributes that conditions read, made from a profile.

What is not known is left out: conditions treat a missing attribute as null. Counts are ints, `*_s` are
seconds, `days_since_*` whole days, `topics.<topic>` counts page views, `now.hour` is 0..23 and `now.weekday`
0 (Monday) to 6 (Sunday), both in the site's zone. `days_since_last` counts from the end of the last visit: during
a visit, from the end of the one before. `account.people` and `account.topics.<topic>` count the people of the
visitor's company in the last seven days.
"""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from core.accounts import account_of
from core.interests import top_interest
from core.profiles import Profile
from core.sessions import IDLE_MS, QUARTER_MS, day_number

_DAY_MS = 86_400_000

#: Makes the value of one attribute, None where there is none.
Make = Callable[[Profile, int, ZoneInfo], Any]

_NAMES = """
    session_count page_count days_since_first days_since_last score intent stage audiences top_topic
    active_days.last_7 active_days.last_30
    utm.source utm.medium utm.campaign referrer.class referrer.host device.type country
    page.url page.path page.title page.topic page.engaged_s
    session.page_count session.engaged_s session.landing_path now.hour now.weekday
    account.domain account.name account.people account.score account.intent
"""
#: Names that are there whatever the site tracks.
NAMES = frozenset(_NAMES.split())
#: Names that go on with whatever the site tracks: `traits.title`, `topics.pricing`, `events.download.count`.
OPEN = ("traits", "topics", "events")
_EVENT_FIELDS = ("count", "days_since")
_OBJECTS = frozenset(name.split(".")[0] for name in NAMES if "." in name) | frozenset(OPEN)


def attributes(
    profile: Profile,
    *,
    now: int,
    timezone: ZoneInfo,
    account: Mapping[str, Any] | None = None,
    only: frozenset[str] | None = None,
) -> dict[str, Any]:
    """The visitor's attributes at `now` (epoch ms): nested plain data that shares the profile's traits.

    `account` is what the people of the visitor's company do, where that was asked for: `account.people`, ….
    `only` are the first names of paths (`traits`, `page`) that will be read: nothing else is made.
    """
    found: dict[str, Any] = {}
    for name, make in _ALL if only is None else _made(only):
        value = make(profile, now, timezone)
        if value is not None:
            found[name] = value
    if account and "account" in found:
        found["account"] |= account
    return found


@lru_cache(maxsize=1024)
def _made(only: frozenset[str]) -> tuple[tuple[str, Make], ...]:
    """A site asks for the same ones each time."""
    return tuple((name, make) for name, make in _ALL if name in only)


def root_of(path: str) -> str:
    """The first name of a path."""
    return path.partition(".")[0]


def stage_of(profile: Profile) -> str:
    """How far the visitor has come: `visitor`, `lead` (identified) or `mql` (past marketing's threshold)."""
    stages = profile.stages
    return "mql" if "mql" in stages else "lead" if "lead" in stages else "visitor"


def _last_visit(profile: Profile, now: int) -> int:
    """When the last visit ended; for somebody on their first, when it began."""
    session = profile.session
    if session is None or now - session.last_at > IDLE_MS:
        return profile.last_at
    return profile.sessions[-1].last_at if profile.sessions else now


def _events(profile: Profile, now: int, _: ZoneInfo) -> dict[str, Any]:
    return {
        name: {"count": stat.count, "days_since": _days(stat.last_at, now)}
        for name, stat in profile.events.items()
    }


def _active_days(profile: Profile, now: int, timezone: ZoneInfo) -> dict[str, int]:
    today, days = day_number(now, timezone), profile.days
    return {f"last_{span}": bisect_right(days, today) - bisect_right(days, today - span) for span in (7, 30)}


def _account(profile: Profile, *_: object) -> dict[str, Any] | None:
    company = account_of(profile)
    if company is None:
        return None
    return {"name": company.name, "domain": company.domain} if company.domain else {"name": company.name}


def _top_topic(profile: Profile, now: int, _: ZoneInfo) -> str | None:
    return top_interest(profile, now)


def known(path: str) -> bool:
    """Whether a condition may read `path`: an attribute, or the object that holds some (`traits`, `page`)."""
    head, _, rest = path.partition(".")
    if path in NAMES or path in _OBJECTS:
        return True
    if head == "traits":
        return all(rest.split("."))
    if head == "topics":
        return bool(rest) and "." not in rest
    if head == "account" and rest.startswith("topics."):
        return "." not in rest.removeprefix("topics.") and rest != "topics."
    if head == "events":
        name, _, leaf = rest.partition(".")
        return bool(name) and (leaf in _EVENT_FIELDS or "." not in rest)
    return False


def suggest(path: str) -> str | None:
    """The known name nearest to an unknown one, None where nothing is near."""
    head, _, rest = path.partition(".")
    for near in _near(head, OPEN) if rest else ():
        if near == "events" and "." in rest:
            name, _, leaf = rest.rpartition(".")
            return next((f"events.{name}.{field}" for field in _near(leaf, _EVENT_FIELDS)), None)
        if known(f"{near}.{rest}"):
            return f"{near}.{rest}"
    return next(iter(_near(path, sorted(NAMES | _OBJECTS))), None)


def _near(word: str, words: tuple[str, ...] | list[str]) -> list[str]:
    return difflib.get_close_matches(word, words, n=1)


def _page(profile: Profile, *_: object) -> dict[str, Any] | None:
    page = profile.page
    if page is None:
        return None
    found = {"url": page.url, "path": page.path, "engaged_s": page.engaged_ms / 1000}
    if page.title:
        found["title"] = page.title
    if page.topic:
        found["topic"] = page.topic
    return found


def _session(profile: Profile, *_: object) -> dict[str, Any] | None:
    session = profile.session
    if session is None:
        return None
    found: dict[str, Any] = {"page_count": session.page_count, "engaged_s": session.engaged_ms / 1000}
    if session.landing_path:
        found["landing_path"] = session.landing_path
    return found


def _utm(profile: Profile, *_: object) -> dict[str, Any] | None:
    source = profile.session.source if profile.session else None
    if source is None or not (source.utm_source or source.utm_medium or source.utm_campaign):
        return None  # as nearly always
    return _said({"source": source.utm_source, "medium": source.utm_medium, "campaign": source.utm_campaign})


def _referrer(profile: Profile, *_: object) -> dict[str, Any] | None:
    source = profile.session.source if profile.session else None
    return _said({"class": source.referrer_class, "host": source.referrer_host}) if source else None


def _said(fields: Mapping[str, str]) -> dict[str, Any] | None:
    return {key: value for key, value in fields.items() if value} or None


def _clock(_: Profile, now: int, timezone: ZoneInfo) -> dict[str, Any]:
    hour, weekday = _hour_and_weekday(now // QUARTER_MS, timezone)
    return {"hour": hour, "weekday": weekday}


@lru_cache(maxsize=4096)
def _hour_and_weekday(quarter: int, timezone: ZoneInfo) -> tuple[int, int]:
    local = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, timezone)
    return local.hour, local.weekday()


def _days(since: int, now: int) -> int:
    return (now - since) // _DAY_MS if now > since else 0


#: The first name of each path, and what makes its value; None where there is none.
_MAKERS: dict[str, Make] = {
    "session_count": lambda profile, _now, _zone: profile.session_count,
    "page_count": lambda profile, _now, _zone: profile.page_count,
    "days_since_first": lambda profile, now, _zone: _days(profile.first_at, now),
    "days_since_last": lambda profile, now, _zone: _days(_last_visit(profile, now), now),
    "score": lambda profile, _now, _zone: profile.score,
    "intent": lambda profile, _now, _zone: profile.intent,
    "stage": lambda profile, _now, _zone: stage_of(profile),
    "audiences": lambda profile, _now, _zone: list(profile.audiences),
    "traits": lambda profile, _now, _zone: profile.traits,
    "topics": lambda profile, _now, _zone: {topic: stat.views for topic, stat in profile.topics.items()},
    "events": _events,
    "active_days": _active_days,
    "now": _clock,
    "top_topic": _top_topic,
    "country": lambda profile, _now, _zone: profile.country or None,
    "device": lambda profile, _now, _zone: {"type": profile.device} if profile.device else None,
    "page": _page,
    "session": _session,
    "utm": _utm,
    "referrer": _referrer,
    "account": _account,
}
_ALL = tuple(_MAKERS.items())
