"""What the visitor page shows of one visitor, worked out from the profile. Pure; nothing here is escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from alerts.labels import labels
from alerts.points import shown_score
from alerts.words import duration, is_japanese
from core.events import parse_time
from core.profiles import Session, TopicStat
from server.visitor_conditions import reasons
from server.visitor_score import gauge, ledger, parts
from server.visitor_seen import Seen
from server.visitor_slots import slot_view, slots_of
from server.visitor_words import came_from, name_of, texts

PAGES_SHOWN, SESSIONS_SHOWN, ALERTS_SHOWN = 12, 6, 10
_EMAIL = re.compile(r"[^\s@<>\"(),:;\\]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{4,30}")


def view(seen: Seen) -> dict[str, Any]:
    """The page's content, ready for its template. `parts` sum to `score` exactly as shown."""
    profile = seen.profile
    return {
        "who": who(seen),
        "standing": _standing(seen),
        "score": shown_score(profile.score),
        "intent": profile.intent,
        "gauge": gauge(seen),
        "visits": profile.session_count,
        "page_count": profile.page_count,
        "read": duration(profile.engaged_ms, seen.lang),
        "last": seen.at(profile.last_at),
        "first": seen.at(profile.first_at),
        "next": _next(seen),
        "parts": parts(seen),
        **ledger(seen),
        "topics": _topics(seen),
        "pages": _pages(seen),
        "sessions": _sessions(seen),
        "audiences": _audiences(seen),
        "slots": [slot_view(seen, slot) for slot in slots_of(seen.site)],
        "alerts": [_alert(seen, alert) for alert in seen.alerts[:ALERTS_SHOWN]],
    }


def who(seen: Seen) -> dict[str, str]:
    """Who it is. `heading` is a name, an address, or `Anonymous visitor` and a short id."""
    traits, words = seen.profile.traits, labels(seen.lang)
    order = ("lastName", "firstName") if is_japanese(seen.lang) else ("firstName", "lastName")
    name = _trait(traits, "name") or " ".join(filter(None, (_trait(traits, part) for part in order)))
    email, phone = _trait(traits, "email"), _trait(traits, "phone")
    anonymous = words["anonymous"].format(id=seen.profile.id[:8])
    return {
        "heading": words["name"].format(name=name) if name else email or anonymous,
        "name": name or email or anonymous,
        "title": _trait(traits, "title", "position", "jobTitle"),
        "company": _company(seen),
        "email": email,
        "mailto": f"mailto:{quote(email, safe='@')}" if _EMAIL.fullmatch(email) else "",
        "phone": phone,
        "tel": f"tel:{re.sub('[^+0-9]', '', phone)}" if _PHONE.fullmatch(phone) else "",
    }


def _standing(seen: Seen) -> list[str]:
    """How far the visitor has come, on how many browsers, and who else of the company is about."""
    words, stages = texts(seen.lang), seen.profile.stages
    stage = next((name for name in ("mql", "lead") if name in stages), None)
    said = [words["stages"][stage].format(when=seen.at(stages[stage])["text"])] if stage else []
    if seen.browsers > 1:
        said.append(words["browsers"].format(n=seen.browsers))
    people = (seen.facts.get("account") or {}).get("people", 0)
    if people > 1:
        said.append(words["colleagues"].format(n=people, company=_company(seen)))
    return said


def _trait(traits: Mapping[str, Any], *names: str) -> str:
    found = (traits.get(name) for name in names)
    return next((value.strip() for value in found if isinstance(value, str) and value.strip()), "")


def _company(seen: Seen) -> str:
    company = seen.profile.traits.get("company")
    if isinstance(company, Mapping):
        company = company.get("name")
    account = seen.facts.get("account") or {}
    known = (company, account.get("domain"), seen.profile.group)
    return next((one.strip() for one in known if isinstance(one, str) and one.strip()), "")


