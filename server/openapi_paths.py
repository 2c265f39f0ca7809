"""Every route of the public and the admin API: what it is for, what it takes, what it answers.

A route that is registered and missing here fails a test; one that is here and not registered is not shown.
"""

from __future__ import annotations

from typing import Any

from server.openapi_admin import ADMIN
from server.openapi_words import Operation, Text, path, query, text

TAGS: dict[str, tuple[Text, Text]] = {
    "Visits": (
        Text("Visits", "訪問"),
        Text(
            "What the snippet and your own pages call: events in, decisions out.",
            "スニペットや自社のページが呼ぶもの。イベントを送り、表示内容を受け取ります。",
        ),
    ),
    "Segment": (
        Text("Segment-compatible", "Segment 互換"),
        Text(
            "Segment's HTTP Tracking API: existing clients work with only their host changed. The write key goes "
            "as the Basic user or as `writeKey` in the body.",
            "Segment の HTTP Tracking API。既存のクライアントはホストを変えるだけで動きます。書き込みキーは "
            "Basic 認証のユーザー名か、本文の `writeKey` に入れます。",
        ),
    ),
    "Sales": (Text("Slack", "Slack"), Text("What Slack calls.", "Slack から呼ばれるもの。")),
    "Admin": (
        Text("Admin", "管理"),
        Text(
            "Opened by the bearer token `KIZASHI_ADMIN_TOKEN` (or the file `admin_token` in the data directory).",
            "トークン `KIZASHI_ADMIN_TOKEN`（またはデータディレクトリの `admin_token` ファイル）を "
            "Bearer で送ります。",
        ),
    ),
    "Operations": (
        Text("Operations", "運用"),
        Text("For load balancers, monitoring and tools.", "ロードバランサー、監視、ツール向け。"),
    ),
}

_TOKEN = "6c1f0a….Jx0…"  # noqa: S105  (an example, not a secret)
_DONE = {"success": True}
_WHO = {"anonymousId": "507f191e810c", "messageId": "ajs-1f0c", "timestamp": "2026-10-12T03:04:05.000Z"}
_KEY_ERRORS = (400, 401, 403, 408, 413, 503)
_LANG = query("lang", text("`en` or `ja`", "`en` か `ja`", enum=["en", "ja"]))


def _segment(
    kind: str, short: str, summary: Text, about: Text, body: str, example: dict[str, Any]
) -> Operation:
    return Operation(
        method="post", path=f"/v1/{kind}", also=(f"/v1/{short}",), tag="Segment", summary=summary, about=about,
        body=body, answer="Accepted", errors=_KEY_ERRORS, access="key", example=example, gives=_DONE,
    )  # fmt: skip


