"""Alerts that come together in one Slack message: late ones, those of quiet hours, those beyond the budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from alerts.blocks import HEADER_LIMIT, SECTION_LIMIT, Block, context, header, joined, length, link, section
from alerts.details import who
from alerts.escape import mrkdwn, plain
from alerts.labels import labels
from alerts.links import VisitorUrl
from alerts.messages import envelope
from alerts.model import Alert
from alerts.points import shown_score
from alerts.times import clock, day, moment
from alerts.words import duration

Cause = Literal["late", "quiet", "budget"]
_WORDS: dict[Cause, str] = {"late": "digest", "quiet": "digest_quiet", "budget": "digest_budget"}
#: Visitors shown with a link and what they did; the others are named.
SHOWN = 10
#: All blocks together stay below this many characters: see `alerts.blocks.TOTAL_LIMIT`.
_ROOM = 9_000


def in_digest(alerts: Sequence[Alert]) -> list[list[Alert]]:
    """The alerts by visitor, in the order they are named: the urgent first, then by score."""
    people: dict[tuple[str, str], list[Alert]] = {}
    for alert in alerts:
        people.setdefault((alert.site, alert.visitor), []).append(alert)
    return sorted(people.values(), key=_rank)


def _rank(alerts: Sequence[Alert]) -> tuple[bool, float, int, str]:
    latest = max(alerts, key=lambda one: one.at)
    return (not any(one.urgent for one in alerts), -latest.score, -latest.at, latest.id)


def digest_message(
    alerts: Sequence[Alert], *, visitor_url: VisitorUrl, cause: Cause, stale_ms: int, duplicate: bool = False
) -> tuple[dict[str, Any], set[str]]:
    """One message for (some of) `alerts` of one channel, and the ids of those it names.

    What does not fit is for the next one. `stale_ms` is the age that makes an alert late. The language is that
    of the first alert's site.
    """
    locale = alerts[0].locale
    words = labels(locale)
    people = in_digest(alerts)
    today = max(alert.at for alert in alerts)
    lines = [_line(one, visitor_url, today) for one in people[:SHOWN]]
    linked = joined(lines, SECTION_LIMIT - 300).split("\n")
    rest = people[len(linked) :]
    room = _ROOM - length([section("\n".join(linked))])
    named = joined([_short(one) for one in rest], max(0, room)).split("\n") if rest else []
    named = [line for line in named if line]
    told = {one.id for person in people[: len(linked) + len(named)] for one in person}
    title = words[_WORDS[cause]].format(count=len(told))
    why = words[f"{_WORDS[cause]}_why"].format(age=duration(stale_ms, locale))
    blocks = [
        *([context(f":warning: {words['duplicate']}")] if duplicate else []),
        header(plain(title, HEADER_LIMIT)),
        section(joined([why, *linked])),
        *_sections([words["digest_also"], *named] if named else []),
    ]
    mark = words["duplicate_short"] if duplicate else ""
    text = f"{mark}{title}: {mrkdwn(who(people[0][-1]), 120)}"
    return envelope(text, blocks, {"id": people[0][-1].id, "count": len(told)}), told


def _sections(lines: list[str]) -> list[Block]:
    blocks = []
    while lines:
        text = joined(lines)
        blocks.append(section(text))
        lines = lines[text.count("\n") + 1 :]
    return blocks


def _line(alerts: Sequence[Alert], visitor_url: VisitorUrl, today: int) -> str:
    latest = max(alerts, key=lambda one: one.at)
    words = labels(latest.locale)
    name = link(visitor_url(latest.site, latest.visitor), mrkdwn(who(latest), 80))
    more = words["again"].format(count=len(alerts) - 1) if len(alerts) > 1 else ""
    zone, locale = latest.timezone, latest.locale
    same_day = day(latest.at, zone, locale) == day(today, zone, locale)
    when = clock(latest.at, zone) if same_day else moment(latest.at, zone, locale)
    return f"• {name} — {mrkdwn(latest.why, 90)}{more} · *{shown_score(latest.score)}* · {when}"


def _short(alerts: Sequence[Alert]) -> str:
    latest = max(alerts, key=lambda one: one.at)
    return f"• {mrkdwn(who(latest), 60)} — *{shown_score(latest.score)}*"
