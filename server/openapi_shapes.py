"""What the API takes and answers, as JSON Schemas. The limits are those of the code."""

from __future__ import annotations

from typing import Any

from core.text import MAX_KEYS
from server.body import MAX_BODY, MAX_EVENT
from server.collect import MAX_EVENTS
from server.decide import MAX_SLOTS
from server.openapi_segment import PROPS, SEGMENT_SHAPES, TIME
from server.openapi_words import Text, data, listed, ref, shape, text, whole

_STAMP = {"type": "string", "format": "date-time"}

_SITE = text("The site's id", "サイトの ID", examples=["demo"])
_TOKEN = shape(
    ["string", "null"],
    "The visitor's token. Without a valid one, here or in the cookie `kz`, a new visitor is made",
    "訪問者のトークン。ここにも Cookie `kz` にも有効なものがなければ、新しい訪問者になる",
)
_SLOTS = listed(
    {"type": "string", "maxLength": 64},
    f"The page's slots, at most {MAX_SLOTS}",
    f"ページ内のスロット。{MAX_SLOTS} 個まで",
    maxItems=MAX_SLOTS,
)
_LANG = shape(
    ["string", "null"],
    "The page's language, for content in several",
    "ページの言語。複数言語のコンテンツで使う",
    maxLength=35,
)
_OWN: dict[str, dict[str, Any]] = {
    "Error": data(
        {
            "error": data(
                {
                    "code": text("Stable, for programs", "プログラム向けの変わらない符号"),
                    "field": text("What was wrong; may be empty", "誤りのあった項目。空のこともある"),
                    "message": text("For people", "人が読むための説明"),
                },
                needs=("code", "field", "message"),
            )
        },
        needs=("error",),
    ),
    "Rejected": data(
        {
            "index": whole("Which one, from 0", "何番目か（0 から）"),
            "code": text("Why, for programs", "理由の符号"),
            "field": text("The field at fault", "誤りのあった項目"),
            "message": text("Why, for people", "理由の説明"),
        },
        "An event of a batch that was refused; the others count",
        "まとめて送られたうち受け付けなかったイベント。ほかは数えられる",
    ),
    "Event": data(
        {
            "id": text(
                "Counts once in 24 hours, however often it is sent",
                "同じ ID は 24 時間に一度だけ数える",
                minLength=1,
                maxLength=100,
            ),
            "type": text("", "", enum=["page", "track", "identify", "group", "engage"]),
            "name": shape(
                ["string", "null"], "The name of a `track` event", "`track` のイベント名", maxLength=100
            ),
            "url": shape(["string", "null"], "The page's address", "ページの URL", maxLength=2048),
            "title": shape(["string", "null"], "The page's title", "ページのタイトル", maxLength=500),
            "ref": shape(["string", "null"], "The referrer", "リファラー", maxLength=2048),
            "user": shape("string", "Your user id, where you know it", "ユーザー ID（分かる場合）", maxLength=200),
            "at": shape(
                TIME,
                "When, by the client's clock: epoch ms or ISO 8601; up to 24 hours ago",
                "起きた時刻（クライアントの時計）。エポックミリ秒か ISO 8601、24 時間前まで",
            ),
            "props": {"type": ["object", "null"], "description": PROPS, "maxProperties": MAX_KEYS},
        },
        f"At most {MAX_EVENT} bytes (32 KB)",
        f"{MAX_EVENT} バイト（32 KB）まで",
        needs=("id", "type"),
    ),
    "Beacon": data(
        {
            "site": _SITE,
            "v": _TOKEN,
            "sentAt": shape(
                TIME,
                "The client's clock when it sent; corrects `at`",
                "送信したときのクライアントの時計。`at` を補正する",
            ),
            "events": listed(
                ref("Event"), f"At most {MAX_EVENTS}", f"{MAX_EVENTS} 件まで", maxItems=MAX_EVENTS
            ),
            "slots": _SLOTS,
            "lang": _LANG,
            "reset": shape("boolean", "Begin as a new visitor", "新しい訪問者として始める"),
            "preview": shape("string", "What a preview link gave the tab", "プレビューリンクがタブに渡した値"),
        },
        f"At most {MAX_BODY} bytes (500 KB)",
        f"{MAX_BODY} バイト（500 KB）まで",
        needs=("site",),
    ),
    "Ask": data(
        {
            "site": _SITE,
            "v": _TOKEN,
            "url": text("The page's address", "ページの URL", maxLength=2048),
            "slots": _SLOTS,
            "lang": text("The page's language", "ページの言語", maxLength=35),
        },
        needs=("site",),
    ),
    "Decision": {
        "type": ["object", "null"],
        "description": Text(
            "What fills the slot; `null`: keep the page's own", "スロットに入る内容。`null` なら元のまま"
        ),
        "properties": {
            "experience": text("The experience's id", "エクスペリエンスの ID"),
            "variant": text("The variant's id", "バリアントの ID"),
            "html": text("What to show", "表示する HTML"),
            "reason": text("Why this one", "選ばれた理由"),
        },
    },
    "Decisions": data(
        {
            "v": text(
                "The visitor's token; `<visitor id>.<signature>`", "訪問者のトークン。`<訪問者 ID>.<署名>`"
            ),
            "decisions": shape(
                "object", "By slot", "スロットごと", additionalProperties=ref("Decision")
            ),
            "rejected": listed(ref("Rejected"), "Events that were refused", "受け付けなかったイベント"),
        },
        needs=("v", "decisions"),
    ),
}  # fmt: skip

