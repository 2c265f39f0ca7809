"""Which alert rules an event fires, and the alerts they make. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from msgspec.structs import replace

from alerts import facts
from alerts.episodes import continued, joined
from alerts.facts import FADED, score_parts
from alerts.model import Alert, AlertRule, Place, Route
from alerts.words import became, duration, happened, moved, on_page
from core.bucketing import bucket
from core.events import DAY_MS, Event
from core.profiles import Profile

__all__ = ["FADED", "alert_id", "fire", "score_parts"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A visitor around one event: see `fire`."""

    before: Profile | None
    after: Profile
    event: Event
    attributes: Mapping[str, Any]
    earlier: Callable[[], Mapping[str, Any]]

    @property
    def was(self) -> tuple[str, ...]:
        """The audiences without the event."""
        return tuple(self.before.audiences) if self.before else ()


def fire(
    rules: Sequence[AlertRule],
    *,
    before: Profile | None,
    after: Profile,
    event: Event,
    attributes: Mapping[str, Any],
    earlier: Callable[[], Mapping[str, Any]],
    place: Place,
    scored_at: int | None = None,
) -> tuple[list[Alert], dict[str, int]]:
    """The alerts `event` fires and the new `Profile.alerted`. The new `Profile.episode` is
    `alerts.episodes.continued(after.episode, alerts)`.

    `alerted` holds rule id -> epoch ms of its last firing, and `<rule id>~` -> that of the last firing whose
    cooldown has withheld another: one withheld firing of each cooldown is reported, not every one.
    `before` is the visitor's profile without `event` (None: a new visitor), `after` the one with it; `attributes`
    are those after it, `earlier()` those without it, at the same moment. The score is as of `scored_at` (epoch ms;
    None: `event.at`).
    """
    changed = Change(before=before, after=after, event=event, attributes=attributes, earlier=earlier)
    alerted, firings = _firings(rules, changed)
    if not firings:
        return [], alerted
    about = _about(changed, place, event.at if scored_at is None else scored_at)
    alerts = [_alert(about, rule, withheld, changed) for rule, withheld in firings]
    return _in_episodes(alerts, [rule for rule, _ in firings], after), alerted


def alert_id(site: str, rule: str, event: str) -> str:
    """20 hex digits; the same for the same firing, however often the event is replayed."""
    return blake2b(f"{site}\x00{rule}\x00{event}".encode(), digest_size=32).hexdigest()[:20]


def withheld_from(rule: AlertRule, visitor: str) -> bool:
    """Whether `rule`'s holdout withholds its alerts about this visitor. Anyone can recompute it."""
    return rule.holdout > 0 and not rule.urgent and bucket(f"alert:{rule.id}", visitor) < rule.holdout


def _firings(
    rules: Sequence[AlertRule], changed: Change
) -> tuple[dict[str, int], list[tuple[AlertRule, str]]]:
    """The new `alerted`, and the rules that fire, each with why nobody is told."""
    after, event = changed.after, changed.event
    alerted, firings = dict(after.alerted), []
    for rule in rules:
        if not _fires(rule, changed):
            continue
        asked = bool(facts.enquiry(event))
        if _cooling(rule, alerted, event) and not asked:
            if alerted.get(f"{rule.id}~") != alerted[rule.id]:
                alerted[f"{rule.id}~"] = alerted[rule.id]
                firings.append((rule, "cooldown"))
            continue
        alerted[rule.id] = max(event.at, alerted.get(rule.id, event.at))
        firings.append((rule, "holdout" if withheld_from(rule, after.id) and not asked else ""))
    return alerted, firings


def _fires(rule: AlertRule, changed: Change) -> bool:
    causes = []
    if rule.on is not None:
        causes.append(changed.event.name == rule.on)
    if rule.enters is not None:
        causes.append(rule.enters in changed.after.audiences and rule.enters not in changed.was)
    if rule.leaves is not None:
        causes.append(rule.leaves in changed.was and rule.leaves not in changed.after.audiences)
    if rule.becomes is not None:
        causes.append(rule.becomes(changed.attributes) and not rule.becomes(changed.earlier()))
    return bool(causes) and all(causes) and (rule.when is None or rule.when(changed.attributes))