_VISITS = (
    Operation(
        method="post", path="/v1/beacon", tag="Visits",
        summary=Text("Send events, get decisions", "イベントを送り、表示内容を受け取る"),
        about=Text(
            "What the snippet sends, as JSON or `text/plain`. Answered once the events are durable; sets the "
            "cookie `kz`. With `Sec-GPC: 1` nothing is stored.",
            "スニペットが送るもの。JSON でも `text/plain` でもかまいません。イベントが確実に保存されてから応答し、"
            "Cookie `kz` を設定します。`Sec-GPC: 1` があれば何も保存しません。",
        ),
        body="Beacon", answer="Decisions", errors=(400, 403, 404, 408, 413, 503),
        example={
            "site": "demo", "v": _TOKEN, "sentAt": 1793581200500, "lang": "en", "slots": ["hero"],
            "events": [{"id": "b1d0…", "type": "page", "url": "https://www.example.com/pricing",
                        "title": "Pricing", "ref": "", "at": 1793581200000, "props": {}}],
        },
        gives={"v": _TOKEN, "decisions": {"hero": {
            "experience": "top-hero", "variant": "image", "html": "<h1>…</h1>",
            "reason": "audience first_time (3rd of 3 choices), variant image 100 %"}}},
    ),
    Operation(
        method="post", path="/v1/decisions", tag="Visits",
        summary=Text("Decisions without an event", "イベントなしで表示内容だけを受け取る"),
        about=Text("For pages rendered on a server. Records nothing.",
                   "サーバーで描画するページ向け。何も記録しません。"),
        body="Ask", answer="Decisions", errors=(400, 403, 404, 408, 413, 503),
        example={"site": "demo", "v": _TOKEN, "url": "https://www.example.com/", "slots": ["hero"]},
        gives={"v": _TOKEN, "decisions": {"hero": None}},
    ),
    Operation(
        method="get", path="/v1/live", tag="Visits",
        summary=Text("Decisions as they change", "表示内容の変化を受け取り続ける"),
        about=Text("Server-Sent Events: `decisions` whenever this visitor's decisions change.",
                   "Server-Sent Events。この訪問者の表示内容が変わるたびに `decisions` が届きます。"),
        parameters=(query("site", text("The site's id", "サイトの ID"), needed=True),
                    query("v", text("The visitor's token; else the cookie `kz`",
                                    "訪問者のトークン。なければ Cookie `kz`")),
                    query("slot", text("A slot of the page; may be given several times",
                                       "ページのスロット。複数指定できる", maxLength=64)),
                    query("lang", text("The page's language", "ページの言語", maxLength=35)),
                    query("after", text("The event the page sent last: its effect is waited for",
                                        "ページが最後に送ったイベント。その結果を待つ", maxLength=128))),
        kind="text/event-stream", example=f"?site=demo&v={_TOKEN}&slot=hero",
        errors=(204, 400, 401, 403, 404, 503),
    ),
    Operation(
        method="get", path="/v1/preview", tag="Visits",
        summary=Text("Begin or end a preview", "プレビューの開始と終了"),
        about=Text("The link that `previews` of the admin API makes: sets a cookie and goes to the page.",
                   "管理 API の `previews` が作るリンク。Cookie を設定し、ページへ移ります。"),
        parameters=(query("t", text("The signed preview", "署名されたプレビュー")),
                    query("to", text("The page to go to", "移る先のページ")),
                    query("off", text("Ends the preview", "プレビューを終える"))),
        kind="text/plain", errors=(303, 400, 410),
    ),
    Operation(
        method="get", path="/v1/p.gif", tag="Visits",
        summary=Text("The pixel, for mails and pages without scripts", "メールやスクリプトのないページ向けの画像"),
        about=Text(
            "Records an event and answers a transparent GIF, always: no mistake shows a broken picture. "
            "Without a signed token nothing is recorded. Any other parameter becomes a property of the event.",
            "イベントを記録し、必ず透明な GIF を返します。誤った指定でも画像は壊れません。署名されたトークンが"
            "なければ何も記録しません。そのほかのパラメーターはイベントの属性になります。",
        ),
        parameters=(
            query("site", text("The site's id", "サイトの ID", examples=["demo"])),
            query("v", text("The visitor's token; else the cookie `kz`",
                            "訪問者のトークン。なければ Cookie `kz`")),
            query("e", text("The event: `email_open` if left out, `page`, or a name of yours",
                            "イベント名。省略時は `email_open`。`page` や独自の名前も可")),
            query("m", text("The message's id: counts once in 24 hours", "メールの ID。24 時間に一度だけ数える")),
            query("url", text("The page's address; of a page, its Referer otherwise",
                              "ページの URL。`page` では省略時に Referer を使う")),
            query("title", text("The page's title", "ページのタイトル")),
        ),
        kind="image/gif", example=f"?site=demo&v={_TOKEN}&m=newsletter-12",
    ),
    Operation(
        method="get", path="/kizashi.js", tag="Visits",
        summary=Text("The snippet", "スニペット"),
        about=Text("The browser code that the tag loads.", "タグが読み込むブラウザー用コード。"),
        kind="text/javascript",
    ),
    Operation(
        method="get", path="/kizashi-live.js", tag="Visits",
        summary=Text("The snippet's second file", "スニペットの2つ目のファイル"),
        about=Text("Loaded by itself where a page is kept up to date live.",
                   "ページをライブ更新するときに自動で読み込まれます。"),
        kind="text/javascript",
    ),
    Operation(
        method="get", path="/site.schema.json", tag="Operations",
        summary=Text("The site file's JSON Schema", "サイトファイルの JSON Schema"),
        about=Text("For editors that complete and check while you type.", "入力補完と検査をするエディター向け。"),
        kind="application/schema+json",
    ),
)  # fmt: skip

