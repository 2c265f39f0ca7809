"""An alert as a Slack message, in the site's language. Pure.

A salesperson reads the first lines in three seconds: who, what just happened, how hot, what to do. The rest
is there for the call itself. Everything a visitor supplied goes through `alerts.escape`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from alerts.blocks import HEADER_LIMIT, Block, context, fields, header, joined, link, section
from alerts.escape import mrkdwn, plain
from alerts.labels import labels
from alerts.links import VisitorUrl
from alerts.model import Alert, SeenPage
from alerts.points import Shown, number, shown_parts, shown_score
from alerts.rules import FADED
from alerts.words import duration, humanise, is_japanese

SHOWN_PAGES = 6
#: The last moment shown as itself (9999-12-30, epoch ms): a calendar has an end.
LAST_MS = 253_402_214_400_000
_NAME, _LINE, _INSTRUCTION = 80, 200, 1500


def slack_message(alert: Alert, *, visitor_url: VisitorUrl, duplicate: bool = False) -> dict[str, Any]:
    """The arguments of `chat.postMessage` but the channel: `text`, `blocks`, `unfurl_*`, `metadata`.

    `visitor_url` gives the address of a visitor's page. `duplicate` marks one whose earlier copy may have arrived.
    """
    words = labels(alert.locale)
    blocks = [
        *([context(f":warning: {words['duplicate']}")] if duplicate else []),
        header(plain(who(alert), HEADER_LIMIT)),
        section(_summary(alert, words)),
        *_details(alert, words),
        *_pages(alert, words),
        context(_footer(alert, words, visitor_url)),
    ]
    return envelope(fallback(alert, duplicate=duplicate), blocks, {"id": alert.id})


def envelope(text: str, blocks: list[Block], payload: Mapping[str, Any]) -> dict[str, Any]:
    """A message with everything in it that keeps links from unfolding into previews."""
    return {
        "text": text,
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {"event_type": "kizashi_alert", "event_payload": dict(payload)},
    }


def who(alert: Alert) -> str:
    """The person and company, or `Anonymous visitor` and a short id. Not escaped."""
    words = labels(alert.locale)
    name = _cut(_name(alert.traits, alert.locale) or _trait(alert.traits, "email"), _NAME)
    person = words["name"].format(name=name) if name and "@" not in name else name
    if not person:
        person = words["anonymous"].format(id=alert.visitor[:8])
    company = _cut(alert.company, _NAME)
    return f"{person} · {company}" if company else person


def fallback(alert: Alert, *, duplicate: bool = False) -> str:
    """The message in one line, for notifications and screen readers."""
    words = labels(alert.locale)
    mark = words["duplicate_short"] if duplicate else ""
    stop = "。" if is_japanese(alert.locale) else ". "
    return f"{mark}{mrkdwn(who(alert), _LINE)} — {mrkdwn(alert.why, _LINE)}{stop}{_score(alert, words)}"


def local_time(alert: Alert) -> str:
    """When it happened, in the site's zone: `Nov 22, 14:05`, `11月22日 14:05`."""
    at = datetime.fromtimestamp(min(max(alert.at, 0), LAST_MS) / 1000, _zone(alert.timezone))
    words = labels(alert.locale)
    return words["date"].format(month=_MONTHS[at.month - 1], number=at.month, day=at.day, time=f"{at:%H:%M}")


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _summary(alert: Alert, words: Mapping[str, str]) -> str:
    lines = [f"*{mrkdwn(alert.why, _LINE)}* — {local_time(alert)}", _sum(alert, words)]
    if alert.instruction:
        lines.append(f":point_right: *{words['next']}:* {mrkdwn(alert.instruction, _INSTRUCTION)}")
    return joined(lines)


def _score(alert: Alert, words: Mapping[str, str]) -> str:
    band = words.get(alert.intent) or mrkdwn(alert.intent, 40)
    return words["score"].format(score=shown_score(alert.score), band=band)


