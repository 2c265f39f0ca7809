"""Which alert rules an event fires, and the alerts they make. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import msgspec

from alerts.model import Alert, AlertRule, Part, SeenPage
from alerts.words import duration, happened, humanise, moved, on_page
from core.events import Event
from core.fading import faded
from core.profiles import PageVisit, Profile

#: Pages and topics kept in an alert: what a salesperson reads, not the whole history.
MAX_PAGES = 20
MAX_TOPICS = 10
#: The addend that stands for points lost to the half-life when its length is not known here.
FADED = "faded"
#: Scores are rounded to this many decimals, so a difference below it is noise of the addition.
_NOISE = 1e-5


def fire(
    rules: Sequence[AlertRule],
    *,
    before: Profile | None,
    after: Profile,
    event: Event,
    attributes: Mapping[str, Any],
    site: str,
    site_name: str,
    locale: str,
    timezone: str,
    half_life_ms: int | None = None,
    scored_at: int | None = None,
    rule_labels: Mapping[str, str] = MappingProxyType({}),
    topic_labels: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[Alert], dict[str, int]]:
    """The alerts `event` fires and the new `Profile.alerted` (rule id -> epoch ms of its last firing).

    `before` is the visitor's profile without `event` (None: a new visitor), `after` the one with it.
    `timezone` is an IANA name. With the scoring's `half_life_ms`, each part of the score is faded to
    `scored_at` (epoch ms; None: `event.at`); without it, what has faded shows as one addend of its own.
    `rule_labels` and `topic_labels` name scoring rules and topics for people, where the site does.
    """
    alerted = dict(after.alerted)
    alerts = []
    for rule in rules:
        if not _fires(rule, before, after, event, attributes) or _cooling(rule, alerted, event.at):
            continue
        alerted[rule.id] = max(event.at, alerted.get(rule.id, event.at))
        summed = score_parts(
            after, at=event.at if scored_at is None else scored_at, half_life_ms=half_life_ms
        )
        parts = tuple(msgspec.structs.replace(part, label=rule_labels.get(part.rule, "")) for part in summed)
        alerts.append(
            _alert(
                rule,
                after=after,
                event=event,
                attributes=attributes,
                site=site,
                site_name=site_name,
                locale=locale,
                timezone=timezone,
                parts=parts,
                topics=_topics(after, topic_labels),
            )
        )
    return alerts, alerted


def alert_id(site: str, rule: str, event: str) -> str:
    """20 hex digits; the same for the same firing, however often the event is replayed."""
    return blake2b(f"{site}\x00{rule}\x00{event}".encode(), digest_size=32).hexdigest()[:20]


def _fires(
    rule: AlertRule, before: Profile | None, after: Profile, event: Event, attributes: Mapping[str, Any]
) -> bool:
    was = frozenset(before.audiences) if before else frozenset()
    now = frozenset(after.audiences)
    causes = []
    if rule.on is not None:
        causes.append(event.name == rule.on)
    if rule.enters is not None:
        causes.append(rule.enters in now - was)
    if rule.leaves is not None:
        causes.append(rule.leaves in was - now)
    return bool(causes) and all(causes) and (rule.when is None or rule.when(attributes))


def _cooling(rule: AlertRule, alerted: Mapping[str, int], at: int) -> bool:
    last = alerted.get(rule.id)
    # A late event can be older than the last firing: it is as close to it as one that came after.
    return last is not None and abs(at - last) < rule.cooldown_ms


def _alert(
    rule: AlertRule,
    *,
    after: Profile,
    event: Event,
    attributes: Mapping[str, Any],
    site: str,
    site_name: str,
    locale: str,
    timezone: str,
    parts: tuple[Part, ...],
    topics: dict[str, int],
) -> Alert:
    return Alert(
        id=alert_id(site, rule.id, event.id),
        site=site,
        site_name=site_name,
        rule=rule.id,
        visitor=after.id,
        channel=rule.channel,
        at=event.at,
        event=event.id,
        cause=event.name,
        props=dict(event.props),
        audience=rule.enters or rule.leaves or "",
        traits=dict(after.traits),
        company=_company(after, attributes),
        score=after.score,
        intent=after.intent,
        parts=parts,
        pages=seen_pages(after.pages),
        topics=topics,
        session_count=after.session_count,
        page_count=after.page_count,
        engaged_ms=after.engaged_ms,
        source=_source(after),
        locale=locale,
        timezone=timezone,
        instruction=rule.instruction,
        why=_why(rule, after, event, locale),
    )


def score_parts(after: Profile, *, at: int, half_life_ms: int | None) -> tuple[Part, ...]:
    """The addends of `after.score`, largest first. They sum to it exactly; an addend of zero is left out."""
    parts = [
        Part(rule=rule, points=faded(tally.points, at - tally.as_of, half_life_ms), count=tally.count)
        for rule, tally in after.points.items()
    ]
    return tuple(_summing(sorted(filter(_counts, parts), key=lambda p: (-p.points, p.rule)), after.score))


def _counts(part: Part) -> bool:
    return abs(part.points) > _NOISE


def _summing(parts: list[Part], score: float) -> list[Part]:
    gap = score - math.fsum(part.points for part in parts)
    if abs(gap) > _NOISE * max(1, len(parts)):
        return [*parts, Part(rule=FADED, points=gap, count=0)]
    if gap and parts:
        rest = math.fsum(part.points for part in parts[1:])
        return [msgspec.structs.replace(parts[0], points=score - rest), *parts[1:]]
    return parts


def seen_pages(visits: Iterable[PageVisit]) -> tuple[SeenPage, ...]:
    """The pages by path, the latest last, each with all the time the visitor was engaged with it."""
    merged: dict[str, SeenPage] = {}
    for visit in visits:
        earlier = merged.pop(visit.path, None)
        merged[visit.path] = SeenPage(
            path=visit.path,
            title=visit.title or (earlier.title if earlier else ""),
            topic=visit.topic or (earlier.topic if earlier else ""),
            engaged_ms=visit.engaged_ms + (earlier.engaged_ms if earlier else 0),
            at=visit.at,
        )
    return tuple(merged.values())[-MAX_PAGES:]


def _topics(after: Profile, names: Mapping[str, str]) -> dict[str, int]:
    ranked = sorted(after.topics.items(), key=lambda kv: (-kv[1].views, -kv[1].engaged_ms, kv[0]))
    return {names.get(topic) or humanise(topic): stat.views for topic, stat in ranked[:MAX_TOPICS] if topic}


def _source(after: Profile) -> dict[str, str]:
    if after.session is None:
        return {}
    source: dict[str, str] = msgspec.to_builtins(after.session.source)
    source["referrer_class"] = after.session.source.referrer_class
    source["landing_path"] = after.session.landing_path
    return {name: value for name, value in source.items() if value}


def _company(after: Profile, attributes: Mapping[str, Any]) -> str:
    company = after.traits.get("company")
    if isinstance(company, Mapping):
        company = company.get("name")
    account = attributes.get("account")
    domain = account.get("domain") if isinstance(account, Mapping) else None
    for candidate in (company, domain, after.group):
        if isinstance(candidate, str) and candidate.strip():
            return candidate.strip()
    return ""


def _why(rule: AlertRule, after: Profile, event: Event, locale: str) -> str:
    if rule.enters or rule.leaves:
        return moved(rule.enters or rule.leaves or "", locale, entered=rule.enters is not None)
    if event.type == "page":
        return on_page(event.title, after.page.path if after.page else event.url, locale)
    if event.type == "engage" and after.page is not None:
        page = after.page
        return on_page(page.title, page.path, locale, engaged=duration(page.engaged_ms, locale))
    return happened(event.name, event.props, locale)