_ADMIN: dict[str, dict[str, Any]] = {
    "Visitor": data(
        {
            "id": text("The part of the token before the dot", "トークンの「.」より前"),
            "lead": shape(["string", "null"], "Who it is, once known", "誰か（判明後）"),
            "account": shape(["string", "null"], "The company", "企業"),
            "score": shape("number", "The exact sum of the ledger", "台帳の合計と必ず一致"),
            "intent": text("", "", enum=["low", "warm", "high"]),
            "session_count": whole(),
            "page_count": whole(),
            "engaged_ms": whole("Visible and active time", "表示中かつ操作のあった時間"),
            "audiences": listed({"type": "string"}),
            "ledger": listed(ref("Entry"), "Why this score", "スコアの根拠"),
            "topics": shape("object", "Interests, by topic", "トピックごとの関心"),
            "events": shape("object", "`count` and `last_at`, by name", "名前ごとの `count` と `last_at`"),
            "sessions": listed({"type": "object"}, "The last few", "最近のセッション"),
        },
        needs=("id", "score", "intent", "ledger"),
    ),
    "Account": shape("object", "`visitors`, and what they do together", "`visitors` と、全体の動き"),
    "Export": shape("object", "Everything that is kept", "保存しているすべて"),
    "Erased": data({"erased": listed({"type": "string"}, "The visitors", "訪問者")}, needs=("erased",)),
    "Link": data(
        {
            "lead": text("A lead's id", "リードの ID"),
            "email": text("An e-mail address", "メールアドレス"),
            "user_id": text("Your own user id", "自社のユーザー ID"),
            "visitor": text("Another visitor of the same person", "同じ人の別の訪問者"),
        }
    ),
    "Linked": data({"visitor": text(), "lead": text()}, needs=("visitor",)),
    "Preview": data(
        {
            "audiences": listed({"type": "string"}, "Seen as a member of these", "所属するオーディエンス"),
            "visitor": text("Seen as this visitor", "この訪問者として見る"),
            "draft": text("A site file, not published", "公開前のサイトファイル"),
            "variants": shape("object", "The variant of an experience", "エクスペリエンスごとのバリアント",
                              additionalProperties={"type": "string"}),
            "at": text("The moment, by the site's clock", "サイトの時計での時刻"),
            "to": text("The page to begin with", "最初に開くページ"),
            "life": text("How long it lasts, such as 1h", "有効な期間（1h など）"),
        }
    ),
    "Previewed": data({"url": text("The link", "リンク"), "until": _STAMP}, needs=("url",)),
    "Entry": data(
        {
            "event": text("The event that caused it", "もとになったイベント"),
            "rule": text("The rule that gave the points", "点を付けたルール"),
            "rule_version": whole(),
            "points": shape("number"),
            "at": _STAMP,
        }
    ),
    "Alert": data(
        {
            "id": text(),
            "rule": text("The alert rule", "アラートルール"),
            "visitor": text(),
            "state": text("", "", enum=["sent", "updated", "held", "failed", "suppressed", "pending"]),
            "why": shape(["string", "array", "object", "null"], "What set it off", "きっかけ"),
            "at": _STAMP,
            "sent_at": {"type": ["string", "null"], "format": "date-time"},
        }
    ),
    "Released": data(
        {
            "id": text(),
            "released": shape("boolean", "False: nobody had it", "false なら担当はいませんでした"),
            "owner": shape(["string", "null"], "Who has it now", "今の担当"),
        },
        needs=("id", "released"),
    ),
    "Site": data({"id": text(), "name": text(), "revision": whole()}),
    "Revision": data({"site": text(), "revision": whole(), "published_at": {"type": ["string", "integer"]}}),
    "DeadLetter": shape("object", "The event, and why it failed", "イベントと、処理できなかった理由"),
    "Status": data(
        {"status": text(), "problems": listed({"type": "string"}, "What is wrong", "問題点")},
        needs=("status",),
    ),
}  # fmt: skip

SHAPES: dict[str, dict[str, Any]] = _OWN | SEGMENT_SHAPES | _ADMIN
