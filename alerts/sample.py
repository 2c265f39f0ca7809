"""A sample alert of a rule, to see that it arrives and what it looks like. Pure."""

from __future__ import annotations

from typing import Any

from alerts.model import Alert, AlertRule, Part, PastVisit, SeenPage
from alerts.rules import alert_id
from alerts.words import became, happened, is_japanese, moved

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_EN: dict[str, Any] = {
    "traits": {"name": "Sample Person", "title": "Head of Operations", "email": "sample@example.com"},
    "company": "Example Inc.",
    "titles": ("Pricing", "Customers"),
    "topics": {"pricing": 3, "customers": 1},
}
_JA: dict[str, Any] = {
    "traits": {"name": "見本 太郎", "title": "業務部長", "email": "sample@example.com"},
    "company": "見本株式会社",
    "titles": ("料金", "導入事例"),
    "topics": {"料金": 3, "導入事例": 1},
}
_NUMBERS = {"score": 55, "account": {"people": 3}}


def sample(rule: AlertRule, *, site: str, site_name: str, locale: str, timezone: str, now: int) -> Alert:
    """An alert of `rule` about a person who does not exist, marked as a test. `now` is epoch milliseconds."""
    said = _JA if is_japanese(locale) else _EN
    audience = rule.enters or rule.leaves or ""
    why = moved(audience, locale, entered=rule.enters is not None) if audience else ""
    if rule.becomes is not None:
        why = became(rule.id, rule.reads, _NUMBERS, locale)
    return Alert(
        id=alert_id(site, rule.id, f"test:{now}"),
        site=site,
        site_name=site_name,
        rule=rule.id,
        visitor="sample",
        channel=rule.channel,
        at=now,
        event=f"test:{now}",
        cause=rule.on or "",
        audience=audience,
        traits=said["traits"],
        company=said["company"],
        score=55,
        intent="high",
        parts=(Part(rule="whitepaper", points=30), Part(rule="pricing", points=25, count=2)),
        pages=(
            SeenPage(path="/customers", title=said["titles"][1], engaged_ms=_MINUTE_MS, at=now),
            SeenPage(path="/pricing", title=said["titles"][0], engaged_ms=2 * _MINUTE_MS, at=now),
        ),
        topics=said["topics"],
        session_count=2,
        page_count=5,
        engaged_ms=4 * _MINUTE_MS,
        source={"referrer_class": "search"},
        visits=(PastVisit(at=now - 2 * _DAY_MS, page_count=3, engaged_ms=90_000),),
        locale=locale,
        timezone=timezone,
        instruction=rule.instruction,
        why=why or happened(rule.on or rule.id, {}, locale),
        owner=rule.owner,
        test=True,
    )
