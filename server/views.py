"""Profiles as the admin API shows them. Times are ISO 8601, UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from core.accounts import account_of
from core.attributes import stage_of
from core.explain import Leaf, explain
from core.identity import email_of, user_of
from core.interests import interests
from core.profiles import Entry, PageVisit, Profile, Session
from server.whole import Whole
from sites.model import SiteFile


def iso(at: int) -> str:
    """Epoch milliseconds as ISO 8601 with a Z."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def visitor_view(seen: Whole) -> dict[str, Any]:
    """One visitor, whole: the contract's shape and what else a person wants to see.

    Of a person with several visitors it is what they share; `own` is this visitor's part.
    """
    profile, ledger, company = seen.profile, seen.ledger, account_of(seen.profile)
    return {
        "id": profile.id,
        "site": profile.site,
        "lead": lead_name(seen),
        "lead_id": seen.around.lead or None,
        "visitors": seen.visitors,
        "account": (company.domain or company.name) if company else None,
        "stage": stage_of(profile),
        "stages": {stage: iso(at) for stage, at in profile.stages.items()},
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
        "interests": [{"topic": topic, "weight": weight} for topic, weight in interests(profile, seen.now)],
        "pages": [_page(page) for page in profile.pages],
        "active_days": seen.facts.get("active_days", {}),
        "device": profile.device,
        "country": profile.country or None,
        "own": own_view(seen.own),
    }


def own_view(profile: Profile) -> dict[str, Any]:
    """What one visitor adds to the person, as its own events left it."""
    return {
        "id": profile.closed_name if profile.chapter else profile.id,
        "session_count": profile.session_count,
        "page_count": profile.page_count,
        "engaged_ms": profile.engaged_ms,
        "score": _plain(profile.score),
        "first_at": iso(profile.first_at),
        "last_at": iso(profile.last_at),
        "device": profile.device,
        "traits": profile.traits,
    }


def lead_name(seen: Whole) -> str | None:
    """What a lead is called: the e-mail address, else the user id; None for a visitor nobody knows."""
    if not seen.around.lead:
        return None
    traits = seen.profile.traits
    return email_of(traits) or user_of(traits) or seen.around.lead


def audience_views(seen: Whole, file: SiteFile | None) -> list[dict[str, Any]]:
    """Every audience, whether the visitor is in it, and for each part of its condition what was found."""
    return [
        {
            "audience": name,
            "member": name in seen.profile.audiences,
            "why": [_leaf(leaf) for leaf in explain(condition, seen.facts)],
        }
        for name, condition in (file.audiences.items() if file else ())
    ]


def _leaf(leaf: Leaf) -> dict[str, Any]:
    return {
        "attribute": leaf.path,
        "operator": leaf.operator,
        "expected": leaf.expected,
        "found": leaf.found,
        "matched": leaf.matched != leaf.negated,
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
