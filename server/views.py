"""Profiles as the admin API shows them. Times are ISO 8601, UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from core.profiles import Entry, PageVisit, Profile, Session


def iso(at: int) -> str:
    """Epoch milliseconds as ISO 8601 with a Z."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def visitor_view(profile: Profile, ledger: Sequence[Entry]) -> dict[str, Any]:
    """One visitor, whole: the contract's shape and what else a person wants to see."""
    email = profile.traits.get("email")
    return {
        "id": profile.id,
        "site": profile.site,
        "lead": email if isinstance(email, str) else None,
        "account": profile.group or None,
        "score": _plain(profile.score),
        "intent": profile.intent,
        "session_count": profile.session_count,
        "page_count": profile.page_count,
        "engaged_ms": profile.engaged_ms,
        "first_at": iso(profile.first_at),
        "last_at": iso(profile.last_at),
        "audiences": list(profile.audiences),
        "ledger": [_entry(entry) for entry in ledger],
        "topics": {
            name: {"views": t.views, "engaged_ms": t.engaged_ms} for name, t in profile.topics.items()
        },
        "events": {name: {"count": e.count, "last_at": iso(e.last_at)} for name, e in profile.events.items()},
        "sessions": [_session(s) for s in (*profile.sessions, profile.session) if s is not None],
        "traits": profile.traits,
        "pages": [_page(page) for page in profile.pages],
        "device": profile.device,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "event": entry.event,
        "rule": entry.rule,
        "rule_version": entry.rule_version,
        "points": _plain(entry.points),
        "at": iso(entry.at),
    }


def _session(session: Session) -> dict[str, Any]:
    source = session.source
    return {
        "started_at": iso(session.started_at),
        "last_at": iso(session.last_at),
        "page_count": session.page_count,
        "engaged_ms": session.engaged_ms,
        "landing_path": session.landing_path,
        "utm": {"source": source.utm_source, "medium": source.utm_medium, "campaign": source.utm_campaign},
        "referrer": {"host": source.referrer_host, "class": source.referrer_class},
    }


def _page(page: PageVisit) -> dict[str, Any]:
    return {
        "path": page.path,
        "title": page.title,
        "topic": page.topic,
        "engaged_ms": page.engaged_ms,
        "scroll": page.scroll,
        "at": iso(page.at),
    }


def _plain(number: float) -> float | int:
    return int(number) if float(number).is_integer() else number
