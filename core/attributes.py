"""The attributes that conditions read, made from a profile.

What is not known is left out: conditions treat a missing attribute as null. Counts are ints, `*_s` are
seconds, `days_since_*` whole days, `topics.<topic>` counts page views, `now.hour` is 0..23 and `now.weekday`
0 (Monday) to 6 (Sunday), both in the site's zone. `days_since_last` counts from the end of the last visit: during
a visit, from the end of the one before. `account.people` and `account.topics.<topic>` count the people of the
visitor's company in the last seven days.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from core.accounts import account_of
from core.interests import interests
from core.profiles import PageVisit, Profile, Session, Source
from core.sessions import IDLE_MS, day_number

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
    profile: Profile, *, now: int, timezone: ZoneInfo, account: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The visitor's attributes at `now` (epoch ms): nested plain data that shares the profile's traits.

    `account` is what the people of the visitor's company do, where that was asked for: `account.people`, ….
    """
    local = datetime.fromtimestamp(now / 1000, timezone)
    found: dict[str, Any] = {
        "session_count": profile.session_count,
        "page_count": profile.page_count,
        "days_since_first": _days(profile.first_at, now),
        "days_since_last": _days(_last_visit(profile, now), now),
        "score": profile.score,
        "intent": profile.intent,
        "stage": stage_of(profile),
        "audiences": list(profile.audiences),
        "traits": profile.traits,
        "topics": {topic: stat.views for topic, stat in profile.topics.items()},
        "events": {
            name: {"count": stat.count, "days_since": _days(stat.last_at, now)}
            for name, stat in profile.events.items()
        },
        "active_days": _active_days(profile, now, timezone),
        "now": {"hour": local.hour, "weekday": local.weekday()},
    }
    if profile.topics:
        found["top_topic"] = interests(profile, now)[0][0]
    if profile.country:
        found["country"] = profile.country
    if profile.device:
        found["device"] = {"type": profile.device}
    if profile.page:
        found["page"] = _page(profile.page)
    if profile.session:
        found["session"] = _session(profile.session)
        found |= _source(profile.session.source)
    if company := account_of(profile):
        named = {"name": company.name} | ({"domain": company.domain} if company.domain else {})
        found["account"] = named | dict(account or {})
    return found


def stage_of(profile: Profile) -> str:
    """How far the visitor has come: `visitor`, `lead` (identified) or `mql` (past marketing's threshold)."""
    return next((stage for stage in ("mql", "lead") if stage in profile.stages), "visitor")


def _last_visit(profile: Profile, now: int) -> int:
    """When the last visit ended; for somebody on their first, when it began."""
    session = profile.session
    if session is None or now - session.last_at > IDLE_MS:
        return profile.last_at
    return profile.sessions[-1].last_at if profile.sessions else now


def _active_days(profile: Profile, now: int, timezone: ZoneInfo) -> dict[str, int]:
    today = day_number(now, timezone)
    return {f"last_{span}": sum(today - span < day <= today for day in profile.days) for span in (7, 30)}


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


def _page(page: PageVisit) -> dict[str, Any]:
    found = {"url": page.url, "path": page.path, "engaged_s": page.engaged_ms / 1000}
    optional = {"title": page.title, "topic": page.topic}
    return found | {name: value for name, value in optional.items() if value}


def _session(session: Session) -> dict[str, Any]:
    found: dict[str, Any] = {"page_count": session.page_count, "engaged_s": session.engaged_ms / 1000}
    return found | ({"landing_path": session.landing_path} if session.landing_path else {})


def _source(source: Source) -> dict[str, Any]:
    utm = {"source": source.utm_source, "medium": source.utm_medium, "campaign": source.utm_campaign}
    referrer = {"class": source.referrer_class, "host": source.referrer_host}
    objects = {"utm": utm, "referrer": referrer}
    kept = {name: {key: value for key, value in fields.items() if value} for name, fields in objects.items()}
    return {name: fields for name, fields in kept.items() if fields}


def _days(since: int, now: int) -> int:
    return max(0, now - since) // _DAY_MS