def _next(seen: Seen) -> dict[str, Any] | None:
    """The instruction of the rule behind the newest alert that has one."""
    said = {rule.id: rule.instruction for rule in seen.site.alerts if rule.instruction}
    latest = next((alert for alert in seen.alerts if alert["rule"] in said), None)
    if latest is None:
        return None
    return {"text": said[latest["rule"]], "why": latest["why"], "at": seen.at(parse_time(latest["at"]) or 0)}


def _topics(seen: Seen) -> list[dict[str, Any]]:
    ranked = sorted(seen.profile.topics.items(), key=lambda one: (-one[1].engaged_ms, -one[1].views, one[0]))
    most = max((stat.engaged_ms for _, stat in ranked), default=0)
    return [_topic(seen, name, stat, most) for name, stat in ranked if name]


def _topic(seen: Seen, name: str, stat: TopicStat, most: int) -> dict[str, Any]:
    return {
        "label": seen.topic(name),
        "views": stat.views,
        "time": duration(stat.engaged_ms, seen.lang),
        "share": _share(stat.engaged_ms, most),
    }


def _share(value: int, most: int) -> int:
    """Percent of the largest; a little is never so little that it cannot be seen."""
    return max(2, round(100 * value / most)) if value else 0


def _pages(seen: Seen) -> list[dict[str, Any]]:
    """By path, the latest first, each with its views and all the time read. Of the visits that are kept."""
    merged: dict[str, dict[str, Any]] = {}
    for visit in reversed(seen.profile.pages):
        page = merged.setdefault(visit.path, {"title": "", "path": visit.path, "views": 0, "ms": 0, "at": 0})
        page["title"] = page["title"] or visit.title
        page["views"] += 1
        page["ms"] += visit.engaged_ms
        page["at"] = max(page["at"], visit.at)
    most = max((page["ms"] for page in merged.values()), default=0)
    shown = sorted(merged.values(), key=lambda page: -page["at"])[:PAGES_SHOWN]
    return [
        {
            **page,
            "title": page["title"] or page["path"],
            "key": page["path"],
            "at": seen.at(page["at"]),
            "time": duration(page["ms"], seen.lang),
            "share": _share(page["ms"], most),
        }
        for page in shown
    ]


def _sessions(seen: Seen) -> list[dict[str, Any]]:
    profile = seen.profile
    newest = [one for one in (profile.session, *reversed(profile.sessions)) if one is not None]
    newest.sort(key=lambda session: -session.started_at)
    return [
        _session(seen, session, profile.session_count - index)
        for index, session in enumerate(newest[:SESSIONS_SHOWN])
    ]


def _session(seen: Seen, session: Session, number: int) -> dict[str, Any]:
    return {
        "number": max(1, number),
        "at": seen.at(session.started_at),
        "came": came_from(session, seen.lang),
        "landing": session.landing_path,
        "pages": session.page_count,
        "time": duration(session.engaged_ms, seen.lang),
    }


def _audiences(seen: Seen) -> dict[str, list[dict[str, Any]]]:
    """`members` and `others`, each with its reasons; without the site's file, memberships alone."""
    found: dict[str, list[dict[str, Any]]] = {"members": [], "others": []}
    for name in seen.site.audiences:
        condition = seen.file.audiences.get(name) if seen.file else None
        why = reasons(condition, seen.facts, seen.lang) if condition is not None else []
        row = {"id": name, "label": name_of(name, seen.lang), "why": why}
        found["members" if name in seen.profile.audiences else "others"].append(row)
    return found


def _alert(seen: Seen, alert: Mapping[str, Any]) -> dict[str, Any]:
    state = str(alert["state"])
    return {
        "id": alert["id"],
        "why": alert["why"] or name_of(alert["rule"], seen.lang),
        "state": state,
        "said": texts(seen.lang)["states"].get(state, state),
        "channel": alert["channel"],
        "error": alert.get("error") or "",
        "at": seen.at(parse_time(alert["at"]) or 0),
    }
