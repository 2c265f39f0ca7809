"""The parts of a Slack message about one visitor, as mrkdwn texts. Pure; what a visitor supplied is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alerts.blocks import Block, fields, joined, section
from alerts.escape import mrkdwn
from alerts.facts import FADED
from alerts.labels import labels
from alerts.model import Alert, PastVisit, SeenPage
from alerts.points import Shown, number, shown_parts, shown_score
from alerts.times import clock, moment
from alerts.words import duration, humanise, is_japanese

SHOWN_PAGES = 6
SHOWN_EARLIER = 8
_NAME, _LINE, _INSTRUCTION = 80, 200, 1500
_ENQUIRY, _ENQUIRY_LINES = 1500, 12

Words = Mapping[str, str]


def who(alert: Alert) -> str:
    """The person and company, or `Anonymous visitor` and a short id. Not escaped."""
    words = labels(alert.locale)
    name = _cut(_name(alert.traits, alert.locale) or _trait(alert.traits, "email"), _NAME)
    person = words["name"].format(name=name) if name and "@" not in name else name
    if not person:
        person = words["anonymous"].format(id=alert.visitor[:8])
    company = _cut(alert.company, _NAME)
    return f"{person} · {company}" if company else person


def summary(alerts: Sequence[Alert], words: Words) -> str:
    """What just happened (the alerts of one event), how hot that is, what to do next."""
    alert = alerts[-1]
    whys = list(dict.fromkeys(mrkdwn(one.why, _LINE) for one in alerts))
    lines = [f"*{whys[0]}* — {moment(alert.at, alert.timezone, alert.locale)}"]
    lines += [f"*{why}*" for why in whys[1:]]
    lines.append(_sum(alert, words))
    for said in dict.fromkeys(one.instruction for one in alerts if one.instruction):
        lines.append(f":point_right: *{words['next']}:* {mrkdwn(said, _INSTRUCTION)}")
    return joined(lines)


def score(alert: Alert, words: Words) -> str:
    """`Score 50 (high)`."""
    return words["score"].format(score=shown_score(alert.score), band=_band(alert, words))


def score_now(alert: Alert, words: Words) -> str:
    """`Score now 50 (high)`."""
    return words["now_score"].format(score=shown_score(alert.score), band=_band(alert, words))


def _band(alert: Alert, words: Words) -> str:
    return words.get(alert.intent) or mrkdwn(alert.intent, 40)


def _sum(alert: Alert, words: Words) -> str:
    said = ""
    for part in shown_parts(alert.parts, alert.score):
        times = f" (×{part.count})" if part.rule is not None and part.count > 1 else ""
        sign = ("−" if part.points < 0 else "") if not said else (" − " if part.points < 0 else " + ")
        said += f"{sign}{_rule(part, words)} {number(abs(part.points))}{times}"
    total = f"*{score(alert, words)}*"
    return f"{total} = {said}" if said else total


def _rule(part: Shown, words: Words) -> str:
    if part.rule is None:
        return words["others"].format(count=part.count)
    return words["faded"] if part.rule == FADED else mrkdwn(part.label or humanise(part.rule), 40)


def quoted(text: str) -> str:
    """A text of several lines as a quote: no line of it can pass for one of ours."""
    lines = [mrkdwn(line, 400) for line in text.splitlines() if line.strip()]
    kept = joined([f"> {line}" for line in lines[:_ENQUIRY_LINES] if line], _ENQUIRY)
    return f"{kept}\n> …" if len(lines) > _ENQUIRY_LINES else kept


def enquiry(alerts: Sequence[Alert], words: Words) -> list[Block]:
    """What the visitor wrote last."""
    text = next((quoted(one.enquiry) for one in reversed(alerts) if one.enquiry), "")
    return [section(f":speech_balloon: *{words['enquiry']}*\n{text}")] if text else []


def person(alert: Alert, words: Words) -> list[Block]:
    """Who they are, what they are interested in, how they came."""
    traits, time = alert.traits, duration(alert.engaged_ms, alert.locale)
    visit = words["visit_one_page" if alert.page_count == 1 else "visit_value"]
    rows = {
        "title": mrkdwn(_trait(traits, "title", "position", "jobTitle"), _LINE),
        "email": mrkdwn(_trait(traits, "email"), _LINE),
        "phone": mrkdwn(_trait(traits, "phone"), _LINE),
        "interests": " · ".join(f"{mrkdwn(name, 60)} ×{n}" for name, n in list(alert.topics.items())[:5]),
        "visit": visit.format(number=alert.session_count, pages=alert.page_count, time=time),
        "came": came(alert.source, words),
    }
    shown = [f"*{words[row]}*\n{value}" for row, value in rows.items() if value]
    return [fields(shown)] if shown else []


def came(source: Mapping[str, str], words: Words) -> str:
    """How a visit came about: `search (google.com) · campaign spring`."""
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


def earlier(alerts: Sequence[Alert], words: Words) -> list[Block]:
    """What happened before in the episode, the latest first."""
    if not alerts:
        return []
    shown = list(reversed(alerts))[:SHOWN_EARLIER]
    lines = [f"• {clock(one.at, one.timezone)} {mrkdwn(one.why, 120)}" for one in shown]
    more = [words["others"].format(count=len(alerts) - len(shown))] if len(alerts) > len(shown) else []
    return [section(joined([f"*{words['earlier']}*", *lines, *more]))]


def pages(alert: Alert, words: Words) -> list[Block]:
    """The pages they saw, the latest first."""
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


def visits(alert: Alert, words: Words) -> list[Block]:
    """The visits before this one, the latest first."""
    if not alert.visits:
        return []
    lines = [_visit(one, alert, words) for one in reversed(alert.visits)]
    return [section(joined([f"*{words['visits']}*", *lines]))]


def _visit(visit: PastVisit, alert: Alert, words: Words) -> str:
    said = words["one_visit_one_page" if visit.page_count == 1 else "one_visit"].format(
        pages=visit.page_count, time=duration(visit.engaged_ms, alert.locale)
    )
    source = {name: value for name, value in visit.source.items() if name != "landing_path"}
    return f"• {moment(visit.at, alert.timezone, alert.locale)} — {said} · {came(source, words)}"


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
