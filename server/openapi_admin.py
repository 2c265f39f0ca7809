"""The routes of the admin API."""

from __future__ import annotations

from typing import Any

from server.admin import MAX_ALERTS
from server.openapi_words import NOTHING, Operation, Text, path, query, text, whole

_SITE = path("site", "The site's id", "サイトの ID", "demo")
_VISITOR = path("visitor", "The visitor's id", "訪問者の ID", "6c1f0a3b9d2e4f5a8b7c6d5e4f3a2b1c")
_LEAD = path("lead", "The lead's id", "リードの ID", "m0f1e2d3c4b5a69788796a5b4c")
_ACCOUNT = path("account", "The company's domain or name", "企業のドメインまたは名前", "acme.example")
_EMAIL = query("email", text("An e-mail address", "メールアドレス"))
_USER = query("user_id", text("Your own user id", "自社のユーザー ID"))
_LIMIT = query(
    "limit",
    whole("How many; 100 if left out", "件数。省略時は 100", minimum=1, maximum=MAX_ALERTS, default=100),
)
_ALERT = path("alert", "The alert's id", "アラートの ID", "5f3a9c0d1e2b4a6c8d7e")
_ANONYMOUS = query("anonymous_id", text("A Segment client's `anonymousId`", "Segment の `anonymousId`"))


def _admin(
    path: str,
    summary: Text,
    about: Text = NOTHING,
    *parameters: dict[str, Any],
    answer: str,
    method: str = "get",
    errors: tuple[int, ...] = (),
    **more: Any,
) -> Operation:
    asked = (400,) if any(one["in"] == "query" for one in parameters) else ()
    missing = (404,) if parameters else ()
    return Operation(
        method=method, path=f"/v1/admin/{path}", tag="Admin", summary=summary, about=about, parameters=parameters,
        answer=answer, errors=(*sorted({*asked, *missing, *errors, 401, 503}),), access="admin", **more,
    )  # fmt: skip


_READ = (
    _admin("sites", Text("The published sites", "公開中のサイト"), answer="[Site]",
           gives=[{"id": "demo", "name": "Acme ERP", "revision": 3}]),
    _admin("sites/{site}/revisions", Text("What was published when", "公開の履歴"),
           Text("Newest first.", "新しい順。"), _SITE, answer="[Revision]"),
    _admin("sites/{site}/visitors", Text("Find a visitor", "訪問者を探す"),
           Text("By one of the three.", "3 つのうちの 1 つで探します。"),
           _SITE, _ANONYMOUS, _EMAIL, _USER, answer="Visitor", example="?anonymous_id=507f191e810c"),
    _admin("sites/{site}/visitors/{visitor}", Text("One visitor", "訪問者"),
           Text("Profile, score with every point explained, audiences, sessions, pages.",
                "プロフィール、1 点ごとに根拠のあるスコア、オーディエンス、セッション、ページ。"),
           _SITE, _VISITOR, answer="Visitor",
           gives={"id": "6c1f0a3b…", "lead": "ann@example.com", "score": 30, "intent": "warm",
                  "ledger": [{"event": "b1d0…", "rule": "whitepaper", "rule_version": 3, "points": 30,
                              "at": "2026-10-12T03:04:05.000Z"}]}),
    _admin("sites/{site}/leads", Text("Find a lead", "リードを探す"),
           Text("By one of the two.", "どちらかで探します。"),
           _SITE, _EMAIL, _USER, answer="Visitor", example="?email=ann@example.com"),
    _admin("sites/{site}/leads/{lead}", Text("One lead", "リード"),
           Text("What a person's visitors share, and each one's part.",
                "同じ人の訪問者に共通するものと、それぞれの内訳。"),
           _SITE, _LEAD, answer="Visitor"),
    _admin("sites/{site}/accounts/{account}", Text("One company", "企業"),
           Text("Its people of the last seven days, and what they read.", "直近 7 日間の訪問者と、読んだもの。"),
           _SITE, _ACCOUNT, answer="Account"),
    _admin("sites/{site}/alerts", Text("Alerts", "アラート"),
           Text("Newest first, with state and reason.", "新しい順。状態と理由が付きます。"),
           _SITE, _LIMIT, answer="[Alert]"),
    _admin("sites/{site}/report/experiences", Text("What experiences are worth", "エクスペリエンスの効果"),
           Text("Each against its holdout; `?as=text` gives a table.",
                "ホールドアウトとの比較。`?as=text` で表になります。"),
           _SITE, answer="", errors=(400,)),
    _admin("sites/{site}/report/alerts", Text("What alerts are worth", "アラートの効果"),
           Text("Of rules with a holdout: the told against the held out; `?as=text` gives a table.",
                "ホールドアウトのあるルールで、通知した訪問者とそうでない訪問者の比較。`?as=text` で表。"),
           _SITE, answer="", errors=(400,)),
    _admin("dlq", Text("Dead letters", "処理できなかったイベント"),
           Text("Events that failed three times, with the reason.", "3 回失敗したイベントと、その理由。"),
           answer="[DeadLetter]"),
)  # fmt: skip

_PEOPLE = (
    _admin("sites/{site}/visitors/{visitor}/export", Text("Export a visitor", "訪問者のデータを書き出す"),
           Text("Everything that is kept, as it is kept.", "保存しているすべてを、そのままの形で。"),
           _SITE, _VISITOR, answer="Export"),
    _admin("sites/{site}/visitors/{visitor}", Text("Erase a visitor", "訪問者のデータを消去する"),
           Text("From every store; what comes late stays out.",
                "すべての保存先から消します。遅れて届くものも入りません。"),
           _SITE, _VISITOR, method="delete", status=202, answer="Erased"),
    _admin("sites/{site}/visitors/{visitor}/link", Text("Say whose visitor this is", "誰の訪問者かを指定する"),
           Text("Names one of the four.", "4 つのうちの 1 つで指定します。"), _SITE, _VISITOR, method="post",
           status=202, body="Link", answer="Linked", errors=(400,), example={"email": "ann@example.com"}),
    _admin("sites/{site}/visitors/{visitor}/unlink", Text("Take that back", "指定を取り消す"),
           Text("Or keep the visitor apart from its lead.", "または訪問者をリードから切り離します。"),
           _SITE, _VISITOR, method="post", status=202, answer="Linked"),
    _admin("sites/{site}/leads/{lead}/export", Text("Export a lead", "リードのデータを書き出す"), NOTHING,
           _SITE, _LEAD, answer="Export"),
    _admin("sites/{site}/leads/{lead}", Text("Erase a lead", "リードのデータを消去する"),
           Text("A person's part of every visitor, and nobody else's on a shared one.",
                "その人の分だけを消し、共有の訪問者のほかの人の分は残します。"),
           _SITE, _LEAD, method="delete", status=202, answer="Erased"),
    _admin("sites/{site}/alerts/{alert}/release", Text("Release an alert", "アラートの担当を外す"),
           Text("Takes it from whoever has claimed it, for everybody.",
                "担当している人から外し、ほかの人が担当できるようにします。"),
           _SITE, _ALERT, method="post", answer="Released"),
    _admin("sites/{site}/previews", Text("Make a preview", "プレビューを作る"),
           Text("A link that shows the site as an audience, a visitor or a draft would have it.",
                "オーディエンス、訪問者、下書きのとおりにサイトを見せるリンク。"),
           _SITE, method="post", status=201, body="Preview", answer="Previewed", errors=(400, 408, 413),
           example={"audiences": ["high_intent"], "to": "https://www.example.com/"}),
)  # fmt: skip

ADMIN: tuple[Operation, ...] = _READ + _PEOPLE
