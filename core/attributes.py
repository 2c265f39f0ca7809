"""The attributes that conditions read, made from a profile.

What is not known is left out: conditions treat a missing attribute as null. Counts are ints, `*_s` are
seconds, `days_since_*` whole days, `topics.<topic>` counts page views, `now.hour` is 0..23 and `now.weekday`
0 (Monday) to 6 (Sunday), both in the site's zone.
"""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from core.profiles import PageVisit, Profile, Session, Source

_DAY_MS = 86_400_000

_NAMES = """
    session_count page_count days_since_first days_since_last score intent audiences
    utm.source utm.medium utm.campaign referrer.class referrer.host device.type country
    page.url page.path page.title page.topic page.engaged_s
    session.page_count session.engaged_s session.landing_path account.domain now.hour now.weekday
"""
#: Names that are there whatever the site tracks.
NAMES = frozenset(_NAMES.split())
#: Names that go on with whatever the site tracks: `traits.title`, `topics.pricing`, `events.download.count`.
OPEN = ("traits", "topics", "events")
_EVENT_FIELDS = ("count", "days_since")
_OBJECTS = frozenset(name.split(".")[0] for name in NAMES if "." in name) | frozenset(OPEN)

_FREE_MAIL = """
    gmail.com googlemail.com outlook.com outlook.jp hotmail.com hotmail.co.jp live.com live.jp msn.com
    yahoo.com yahoo.co.jp ymail.com ymail.ne.jp ybb.ne.jp icloud.com me.com mac.com aol.com aol.jp
    proton.me protonmail.com pm.me gmx.com gmx.net gmx.de web.de mail.com zoho.com fastmail.com tutanota.com
    yandex.ru yandex.com mail.ru qq.com 163.com 126.com foxmail.com naver.com daum.net hanmail.net
    docomo.ne.jp ezweb.ne.jp au.com softbank.ne.jp i.softbank.jp vodafone.ne.jp ymobile.ne.jp y-mobile.ne.jp
    willcom.com uqmobile.jp rakuten.jp goo.jp mail.goo.ne.jp excite.co.jp infoseek.jp nifty.com nifty.ne.jp
    biglobe.ne.jp ocn.ne.jp so-net.ne.jp plala.or.jp dion.ne.jp auone-net.jp jcom.home.ne.jp jcom.zaq.ne.jp
    hi-ho.ne.jp asahi-net.or.jp eonet.ne.jp commufa.jp odn.ne.jp dti.ne.jp wakwak.com
"""
#: Mail hosts anybody can have an address at: they say nothing about the visitor's company.
FREE_MAIL = frozenset(_FREE_MAIL.split())


def attributes(profile: Profile, *, now: int, timezone: ZoneInfo) -> dict[str, Any]:
    """The visitor's attributes at `now` (epoch ms): nested plain data that shares the profile's traits."""
    local = datetime.fromtimestamp(now / 1000, timezone)
    found: dict[str, Any] = {
        "session_count": profile.session_count,
        "page_count": profile.page_count,
        "days_since_first": _days(profile.first_at, now),
        "days_since_last": _days(profile.last_at, now),
        "score": profile.score,
        "intent": profile.intent,
        "audiences": list(profile.audiences),
        "traits": profile.traits,
        "topics": {topic: stat.views for topic, stat in profile.topics.items()},
        "events": {
            name: {"count": stat.count, "days_since": _days(stat.last_at, now)}
            for name, stat in profile.events.items()
        },
        "now": {"hour": local.hour, "weekday": local.weekday()},
    }
    if profile.device:
        found["device"] = {"type": profile.device}
    if profile.page:
        found["page"] = _page(profile.page)
    if profile.session:
        found["session"] = _session(profile.session)
        found |= _source(profile.session.source)
    if domain := company_domain(profile.traits.get("email")):
        found["account"] = {"domain": domain}
    return found


def company_domain(email: object) -> str | None:
    """The domain of a work address, lower case; None for a free-mail address or no address."""
    if not isinstance(email, str):
        return None
    name, _, domain = email.strip().lower().rpartition("@")
    usable = bool(name) and "." in domain and domain not in FREE_MAIL
    return domain if usable else None


def known(path: str) -> bool:
    """Whether a condition may read `path`: an attribute, or the object that holds some (`traits`, `page`)."""
    head, _, rest = path.partition(".")
    if path in NAMES or path in _OBJECTS:
        return True
    if head == "traits":
        return all(rest.split("."))
    if head == "topics":
        return bool(rest) and "." not in rest
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
