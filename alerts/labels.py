"""The fixed words of a Slack message, in English and Japanese."""

from __future__ import annotations

from collections.abc import Mapping

from alerts.words import is_japanese

_EN = {
    "anonymous": "Anonymous visitor {id}",
    "name": "{name}",
    "score": "Score {score} ({band})",
    "low": "low",
    "warm": "warm",
    "high": "high",
    "faded": "faded with time",
    "others": "{count} others",
    "next": "Next",
    "title": "Title",
    "email": "E-mail",
    "phone": "Phone",
    "interests": "Interests",
    "visit": "Visit",
    "visit_value": "No. {number} · {pages} pages · {time}",
    "visit_one_page": "No. {number} · 1 page · {time}",
    "came": "Came from",
    "pages": "Pages seen",
    "more_pages": "and {count} earlier",
    "open": "Open this visitor",
    "direct": "directly",
    "search": "search",
    "social": "social media",
    "ad": "an ad",
    "ai": "an AI assistant",
    "email_class": "e-mail",
    "referral": "another site",
    "internal": "this site",
    "campaign": "campaign {name}",
    "landed": "landed on {path}",
    "duplicate": "Possible duplicate: an earlier copy of this alert may have arrived.",
    "duplicate_short": "[possible duplicate] ",
    "digest": "{count} alerts arrived late",
    "digest_why": "They are more than {age} old, so they come together. The highest scores first:",
    "digest_more": "and {count} more, in the list of alerts",
    "date": "{month} {day}, {time}",
}
_JA = {
    "anonymous": "匿名の訪問者 {id}",
    "name": "{name} 様",
    "score": "スコア {score}（{band}）",
    "low": "低",
    "warm": "中",
    "high": "高",
    "faded": "時間による減点",
    "others": "ほか{count}件",
    "next": "次にすること",
    "title": "役職",
    "email": "メール",
    "phone": "電話",
    "interests": "関心",
    "visit": "訪問",
    "visit_value": "{number}回目 · {pages}ページ · {time}",
    "visit_one_page": "{number}回目 · 1ページ · {time}",
    "came": "流入元",
    "pages": "見たページ",
    "more_pages": "ほか{count}ページ",
    "open": "この訪問者を開く",
    "direct": "直接",
    "search": "検索",
    "social": "SNS",
    "ad": "広告",
    "ai": "AIアシスタント",
    "email_class": "メール",
    "referral": "他サイト",
    "internal": "サイト内",
    "campaign": "キャンペーン {name}",
    "landed": "最初のページ {path}",
    "duplicate": "重複の可能性があります。同じ通知がすでに届いているかもしれません。",
    "duplicate_short": "【重複の可能性】",
    "digest": "遅れて届いた通知 {count}件",
    "digest_why": "{age}以上前のものなので、まとめてお知らせします。スコアの高い順:",
    "digest_more": "ほか{count}件は通知の一覧にあります",
    "date": "{number}月{day}日 {time}",
}


def labels(locale: str) -> Mapping[str, str]:
    """The words for `locale`. Some hold `{fields}` for `str.format`: give those escaped text only."""
    return _JA if is_japanese(locale) else _EN
