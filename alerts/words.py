"""Words for people: events, audiences and rules in the site's language. Pure; nothing here is escaped."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

_SPLIT = re.compile(r"[\s_\-./:]+|(?<=[a-z0-9])(?=[A-Z])")

#: verb in an event's name -> what the visitor did, and whether an article reads well after it
_EN_VERBS: Mapping[str, tuple[str, bool]] = {
    "download": ("Downloaded", True),
    "request": ("Requested", True),
    "submit": ("Submitted", True),
    "open": ("Opened", True),
    "register": ("Registered for", True),
    "signup": ("Signed up for", True),
    "book": ("Booked", True),
    "start": ("Started", True),
    "complete": ("Completed", True),
    "watch": ("Watched", True),
    "play": ("Played", True),
    "view": ("Viewed", False),
    "click": ("Clicked", False),
    "search": ("Searched", False),
}
_JA_VERBS: Mapping[str, str] = {
    "download": "をダウンロードしました",
    "request": "を依頼しました",
    "submit": "を送信しました",
    "open": "を開きました",
    "register": "に申し込みました",
    "signup": "に登録しました",
    "book": "を予約しました",
    "start": "を始めました",
    "complete": "を完了しました",
    "watch": "を視聴しました",
    "play": "を再生しました",
    "view": "を見ました",
    "click": "をクリックしました",
    "search": "を検索しました",
}
#: events that are no verb and noun
_FIXED: Mapping[str, tuple[str, str]] = {
    "identify": ("Told us who they are", "連絡先を入力しました"),
    "group": ("Told us their company", "会社を入力しました"),
}
_JA_NOUNS: Mapping[str, str] = {
    "whitepaper": "ホワイトペーパー",
    "white paper": "ホワイトペーパー",
    "document": "資料",
    "brochure": "パンフレット",
    "catalog": "カタログ",
    "catalogue": "カタログ",
    "case study": "導入事例",
    "demo": "デモ",
    "trial": "トライアル",
    "quote": "見積もり",
    "estimate": "見積もり",
    "pricing": "料金",
    "form": "フォーム",
    "contact": "お問い合わせ",
    "inquiry": "お問い合わせ",
    "email": "メール",
    "video": "動画",
    "seminar": "セミナー",
    "webinar": "ウェビナー",
}
_JA_AUDIENCES: Mapping[str, str] = {
    "high intent": "高意欲",
    "returning": "再訪",
    "first time": "初回訪問",
    "warm": "関心あり",
}
#: props that say which of several things the event was about
_DETAILS = ("title", "document", "file", "plan", "product", "form", "name")


def is_japanese(locale: str) -> bool:
    """Whether to write Japanese; every other locale gets English."""
    return locale.lower().split("-")[0].split("_")[0] == "ja"


def humanise(name: str) -> str:
    """`pricing-dwell`, `pricing_dwell` and `PricingDwell` as `pricing dwell`."""
    words = [word for word in _SPLIT.split(name) if word]
    return " ".join(word if word.isupper() else word.lower() for word in words)


def happened(name: str, props: Mapping[str, Any], locale: str) -> str:
    """What the visitor did, from an event's name: `whitepaper_download` as `Downloaded a whitepaper`."""
    detail = _detail(props)
    if is_japanese(locale):
        sentence = _happened_ja(name)
        return f"{sentence}（{detail}）" if detail else sentence
    sentence = _happened_en(name)
    return f"{sentence}: {detail}" if detail else sentence


def _happened_en(name: str) -> str:
    verb, noun = _verb_and_noun(name)
    if name in _FIXED:
        return _FIXED[name][0]
    if not verb or not noun:
        words = humanise(name)
        return words[:1].upper() + words[1:]
    done, article = _EN_VERBS[verb]
    if not article:
        return f"{done} {noun}"
    return f"{done} {'an' if noun[0] in 'aeiouAEIOU' else 'a'} {noun}"


def _happened_ja(name: str) -> str:
    verb, noun = _verb_and_noun(name)
    if name in _FIXED:
        return _FIXED[name][1]
    if not verb or not noun:
        return f"「{name}」しました"
    return f"{_JA_NOUNS.get(noun, f'「{noun}」')}{_JA_VERBS[verb]}"


def _verb_and_noun(name: str) -> tuple[str, str]:
    words = humanise(name).split(" ")
    for verb, rest in ((words[-1], words[:-1]), (words[0], words[1:])):
        if verb in _EN_VERBS:
            return verb, " ".join(rest)
    return "", ""


def _detail(props: Mapping[str, Any]) -> str:
    for key in _DETAILS:
        value = props.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()[:120]
    return ""


def moved(audience: str, locale: str, *, entered: bool) -> str:
    """That the visitor entered or left an audience."""
    words = humanise(audience)
    if is_japanese(locale):
        name = _JA_AUDIENCES.get(words, f"「{audience}」")
        return f"{name}オーディエンス{'に入りました' if entered else 'から外れました'}"
    return f"{'Entered' if entered else 'Left'} the “{words}” audience"


def became(rule: str, reads: Collection[str], attributes: Mapping[str, Any], locale: str) -> str:
    """That a rule's condition holds now: by what it `reads`, where that has words of its own, else by its name."""
    account = attributes.get("account") or {}
    japanese = is_japanese(locale)
    if reads == {"score"}:
        score = f"{attributes.get('score', 0):g}"
        return f"スコアが{score}になりました" if japanese else f"The score came to {score}"
    if "account.people" in reads and isinstance(account.get("people"), int):
        people, company = account["people"], account.get("name") or account.get("domain") or ""
        if japanese:
            return f"この7日間に{company or '同じ会社'}の{people}人が訪れました"
        return f"{people} people of {company or 'one company'} came within 7 days"
    words = humanise(rule)
    return f"「{words}」に当てはまりました" if japanese else f"Became “{words}”"


def on_page(title: str, path: str, locale: str, *, engaged: str = "") -> str:
    """That the visitor saw a page, or (with `engaged`, a duration in words) how long they stayed on it."""
    page = title or path or "/"
    if is_japanese(locale):
        return f"「{page}」を{engaged}読みました" if engaged else f"「{page}」のページを見ました"
    return f"Spent {engaged} on “{page}”" if engaged else f"Viewed “{page}”"


def duration(ms: int, locale: str) -> str:
    """A duration in words: `1 min 20 s`, `1分20秒`. Below a second: `0 s`."""
    seconds = max(0, ms) // 1000
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    units = ("時間", "分", "秒") if is_japanese(locale) else (" h", " min", " s")
    pairs = list(zip((hours, minutes, rest), units, strict=True))
    shown = pairs[:2] if hours else pairs[1:]
    said = [f"{value}{unit}" for value, unit in shown if value]
    return ("" if is_japanese(locale) else " ").join(said) or f"0{units[2]}"