def _cooling(rule: AlertRule, alerted: Mapping[str, int], event: Event) -> bool:
    last = alerted.get(rule.id)
    if last is None or not rule.cooldown_ms:
        return False
    # A late event can be older than the last firing: it is as close to it as one that came after.
    if abs(event.at - last) < rule.cooldown_ms:
        return True
    # Received before what is past already: the server's clock was set back, and no time is known to have gone
    # by. More than a day of that is a clock that had been wrong before.
    return 0 < last - event.received_at < DAY_MS


def _about(changed: Change, place: Place, at: int) -> Alert:
    """What every alert about the event says, whatever its rule; the score's parts as of `at` (epoch ms)."""
    after, event = changed.after, changed.event
    parts = facts.score_parts(after, at=at, half_life_ms=place.half_life_ms)
    return Alert(
        id="",
        site=place.site,
        site_name=place.name,
        rule="",
        visitor=after.id,
        channel="",
        at=event.at,
        event=event.id,
        cause=event.name,
        props=dict(event.props),
        traits=dict(after.traits),
        company=facts.company(after, changed.attributes),
        score=after.score,
        intent=after.intent,
        parts=facts.labelled(parts, place.rule_labels),
        pages=facts.seen_pages(after.pages),
        topics=facts.interests(after, place.topic_labels),
        session_count=after.session_count,
        page_count=after.page_count,
        engaged_ms=after.engaged_ms,
        source=facts.source(after.session),
        visits=facts.past_visits(after),
        locale=place.locale,
        timezone=place.timezone,
        enquiry=facts.enquiry(event),
    )


def _alert(about: Alert, rule: AlertRule, withheld: str, changed: Change) -> Alert:
    """The facts `about` the visitor as an alert of `rule`."""
    route = _route(rule, changed.attributes)
    return replace(
        about,
        id=alert_id(about.site, rule.id, about.event),
        rule=rule.id,
        channel=route.channel,
        owner=route.owner,
        audience=rule.enters or rule.leaves or "",
        instruction=rule.instruction,
        why=_why(rule, changed, about.locale),
        urgent=rule.urgent or bool(about.enquiry),
        withheld=withheld,
        quiet=rule.quiet,
        escalate=rule.escalate,
    )


def _route(rule: AlertRule, attributes: Mapping[str, Any]) -> Route:
    default = Route(channel=rule.channel, owner=rule.owner)
    return next((one for one in rule.routes if one.when is None or one.when(attributes)), default)


def _in_episodes(alerts: list[Alert], rules: Sequence[AlertRule], after: Profile) -> list[Alert]:
    """The alerts with their episode. One that nobody is told of neither begins nor lengthens one."""
    known, placed = after.episode, []
    for alert, rule in zip(alerts, rules, strict=True):
        joins = joined(
            known, visitor=after.id, alert_id=alert.id, at=alert.at, silence_ms=max(1, rule.episode_ms)
        )
        first = known is None or known.id != joins.id
        placed.append(replace(alert, episode=joins.id, first=first))
        known = continued(known, placed[-1:])
    return placed


def _why(rule: AlertRule, changed: Change, locale: str) -> str:
    if rule.enters or rule.leaves:
        return moved(rule.enters or rule.leaves or "", locale, entered=rule.enters is not None)
    if rule.becomes is not None:
        return became(rule.id, rule.reads, changed.attributes, locale)
    return _did(changed.event, changed.after, locale)


def _did(event: Event, after: Profile, locale: str) -> str:
    if event.type == "page":
        return on_page(event.title, after.page.path if after.page else event.url, locale)
    if event.type == "engage" and after.page is not None:
        page = after.page
        return on_page(page.title, page.path, locale, engaged=duration(page.engaged_ms, locale))
    return happened(event.name, event.props, locale)
