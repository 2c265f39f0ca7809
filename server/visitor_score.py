"""The score on the visitor page: its parts, which sum to it, and its ledger. Pure."""

from __future__ import annotations

from typing import Any

from alerts.labels import labels
from alerts.points import number, shown_parts
from alerts.rules import FADED, score_parts
from alerts.words import happened, on_page
from core.profiles import Entry
from leads.model import ScoringRule
from server.demo_views import points
from server.visitor_seen import Seen
from server.visitor_words import name_of, texts

LEDGER_FIRST, LEDGER_SHOWN = 6, 200
_DAY_MS = 86_400_000


def gauge(seen: Seen) -> dict[str, float | str]:
    """Where score and bands stand on the bar, in percent. It is full beyond the score that starts `high`."""
    rules, score = seen.site.scoring, seen.profile.score
    full = max(rules.high * 1.6, 1.0)
    place = {"fill": score, "warm": rules.warm, "high": rules.high}
    shown = {name: round(min(100.0, max(0.0, 100 * at / full)), 2) for name, at in place.items()}
    return {**shown, "warm_at": f"{rules.warm:g}", "high_at": f"{rules.high:g}"}


def parts(seen: Seen) -> list[dict[str, Any]]:
    profile, half_life = seen.profile, seen.site.scoring.half_life_ms
    exact = score_parts(profile, at=seen.now, half_life_ms=half_life)
    return [
        {
            "rule": part.rule or "",
            "label": _part_label(seen, part.rule, part.count),
            "count": part.count if part.rule is not None else 0,
            "points": ("−" if part.points < 0 else "+") + number(abs(part.points)),
            "minus": part.points < 0,
        }
        for part in shown_parts(exact, profile.score)
    ]


def _part_label(seen: Seen, rule: str | None, count: int) -> str:
    if rule is None:
        return labels(seen.lang)["others"].format(count=count)
    return str(texts(seen.lang)["faded"]) if rule == FADED else seen.rule(rule)


def ledger(seen: Seen) -> dict[str, Any]:
    """The entries, newest first. What the score has lost to the half-life since is a line of its own."""
    newest = sorted(seen.ledger, key=lambda entry: -entry.at)
    rows = [_entry(seen, entry) for entry in newest[:LEDGER_SHOWN]]
    total = sum(entry.points for entry in seen.ledger)
    faded = seen.profile.score - total
    return {
        "entries": rows[:LEDGER_FIRST],
        "entries_more": rows[LEDGER_FIRST:],
        "older": max(0, len(newest) - LEDGER_SHOWN),
        "older_points": points(sum(entry.points for entry in newest[LEDGER_SHOWN:])),
        "ledger_sum": points(total),
        "faded": points(faded) if seen.site.scoring.half_life_ms and abs(faded) >= 0.05 else "",
    }


def _entry(seen: Seen, entry: Entry) -> dict[str, Any]:
    rules = {rule.id: rule for rule in seen.site.scoring.rules}
    said = texts(seen.lang)["rule"]
    return {
        "key": f"{entry.event}-{entry.rule}",
        "at": seen.at(entry.at),
        "what": _what(seen, entry, rules.get(entry.rule)),
        "rule": said.format(rule=seen.rule(entry.rule), version=entry.rule_version),
        "points": points(entry.points),
        "minus": entry.points < 0,
    }


def _what(seen: Seen, entry: Entry, rule: ScoringRule | None) -> str:
    said = texts(seen.lang)
    if entry.event.startswith("same-person:"):
        return str(said["did_once"])
    if rule is None:
        return str(said["did_gone"])
    if rule.idle_event is not None:
        name = name_of(rule.idle_event, seen.lang)
        return str(said["did_silence"].format(days=rule.idle_ms // _DAY_MS, event=name))
    if rule.on is None:
        form = said["did_hold" if (entry.points < 0) == (rule.points < 0) else "did_end"]
        return str(form.format(rule=seen.rule(rule.id)))
    page = next((page for page in seen.profile.pages if page.at == entry.at), None)
    if page is not None and rule.on == "page":
        return on_page(page.title, page.path, seen.lang)
    return str(said.get(f"did_{rule.on}") or happened(rule.on, {}, seen.lang))
