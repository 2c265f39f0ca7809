"""The calls of Segment's HTTP API, as JSON Schemas. The limits are those of the code."""

from __future__ import annotations

from typing import Any

from core.text import MAX_KEYS
from server.body import MAX_BODY, MAX_EVENT
from server.openapi_words import Text, data, listed, ref, shape, text
from server.segment import MAX_CALLS
from server.segment_call import MAX_ID

TIME = ["integer", "number", "string", "null"]
PROPS = Text(
    f"What the event carries: {MAX_KEYS} keys, six levels",
    f"イベントの中身。キーは {MAX_KEYS} 個、階層は 6 段まで",
)

_ID = ["string", "integer", "number", "null"]
_COMMON: dict[str, Any] = {
    "anonymousId": shape(
        _ID,
        f"Who, before anybody signs in; at most {MAX_ID} characters. One of the two ids is needed",
        f"ログイン前の識別子、{MAX_ID} 文字まで。2 つの ID のどちらかが必要",
    ),
    "userId": shape(_ID, "Who, by your own user id", "自社のユーザー ID"),
    "messageId": shape(
        _ID, "Counts once in 24 hours; at most 100 characters", "24 時間に一度だけ数える。100 文字まで"
    ),
    "context": shape(
        ["object", "null"],
        "Read: `page` (url, title, referrer), `campaign`, `locale`, `userAgent`",
        "使うもの: `page`（url, title, referrer）、`campaign`、`locale`、`userAgent`",
    ),
    "timestamp": shape(
        TIME,
        "When, by the client's clock; up to 24 hours ago",
        "起きた時刻（クライアントの時計）。24 時間前まで",
    ),
    "originalTimestamp": shape(TIME, "Goes before `timestamp`", "`timestamp` より優先"),
    "sentAt": shape(
        TIME,
        "The client's clock when it sent; corrects `timestamp`",
        "送信時のクライアントの時計。`timestamp` を補正",
    ),
    "receivedAt": shape(
        TIME,
        "Set by a Segment server that passed the call on; `timestamp` then holds as it is",
        "Segment のサーバーを経由したときに付く。その場合 `timestamp` をそのまま使う",
    ),
    "writeKey": shape(
        ["string", "null"], "Where it is not the Basic user", "Basic 認証のユーザー名にしない場合"
    ),
}
_PROPERTIES = {"type": ["object", "null"], "description": PROPS, "maxProperties": MAX_KEYS}
_TRAITS = {
    "type": ["object", "null"],
    "description": Text("What is known of them", "わかっている属性"),
    "maxProperties": MAX_KEYS,
}
_NAME = shape(["string", "null"], "The page's name", "ページ名")
_PAGE = {
    "name": _NAME,
    "category": shape(["string", "null"], "The page's category", "ページの分類"),
    "properties": _PROPERTIES,
}
_OF_A_TYPE: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "Page": (_PAGE, ()),
    "Track": (
        {
            "event": text("The event's name", "イベント名", minLength=1, maxLength=100),
            "properties": _PROPERTIES,
        },
        ("event",),
    ),
    "Identify": ({"traits": _TRAITS}, ()),
    "Group": ({"groupId": shape(_ID[:-1], "The company's id", "企業の ID"), "traits": _TRAITS}, ("groupId",)),
    "Alias": (
        {"previousId": shape(_ID[:-1], "The `anonymousId` so far", "これまでの `anonymousId`")},
        ("previousId", "userId"),
    ),
}
_LIMIT = Text(f"At most {MAX_EVENT} bytes (32 KB)", f"{MAX_EVENT} バイト（32 KB）まで")
SEGMENT_SHAPES: dict[str, dict[str, Any]] = {
    name: data({**own, **_COMMON}, *_LIMIT, needs=needs)
    for name, (own, needs) in _OF_A_TYPE.items()
} | {
    "Batch": data(
        {
            "batch": listed(
                data(
                    {
                        "type": text("", "", enum=["page", "screen", "track", "identify", "group", "alias"]),
                        **{key: value for own, _ in _OF_A_TYPE.values() for key, value in own.items()},
                        **_COMMON,
                    },
                    needs=("type",),
                ),
                f"Calls of any type with their `type`; at most {MAX_CALLS}, 32 KB each",
                f"`type` を付けた呼び出し。{MAX_CALLS} 件、各 32 KB まで",
                maxItems=MAX_CALLS,
            ),
            "context": shape(["object", "null"], "Holds for all of them", "すべてに共通"),
            "sentAt": _COMMON["sentAt"],
            "writeKey": _COMMON["writeKey"],
        },
        f"At most {MAX_BODY} bytes (500 KB)",
        f"{MAX_BODY} バイト（500 KB）まで",
        needs=("batch",),
    ),
    "ClientMetrics": shape("object", "Anything", "内容は問わない"),
    "Accepted": data(
        {
            "success": shape("boolean"),
            "rejected": listed(ref("Rejected"), "Calls that were refused", "受け付けなかった呼び出し"),
        },
        needs=("success",),
    ),
    "ClientSettings": data({"integrations": shape("object")}, needs=("integrations",)),
}  # fmt: skip
