"""What the demo's live view and outbox show, worked out from the admin API's shapes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

STEPS = ("pricing-dwell", "whitepaper")
PAGES_SHOWN = 6
UNTOLD = frozenset({"held", "suppressed"})


def points(value: float) -> str:
    """Points with their sign: +30, −2.5."""
    sign = "−" if value < 0 else "+"
    return f"{sign}{abs(round(value, 1)):g}"


def panel(
    visitor: Mapping[str, Any], *, labels: Mapping[str, Any], bands: Mapping[str, float]
) -> dict[str, Any]:
    """One visitor for the live view. The `parts` and `rest` add up to `score`."""
    score = round(visitor["score"], 1)
    return {
        "id": visitor["id"],
        "score": f"{score:g}",
        "intent": visitor["intent"],
        "intent_label": labels["intents"].get(visitor["intent"], visitor["intent"]),
        "session_count": visitor["session_count"],
        "page_count": visitor["page_count"],
        "seconds": seconds(visitor["engaged_ms"]),
        "parts": (parts := _parts(visitor["ledger"], labels["rules"])),
        "rest": round(score - sum(part["points"] for part in parts), 1),
        "entries": _entries(visitor["ledger"], labels["rules"]),
        "audiences": [{"id": a, "label": labels["audiences"].get(a, a)} for a in visitor["audiences"]],
        "topics": _topics(visitor["topics"], labels["topics"]),
        "pages": _pages(visitor.get("pages", ()), labels["topics"]),
        "traits": _traits(visitor.get("traits") or {}, labels["traits"]),
        "bands": bands,
    }


def seconds(ms: float) -> int:
    """Whole seconds of `ms`."""
    return int(ms // 1000)


def _parts(ledger: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """The ledger by rule, the largest effect first."""
    parts: dict[str, dict[str, Any]] = {}
    for entry in ledger:
        rule = entry["rule"]
        part = parts.setdefault(
            rule, {"rule": rule, "label": labels.get(rule, rule), "points": 0.0, "count": 0}
        )
        part["points"] += entry["points"]
        part["count"] += 1
    return sorted(parts.values(), key=lambda part: -abs(part["points"]))


def _entries(ledger: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    newest = sorted(ledger, key=lambda entry: entry["at"], reverse=True)
    return [{**entry, "label": labels.get(entry["rule"], entry["rule"])} for entry in newest[:40]]


def _topics(topics: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """By time read; `share` (0 to 100) is relative to the most read."""
    shown = [
        {
            "id": name,
            "label": labels.get(name, name),
            "views": stat["views"],
            "engaged_ms": stat["engaged_ms"],
        }
        for name, stat in topics.items()
    ]
    shown.sort(key=lambda topic: (-topic["engaged_ms"], -topic["views"]))
    most = max((topic["engaged_ms"] for topic in shown), default=0)
    for topic in shown:
        topic["seconds"] = seconds(topic["engaged_ms"])
        topic["share"] = max(4, round(100 * topic["engaged_ms"] / most)) if most else 4
    return shown


def _pages(pages: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    newest = sorted(pages, key=lambda page: page["at"], reverse=True)
    return [
        {
            "path": page["path"],
            "title": page.get("title") or page["path"],
            "topic": labels.get(page.get("topic", ""), page.get("topic", "")),
            "seconds": seconds(page["engaged_ms"]),
            "at": page["at"],
        }
        for page in newest[:PAGES_SHOWN]
    ]


def _traits(traits: Mapping[str, Any], labels: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"label": label, "value": str(traits[name])} for name, label in labels.items() if traits.get(name)
    ]


def steps(visitor: Mapping[str, Any] | None, alerts: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Which of the three hints have been followed."""
    scored = {entry["rule"] for entry in visitor["ledger"]} if visitor else set()
    return [*(rule in scored for rule in STEPS), bool(alerts)]


def messages(alerts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Alerts as the messages of a channel, the newest first: those of one episode are one message with a thread.

    One that is not told (yet) stands by itself, with its `why`. One without blocks shows its text.
    """
    shown: dict[tuple[str, str], dict[str, Any]] = {}
    for alert in alerts:
        told = alert["state"] not in UNTOLD | {"failed"}
        channel = str(alert.get("channel") or "").lstrip("#") or "alerts"
        key = (channel, (alert.get("episode") or alert["id"]) if told else alert["id"])
        if key not in shown:
            shown[key] = _message(alert, channel)
        if alert["state"] == "updated":
            shown[key]["thread"].insert(0, _reply(alert))
    return list(shown.values())


def _message(alert: Mapping[str, Any], channel: str) -> dict[str, Any]:
    message = alert.get("message") or {}
    if alert["state"] in UNTOLD:  # nobody sees it: one line says what it would have been about
        message = {"text": message.get("text")}
    return {
        "id": alert["id"],
        "channel": channel,
        "state": alert["state"],
        "why": str(alert.get("why") or "").partition(" (")[0],
        "at": alert.get("sent_at") or alert["at"],
        "blocks": _blocks(message, alert.get("happened") or alert.get("why") or ""),
        "thread": [],
        "clicks": alert.get("clicks") or "",
    }


def _reply(alert: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": alert["id"],
        "at": alert.get("sent_at") or alert["at"],
        "blocks": _blocks(alert.get("reply") or {}, alert.get("happened") or ""),
    }


def _blocks(message: Mapping[str, Any], why: str) -> list[dict[str, Any]]:
    if message.get("blocks"):
        return list(message["blocks"])
    return [{"type": "section", "text": {"type": "mrkdwn", "text": message.get("text") or why}}]


def outbox(alerts: Sequence[Mapping[str, Any]], channel: str | None) -> dict[str, Any]:
    """The outbox page: every channel with its count, the chosen channel's messages oldest first."""
    everything = messages(alerts)
    counts: dict[str, int] = {}
    for message in everything:
        counts[message["channel"]] = counts.get(message["channel"], 0) + 1
    channels = counts or {"hot-leads": 0}
    current = channel if channel in channels else next(iter(channels))
    return {
        "channels": sorted(channels.items()),
        "channel": current,
        "messages": [message for message in reversed(everything) if message["channel"] == current],
    }
