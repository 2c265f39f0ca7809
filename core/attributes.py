"""The attributes that conditions read, made from a profile.

What is not known is left out: conditions treat a missing attribute as null. Counts are ints, `*_s` are
seconds, `days_since_*` whole days, `topics.<topic>` counts page views, `now.hour` is 0..23 and `now.weekday`
0 (Monday) to 6 (Sunday), both in the site's zone. `days_since_last` counts from the end of the last visit: during
a visit, from the end of the one before. `account.people` and `account.topics.<topic>` count the people of the
visitor's company in the last seven days.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from core.accounts import account_of
from core.interests import interests
from core.profiles import Profile, Source
from core.sessions import IDLE_MS, QUARTER_MS, day_number

_DAY_MS = 86_400_000

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
    only: Collection[str] | None = None,
) -> dict[str, Any]:
    """The visitor's attributes at `now` (epoch ms): nested plain data that shares the profile's traits.

    `account` is what the people of the visitor's company do, where that was asked for: `account.people`, ….
    `only` are the first names of paths (`traits`, `page`) that will be read: nothing else is made.
    """
    seen, found = _Seen(profile, now, timezone, account or {}), {}
    for name, make in _MAKERS.items():
        if only is None or name in only:
            value = make(seen)
            if value is not None:
                found[name] = value
    return found


def root_of(path: str) -> str:
    """The first name of a path."""
    return path.partition(".")[0]


class _Seen(NamedTuple):
    """Whose attributes, as of when, on which clock, with what the company's people do."""

    profile: Profile
    now: int
    timezone: ZoneInfo
    account: Mapping[str, Any]


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


def _events(seen: _Seen) -> dict[str, Any]:
    now = seen.now
    return {
        name: {"count": stat.count, "days_since": _days(stat.last_at, now)}
        for name, stat in seen.profile.events.items()
    }


def _active_days(seen: _Seen) -> dict[str, int]:
    today, days = day_number(seen.now, seen.timezone), seen.profile.days
    return {f"last_{span}": sum(today - span < day <= today for day in days) for span in (7, 30)}


def _account(seen: _Seen) -> dict[str, Any] | None:
    company = account_of(seen.profile)
    if company is None:
        return None
    named = {"name": company.name} | ({"domain": company.domain} if company.domain else {})
    return named | dict(seen.account)


def _top_topic(seen: _Seen) -> str | None:
    found = interests(seen.profile, seen.now)
    return found[0][0] if found else None


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


def _page(seen: _Seen) -> dict[str, Any] | None:
    page = seen.profile.page
    if page is None:
        return None
    found = {"url": page.url, "path": page.path, "engaged_s": page.engaged_ms / 1000}
    if page.title:
        found["title"] = page.title
    if page.topic:
        found["topic"] = page.topic
    return found


def _session(seen: _Seen) -> dict[str, Any] | None:
    session = seen.profile.session
    if session is None:
        return None
    found: dict[str, Any] = {"page_count": session.page_count, "engaged_s": session.engaged_ms / 1000}
    if session.landing_path:
        found["landing_path"] = session.landing_path
    return found


def _utm(seen: _Seen) -> dict[str, Any] | None:
    source = seen.profile.session.source if seen.profile.session else Source()
    return _said({"source": source.utm_source, "medium": source.utm_medium, "campaign": source.utm_campaign})


def _referrer(seen: _Seen) -> dict[str, Any] | None:
    session = seen.profile.session
    source = session.source if session else None
    return _said({"class": source.referrer_class, "host": source.referrer_host}) if source else None


def _said(fields: Mapping[str, str]) -> dict[str, Any] | None:
    return {key: value for key, value in fields.items() if value} or None


def _clock(seen: _Seen) -> dict[str, Any]:
    hour, weekday = _hour_and_weekday(seen.now // QUARTER_MS, seen.timezone)
    return {"hour": hour, "weekday": weekday}


@lru_cache(maxsize=4096)
def _hour_and_weekday(quarter: int, timezone: ZoneInfo) -> tuple[int, int]:
    local = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, timezone)
    return local.hour, local.weekday()


def _days(since: int, now: int) -> int:
    return max(0, now - since) // _DAY_MS


#: The first name of each path, and what makes its value; None where there is none.
_MAKERS: dict[str, Callable[[_Seen], Any]] = {
    "session_count": lambda seen: seen.profile.session_count,
    "page_count": lambda seen: seen.profile.page_count,
    "days_since_first": lambda seen: _days(seen.profile.first_at, seen.now),
    "days_since_last": lambda seen: _days(_last_visit(seen.profile, seen.now), seen.now),
    "score": lambda seen: seen.profile.score,
    "intent": lambda seen: seen.profile.intent,
    "stage": lambda seen: stage_of(seen.profile),
    "audiences": lambda seen: list(seen.profile.audiences),
    "traits": lambda seen: seen.profile.traits,
    "topics": lambda seen: {topic: stat.views for topic, stat in seen.profile.topics.items()},
    "events": _events,
    "active_days": _active_days,
    "now": _clock,
    "top_topic": _top_topic,
    "country": lambda seen: seen.profile.country or None,
    "device": lambda seen: {"type": seen.profile.device} if seen.profile.device else None,
    "page": _page,
    "session": _session,
    "utm": _utm,
    "referrer": _referrer,
    "account": _account,
}
