"""Scoring presets: rules to start with, for those who do not want to tune points. A site's own rule replaces the
preset's of the same id.

* `textbook`: what handbooks of marketing automation teach: 10 points for each reaction, 30 off after half a year
  in which no mail was opened, sales takes over at 50.
* `few-signals`: no points to tune: somebody who came on two separate days within 30 and saw a key page (one with
  a topic) is worth a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _reaction(rule: str, event: str, ja: str, en: str, **more: Any) -> dict[str, Any]:
    return {"id": rule, "on": event, "points": 10, "label": {"ja": ja, "en": en}, **more}


_TEXTBOOK = [
    _reaction("visit", "page", "サイト訪問", "visited the site", once="session"),
    _reaction(
        "key-page", "page", "重要ページ閲覧", "saw a key page",
        once="session", when={"page.topic": {"$exists": True}},
    ),
    _reaction("mail-open", "email_open", "メール開封", "opened a mail"),
    _reaction("download", "download", "資料ダウンロード", "downloaded a document"),
    _reaction("whitepaper", "whitepaper_download", "資料ダウンロード", "downloaded a whitepaper"),
    _reaction("seminar", "seminar", "セミナー参加", "came to a seminar"),
    _reaction("exhibition", "exhibition", "展示会来場", "came to the booth"),
    {
        "id": "frequent", "points": 10, "when": {"active_days.last_30": {"$gte": 3}},
        "label": {"ja": "頻繁な訪問", "en": "comes often"},
    },
    {
        "id": "silent", "points": -30, "idle": {"event": "email_open", "for": "180d"},
        "label": {"ja": "半年間メール未開封", "en": "half a year without opening a mail"},
    },
]  # fmt: skip
_FEW_SIGNALS = [
    {
        "id": "two-days", "points": 25, "when": {"active_days.last_30": {"$gte": 2}},
        "label": {"ja": "30日以内に2日訪問", "en": "came on two days within 30"},
    },
    {
        "id": "key-page", "points": 25, "when": {"top_topic": {"$exists": True}},
        "label": {"ja": "重要ページ閲覧", "en": "saw a key page"},
    },
]  # fmt: skip

PRESETS: Mapping[str, list[dict[str, Any]]] = {"textbook": _TEXTBOOK, "few-signals": _FEW_SIGNALS}


def expanded(data: Mapping[str, Any]) -> dict[str, Any]:
    """A checked file's plain data with its preset's rules written out before its own."""
    scoring = data.get("scoring") or {}
    name = scoring.get("preset")
    if name is None:
        return dict(data)
    own = scoring.get("rules") or []
    replaced = {rule["id"] for rule in own}
    rules = [rule for rule in PRESETS[name] if rule["id"] not in replaced]
    return {**data, "scoring": {**scoring, "rules": [*rules, *own]}}
