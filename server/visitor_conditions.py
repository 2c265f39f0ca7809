"""Why a visitor is in an audience, or is not, in words. Pure; nothing here is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alerts.labels import labels
from alerts.words import is_japanese
from core.conditions import Leaf, explain, matches
from server.visitor_words import name_of

_MAX_VALUE = 60

#: attribute -> (English, Japanese)
_NAMES: Mapping[str, tuple[str, str]] = {
    "session_count": ("visits", "訪問回数"),
    "page_count": ("pages seen", "見たページ数"),
    "days_since_first": ("days since the first visit", "初回訪問からの日数"),
    "days_since_last": ("days since the last visit", "最終訪問からの日数"),
    "score": ("score", "スコア"),
    "intent": ("intent", "購買意欲"),
    "audiences": ("audiences", "オーディエンス"),
    "utm.source": ("campaign source", "キャンペーンの媒体"),
    "utm.medium": ("campaign medium", "キャンペーンの種類"),
    "utm.campaign": ("campaign", "キャンペーン"),
    "referrer.class": ("came from", "流入元"),
    "referrer.host": ("referring site", "参照元サイト"),
    "device.type": ("device", "端末"),
    "country": ("country", "国"),
    "page.url": ("current page", "いまのページ"),
    "page.path": ("current page", "いまのページ"),
    "page.title": ("current page's title", "いまのページの題名"),
    "page.topic": ("current page's topic", "いまのページの話題"),
    "page.engaged_s": ("seconds on the current page", "いまのページの閲覧秒数"),
    "session.page_count": ("pages in this visit", "今回見たページ数"),
    "session.engaged_s": ("seconds read in this visit", "今回の閲覧秒数"),
    "session.landing_path": ("landing page", "最初のページ"),
    "account.domain": ("company domain", "会社のドメイン"),
    "account.name": ("company", "会社"),
    "account.people": ("people of the company this week", "今週の同じ会社の人数"),
    "account.score": ("company's score", "会社のスコア"),
    "account.intent": ("company's intent", "会社の購買意欲"),
    "stage": ("stage", "ステージ"),
    "top_topic": ("main interest", "一番の関心"),
    "active_days.last_7": ("days active in the last 7", "直近7日の訪問日数"),
    "active_days.last_30": ("days active in the last 30", "直近30日の訪問日数"),
    "now.hour": ("hour of the day", "いまの時刻（時）"),
    "now.weekday": ("day of the week (0 is Monday)", "曜日（0は月曜）"),
    "traits.name": ("name", "お名前"),
    "traits.title": ("title", "役職"),
    "traits.company": ("company", "会社"),
    "traits.email": ("e-mail", "メール"),
    "traits.phone": ("phone", "電話"),
}
#: operator -> (English, Japanese), with the expected value as {x}
_NEEDS: Mapping[str, tuple[str, str]] = {
    "$eq": ("{x}", "{x}"),
    "$ne": ("not {x}", "{x}以外"),
    "$gt": ("more than {x}", "{x}より大きい"),
    "$gte": ("at least {x}", "{x}以上"),
    "$lt": ("less than {x}", "{x}未満"),
    "$lte": ("at most {x}", "{x}以下"),
    "$in": ("one of {x}", "{x}のいずれか"),
    "$nin": ("none of {x}", "{x}のどれでもない"),
    "$all": ("all of {x}", "{x}のすべて"),
    "$size": ("{x} items", "{x}件"),
    "$regex": ("matching {x}", "「{x}」に一致"),
    "$regexi": ("matching {x}", "「{x}」に一致"),
    "$notRegex": ("not matching {x}", "「{x}」に一致しない"),
}
_NOT = ("anything but {x}", "{x}ではないこと")
_KNOWN = (("unknown", "known"), ("なし", "あり"))


def reasons(condition: Mapping[str, Any], facts: Mapping[str, Any], lang: str) -> list[dict[str, str]]:
    """Why a visitor with these attributes matches, or why not: `name`, what was `found`, what it `needs`.

    Only what decided it: of a failed condition the parts that failed, of a met one those that were met.
    """
    wanted = matches(dict(condition), dict(facts))
    shown: dict[tuple[str, str], dict[str, str]] = {}
    for leaf in _deciding(condition, facts, wanted):
        row = _row(leaf, lang)
        shown.setdefault((row["name"], row["needs"]), row)
    return list(shown.values())


def _deciding(condition: Mapping[str, Any], facts: Mapping[str, Any], wanted: bool) -> Iterator[Leaf]:
    for key, value in condition.items():
        part = {key: value}
        if matches(part, dict(facts)) is not wanted:
            continue
        if key in ("$and", "$or") and isinstance(value, Sequence):
            for inner in value:
                if isinstance(inner, Mapping) and matches(dict(inner), dict(facts)) is wanted:
                    yield from _deciding(inner, facts, wanted)
        else:
            yield from (leaf for leaf in explain(part, facts) if (leaf.matched is not leaf.negated) is wanted)


def _row(leaf: Leaf, lang: str) -> dict[str, str]:
    japanese = is_japanese(lang)
    needs = _needs(leaf, lang)
    return {
        "name": attribute_name(leaf.path, lang),
        "found": "0" if _uncounted(leaf) else _value(leaf.found, leaf.path, lang),
        "needs": _NOT[japanese].format(x=needs) if leaf.negated else needs,
    }


def _uncounted(leaf: Leaf) -> bool:
    """Whether the leaf counts what never happened: conditions see null there, a person sees 0."""
    counts = leaf.path.startswith("topics.") or (
        leaf.path.startswith("events.") and leaf.path.endswith(".count")
    )
    return counts and leaf.found is None


def _needs(leaf: Leaf, lang: str) -> str:
    if leaf.operator == "$exists":
        return _KNOWN[is_japanese(lang)][bool(leaf.expected)]
    form = _NEEDS.get(leaf.operator, (leaf.operator + " {x}",) * 2)[is_japanese(lang)]
    return form.replace("{x}", _value(leaf.expected, leaf.path, lang))


def attribute_name(path: str, lang: str) -> str:
    """An attribute's path as a person says it: `session_count` as `visits`."""
    japanese = is_japanese(lang)
    if path in _NAMES:
        return _NAMES[path][japanese]
    head, _, rest = path.partition(".")
    thing, _, leaf = rest.rpartition(".") if head == "events" else (rest, "", "")
    name = name_of(thing or rest, lang)
    said = {
        "topics": (f"pages about “{name}”", f"「{name}」の閲覧数"),
        "events": (f"“{name}”", f"「{name}」"),
        "events.count": (f"times of “{name}”", f"「{name}」の回数"),
        "events.days_since": (f"days since “{name}”", f"「{name}」からの日数"),
    }
    return said.get(f"{head}.{leaf}" if leaf else head, (name, name))[japanese] or path


def _value(value: Any, path: str, lang: str) -> str:
    japanese = is_japanese(lang)
    if value is None:
        return _KNOWN[japanese][0]
    if isinstance(value, bool):
        return (("no", "yes"), ("いいえ", "はい"))[japanese][value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        said = [_value(item, path, lang) for item in value]
        return ("、" if japanese else ", ").join(said) or _KNOWN[japanese][0]
    text = _said(str(value), path, lang)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"


def _said(text: str, path: str, lang: str) -> str:
    if path in ("audiences", "page.topic"):
        return name_of(text, lang)
    return labels(lang).get(text, text) if path in ("intent", "referrer.class") else text