_SEGMENT = (
    _segment("page", "p", Text("A page was seen", "ページの閲覧"), Text("", ""), "Page",
             {**_WHO, "name": "Pricing", "properties": {"url": "https://www.example.com/pricing"}}),
    _segment("screen", "s", Text("A screen was seen", "画面の閲覧"),
             Text("Of an app; counts as a page.", "アプリの画面。ページとして数えます。"), "Page",
             {**_WHO, "name": "Cart"}),
    _segment("track", "t", Text("Something happened", "できごと"),
             Text("Names of other types (`page`, `identify`, …) are refused.",
                  "ほかの種類の名前（`page`、`identify` など）は使えません。"), "Track",
             {**_WHO, "event": "whitepaper_download", "properties": {"title": "ERP guide"}}),
    _segment("identify", "i", Text("Who somebody is", "誰であるか"),
             Text("Traits are kept; `userId` becomes the trait `id`.",
                  "属性を保存します。`userId` は属性 `id` になります。"), "Identify",
             {**_WHO, "userId": "u-1042", "traits": {"email": "ann@example.com", "title": "CEO"}}),
    _segment("group", "g", Text("Which company somebody belongs to", "どの企業に属するか"), Text("", ""), "Group",
             {**_WHO, "groupId": "acme", "traits": {"name": "Acme"}}),
    _segment("alias", "a", Text("Two ids are one person", "2 つの ID は同じ人"),
             Text("What `previousId` did belongs to `userId`.",
                  "`previousId` の行動は `userId` のものになります。"),
             "Alias", {"previousId": "507f191e810c", "userId": "u-1042"}),
    Operation(
        method="post", path="/v1/batch", also=("/v1/b",), tag="Segment",
        summary=Text("Several calls at once", "まとめて送る"),
        about=Text("Each bad call is listed in `rejected` with its reason; the good ones count. May be gzipped.",
                   "誤りのある呼び出しは理由とともに `rejected` に並び、ほかは数えられます。gzip も使えます。"),
        body="Batch", answer="Accepted", errors=_KEY_ERRORS, access="key",
        example={"batch": [{"type": "track", **_WHO, "event": "invoice_paid"}],
                 "sentAt": "2026-10-12T03:04:06.000Z"},
        gives=_DONE,
    ),
    Operation(
        method="post", path="/v1/m", tag="Segment",
        summary=Text("The client's own measurements", "クライアント自身の計測値"),
        about=Text("Accepted and not kept.", "受け取りますが、保存しません。"),
        body="ClientMetrics", answer="Accepted", errors=(408, 413), gives=_DONE,
    ),
    Operation(
        method="get", path="/v1/projects/{write_key}/settings", tag="Segment",
        summary=Text("Settings of the browser client", "ブラウザー用クライアントの設定"),
        about=Text("What `@segment/analytics-next` asks for first, at its `cdnURL`.",
                   "`@segment/analytics-next` が最初に `cdnURL` へ取りに来るもの。"),
        parameters=(path("write_key", "The site's write key", "サイトの書き込みキー", "demo-write-key",
                         pattern="^[A-Za-z0-9_-]{1,128}$"),),
        answer="ClientSettings", errors=(401, 403, 503),
        gives={"integrations": {"Segment.io": {
            "apiKey": "demo-write-key", "apiHost": "k.example.com/v1", "protocol": "https"}}},
    ),
)  # fmt: skip

_OPERATIONS = (
    Operation(
        method="post", path="/slack/interactions", tag="Sales",
        summary=Text("Button clicks", "ボタンの操作"),
        about=Text("Called by Slack; its signature is checked.", "Slack が呼びます。署名を確かめます。"),
        errors=(400, 401, 404, 408, 413, 503), kind="text/plain",
    ),
    Operation(method="get", path="/healthz", tag="Operations", answer="Status", gives={"status": "ok"},
              summary=Text("Alive", "動いているか")),
    Operation(method="get", path="/readyz", tag="Operations", answer="Status", errors=(503,),
              summary=Text("Can do its job", "役目を果たせるか"), gives={"status": "ready"},
              about=Text("503 and `problems` where it cannot.", "果たせないときは 503 と `problems`。")),
    Operation(method="get", path="/metrics", tag="Operations", kind="text/plain",
              summary=Text("Metrics, in Prometheus' format", "Prometheus 形式のメトリクス")),
    Operation(method="get", path="/openapi.json", tag="Operations", answer="", parameters=(_LANG,),
              summary=Text("This description, as OpenAPI 3.1", "この説明（OpenAPI 3.1）")),
    Operation(method="get", path="/docs", tag="Operations", kind="text/html", parameters=(_LANG,),
              summary=Text("This page", "このページ")),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = _VISITS + _SEGMENT + ADMIN + _OPERATIONS
