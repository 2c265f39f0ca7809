"""The visitor page's words, in English and Japanese: fixed texts, names made readable, moments, sources.

Pure; nothing here is escaped: the templates do that.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from alerts.labels import labels
from alerts.words import humanise, is_japanese
from core.profiles import Session

LANGS = ("ja", "en")
#: The last moment a calendar shows as itself (9999-12-30, epoch ms).
_LAST_MS = 253_402_214_400_000

_EN: Mapping[str, Any] = {
    "live": "Live",
    "waiting": "Reconnecting…",
    "language": "Language",
    "last_seen": "Last seen",
    "first_seen": "first seen {when}",
    "stages": {"lead": "Lead since {when}", "mql": "MQL since {when}"},
    "browsers": "{n} browsers",
    "colleagues": "{n} people of {company} this week",
    "did_once": "Counts once per person: another browser had it first",
    "visits": "{n} visits",
    "visit": "1 visit",
    "pages_n": "{n} pages",
    "page_n": "1 page",
    "read": "read for {time}",
    "write": "Write an e-mail",
    "call": "Call {phone}",
    "score": "Score",
    "bands": {"low": "Low intent", "warm": "Warming up", "high": "High intent"},
    "ticks": {"warm": "warm {at}", "high": "high {at}"},
    "next": "What to do next",
    "parts": "Why this score",
    "part": "Reason",
    "points": "Points",
    "total": "Score",
    "no_points": "No points yet: nothing this visitor did gives any.",
    "ledger": "Point by point",
    "ledger_more": "Show {n} more",
    "ledger_older": "{n} older entries",
    "ledger_sum": "Sum of all entries",
    "faded": "Faded with time",
    "interests": "Interests",
    "pages": "Pages seen",
    "sessions": "Visits",
    "from": "Came from",
    "landing": "Landed on",
    "audiences": "Audiences",
    "not_in": "Not in, and why",
    "why_unknown": "the conditions cannot be read at the moment",
    "needs": "needs",
    "shows": "What the page shows them now",
    "original": "The page's own content",
    "because_audience": "because they are in “{audience}” (choice {number} of {total})",
    "because_everyone": "because it is for everyone (choice {number} of {total})",
    "variant": "variant {variant}, {share} %",
    "held_out": "kept out as the baseline, {share} % of visitors",
    "no_audience": "no audience of {experience} matches",
    "not_rendered": "its content could not be rendered",
    "alerts": "Alerts sent",
    "states": {
        "pending": "On its way",
        "sent": "Sent",
        "updated": "Updated",
        "held": "Held back as the baseline",
        "failed": "Not delivered",
        "suppressed": "Kept silent",
    },
    "none": "None yet",
    "times": "×{n}",
    "did_page": "Viewed a page",
    "did_engage": "Read a page",
    "did_hold": "{rule}: now true",
    "did_end": "{rule}: no longer true",
    "did_silence": "{days} days without “{event}”",
    "did_gone": "By a rule that is not in the site file any more",
    "rule": "{rule} · v{version}",
    "privacy": "Personal data: this link opens without a login for 90 days. Pass it on with care.",
}

_JA: Mapping[str, Any] = {
    "live": "リアルタイム",
    "waiting": "つなぎ直しています…",
    "language": "言語",
    "last_seen": "最終訪問",
    "first_seen": "初回 {when}",
    "stages": {"lead": "リード {when}から", "mql": "MQL {when}から"},
    "browsers": "端末{n}台",
    "colleagues": "今週 {company} から{n}人",
    "did_once": "お一人につき1回：別の端末で加点済み",
    "visits": "訪問{n}回",
    "visit": "訪問1回",
    "pages_n": "{n}ページ",
    "page_n": "1ページ",
    "read": "閲覧時間 {time}",
    "write": "メールを書く",
    "call": "電話する {phone}",
    "score": "スコア",
    "bands": {"low": "購買意欲 低", "warm": "購買意欲 中", "high": "購買意欲 高"},
    "ticks": {"warm": "中 {at}", "high": "高 {at}"},
    "next": "次にすること",
    "parts": "このスコアの理由",
    "part": "理由",
    "points": "点数",
    "total": "スコア",
    "no_points": "まだ点数はありません。点数になる行動がありません。",
    "ledger": "一件ごとの記録",
    "ledger_more": "ほか{n}件を表示",
    "ledger_older": "それ以前の{n}件",
    "ledger_sum": "すべての記録の合計",
    "faded": "時間による減点",
    "interests": "関心",
    "pages": "見たページ",
    "sessions": "訪問",
    "from": "流入元",
    "landing": "最初のページ",
    "audiences": "オーディエンス",
    "not_in": "入っていない理由",
    "why_unknown": "いまは条件を読み込めません",
    "needs": "条件",
    "shows": "いま見えている内容",
    "original": "ページ本来の内容",
    "because_audience": "「{audience}」に入っているため（{total}つの選択肢の{number}番目）",
    "because_everyone": "全員が対象のため（{total}つの選択肢の{number}番目）",
    "variant": "パターン {variant} {share}%",
    "held_out": "比較のために除外（訪問者の{share}%）",
    "no_audience": "{experience} のどのオーディエンスにも当てはまりません",
    "not_rendered": "内容を表示できませんでした",
    "alerts": "送った通知",
    "states": {
        "pending": "送信中",
        "sent": "送信済み",
        "updated": "更新済み",
        "held": "比較のため保留",
        "failed": "届いていません",
        "suppressed": "通知なし",
    },
    "none": "まだありません",
    "times": "×{n}",
    "did_page": "ページを見ました",
    "did_engage": "ページを読みました",
    "did_hold": "「{rule}」に当てはまりました",
    "did_end": "「{rule}」に当てはまらなくなりました",
    "did_silence": "{days}日間「{event}」なし",
    "did_gone": "いまのサイト設定にはないルール",
    "rule": "{rule} · v{version}",
    "privacy": "個人情報を含みます。このリンクは90日間、ログインなしで開きます。共有にはご注意ください。",
}

#: Names that site files commonly use, as a Japanese reader says them.
_JA_NAMES: Mapping[str, str] = {
    "page view": "ページ閲覧",
    "pricing": "料金",
    "pricing view": "料金ページ閲覧",
    "pricing dwell": "料金ページの熟読",
    "case": "導入事例",
    "cases": "導入事例",
    "case view": "導入事例の閲覧",
    "case dwell": "導入事例の熟読",
    "product": "製品",
    "whitepaper": "ホワイトペーパー",
    "newsletter": "メールマガジン登録",
    "contact": "お問い合わせ",
    "seminar": "セミナー",
    "president": "経営者",
    "director": "役員・部長",
    "manager": "管理職",
    "silent": "メールへの反応なし",
    "high intent": "高意欲",
    "returning": "再訪",
    "first time": "初回訪問",
    "warm": "関心あり",
    "email open": "メール開封",
}

#: Shown in both languages: nothing is known yet about who reads, nor may anything be told.
CLOSED: Mapping[int, Mapping[str, tuple[str, str]]] = {
    403: {
        "en": (
            "This link does not open",
            "It may have been cut off on the way, or its 90 days are over. Open the latest alert in Slack "
            "and use the link in it.",
        ),
        "ja": (
            "このリンクでは開けません",
            "途中で切れているか、90日の期限が過ぎています。Slack の最新の通知にあるリンクから開いてください。",
        ),
    },
    404: {
        "en": ("This visitor is not here any more", "Their data was erased, or they were away for too long."),
        "ja": ("この訪問者の記録はもうありません", "データが消去されたか、長い間訪問がありませんでした。"),
    },
    503: {
        "en": (
            "One moment, please",
            "The data cannot be reached right now. Open the link again in a minute.",
        ),
        "ja": (
            "少しお待ちください",
            "いまデータを読み込めません。一分ほどしてから、もう一度開いてください。",
        ),
    },
}


def texts(lang: str) -> Mapping[str, Any]:
    """The fixed texts. Some hold `{fields}` for `str.format`."""
    return _JA if is_japanese(lang) else _EN


def name_of(name: str, lang: str) -> str:
    """The id of a rule, topic, audience or slot as a person says it: `pricing-dwell` as `Pricing dwell`."""
    said = humanise(name)
    if is_japanese(lang):
        return _JA_NAMES.get(said, said or name)
    return said[:1].upper() + said[1:] if said else name


def moment(at: int, zone: tzinfo, lang: str, *, now: int) -> str:
    """When, in `zone`: `Nov 22, 14:05`, `11月22日 14:05`; with the year where it is not this one."""
    local, today = _local(at, zone), _local(now, zone)
    if is_japanese(lang):
        year = "" if local.year == today.year else f"{local.year}年"
        return f"{year}{local.month}月{local.day}日 {local:%H:%M}"
    year = "" if local.year == today.year else f" {local.year}"
    return f"{_MONTHS[local.month - 1]} {local.day}{year}, {local:%H:%M}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _local(at: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(min(max(at, 0), _LAST_MS) / 1000, UTC).astimezone(zone)


def came_from(session: Session, lang: str) -> str:
    """How a session began: `search (example.com) · campaign autumn`."""
    source, words = session.source, labels(lang)
    kind = source.referrer_class
    said = words["email_class"] if kind in {"email", "mail"} else words.get(kind, kind)
    if source.referrer_host:
        said = f"{said} ({source.referrer_host})"
    tags = " / ".join(filter(None, (source.utm_source, source.utm_medium)))
    campaign = words["campaign"].format(name=source.utm_campaign) if source.utm_campaign else ""
    if tags and kind == "direct":
        said = ""  # the tags say where the visitor came from; `directly` would deny it
    return " · ".join(filter(None, (said, tags, campaign)))