def _sum(alert: Alert, words: Mapping[str, str]) -> str:
    said = ""
    for part in shown_parts(alert.parts, alert.score):
        name = _rule(part, words)
        times = f" (×{part.count})" if part.rule is not None and part.count > 1 else ""
        sign = ("−" if part.points < 0 else "") if not said else (" − " if part.points < 0 else " + ")
        said += f"{sign}{name} {number(abs(part.points))}{times}"
    score = f"*{_score(alert, words)}*"
    return f"{score} = {said}" if said else score


def _rule(part: Shown, words: Mapping[str, str]) -> str:
    if part.rule is None:
        return words["others"].format(count=part.count)
    return words["faded"] if part.rule == FADED else mrkdwn(part.label or humanise(part.rule), 40)


def _details(alert: Alert, words: Mapping[str, str]) -> list[Block]:
    traits = alert.traits
    time = duration(alert.engaged_ms, alert.locale)
    visit = words["visit_one_page" if alert.page_count == 1 else "visit_value"]
    rows = {
        "title": mrkdwn(_trait(traits, "title", "position", "jobTitle"), _LINE),
        "email": mrkdwn(_trait(traits, "email"), _LINE),
        "phone": mrkdwn(_trait(traits, "phone"), _LINE),
        "interests": _interests(alert),
        "visit": visit.format(number=alert.session_count, pages=alert.page_count, time=time),
        "came": _came(alert.source, words),
    }
    shown = [f"*{words[row]}*\n{value}" for row, value in rows.items() if value]
    return [fields(shown)] if shown else []


def _interests(alert: Alert) -> str:
    return " · ".join(f"{mrkdwn(topic, 60)} ×{count}" for topic, count in list(alert.topics.items())[:5])


def _came(source: Mapping[str, str], words: Mapping[str, str]) -> str:
    kind = source.get("referrer_class", "direct")
    word = words["email_class"] if kind in {"email", "mail"} else words.get(kind) or mrkdwn(kind, 40)
    if source.get("referrer_host"):
        word = f"{word} ({mrkdwn(source['referrer_host'], 80)})"
    tags = [mrkdwn(source[tag], 60) for tag in ("utm_source", "utm_medium") if source.get(tag)]
    said = [" / ".join(tags) if tags and kind == "direct" else word]
    if tags and kind != "direct":
        said.append(" / ".join(tags))
    if source.get("utm_campaign"):
        said.append(words["campaign"].format(name=mrkdwn(source["utm_campaign"], 80)))
    if source.get("landing_path"):
        said.append(words["landed"].format(path=mrkdwn(source["landing_path"], 120)))
    return " · ".join(said)


def _pages(alert: Alert, words: Mapping[str, str]) -> list[Block]:
    if not alert.pages:
        return []
    latest = list(reversed(alert.pages))
    lines = [f"*{words['pages']}*", *(_page(page, alert.locale) for page in latest[:SHOWN_PAGES])]
    if len(latest) > SHOWN_PAGES:
        lines.append(words["more_pages"].format(count=len(latest) - SHOWN_PAGES))
    return [section(joined(lines))]


def _page(page: SeenPage, locale: str) -> str:
    title, path = mrkdwn(page.title, 100), mrkdwn(page.path, 120)
    name = f"{title} ({path})" if title else path
    return f"• {name} — {duration(page.engaged_ms, locale)}"


def _footer(alert: Alert, words: Mapping[str, str], visitor_url: VisitorUrl) -> str:
    opened = link(visitor_url(alert.site, alert.visitor), words["open"])
    return f"{opened} · {mrkdwn(alert.site_name or alert.site, 80)} · {mrkdwn(alert.rule, 80)}"


def _name(traits: Mapping[str, Any], locale: str) -> str:
    if name := _trait(traits, "name"):
        return name
    order = ("lastName", "firstName") if is_japanese(locale) else ("firstName", "lastName")
    return " ".join(filter(None, (_trait(traits, part) for part in order)))


def _trait(traits: Mapping[str, Any], *names: str) -> str:
    for name in names:
        value = traits.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return UTC
