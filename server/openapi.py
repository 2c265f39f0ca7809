"""`GET /openapi.json`: the API described as OpenAPI 3.1, of the routes that this server has."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from aiohttp import web

from server import state
from server.errors import json_response
from server.openapi_paths import OPERATIONS, TAGS
from server.openapi_sample import sample_of
from server.openapi_shapes import SHAPES
from server.openapi_words import LANGS, Operation, Text, localised, ref, shape

_INTRO = Text(
    "Kizashi sees the first signs that a visitor is about to buy, changes the page for them, and tells the "
    "salesperson. Times are ISO 8601 in UTC or epoch milliseconds.",
    "Kizashi は、訪問者が購入に近づいた兆しを捉え、ページを変え、営業担当者に知らせます。時刻は UTC の ISO 8601 か"
    "エポックミリ秒です。",
)
_STATUS: dict[int, Text] = {
    200: Text("Done", "成功"),
    201: Text("Made", "作成した"),
    202: Text("Accepted, and done within a moment", "受け付けた。すぐに反映される"),
    204: Text("Switched off; do not ask again", "使われていない。再接続は不要"),
    303: Text("Go to the page", "ページへ移る"),
    400: Text("Malformed, or something in it cannot be accepted", "形式または内容の誤り"),
    401: Text("The key or token is missing or wrong", "キーまたはトークンがない、または違う"),
    403: Text("The page's origin is not listed for the site", "このサイトに登録されていないオリジン"),
    404: Text("There is no such thing", "該当するものがない"),
    408: Text("The body took longer than 10 seconds", "本文の受信に 10 秒を超えた"),
    410: Text("It is over", "期限が切れている"),
    413: Text("The body is larger than 500 KB", "本文が 500 KB を超えている"),
    503: Text("It could not be kept or read: try again", "保存や読み出しができない。再試行してください"),
}
_SECURITY: dict[str, dict[str, Any]] = {
    "admin": {
        "type": "http",
        "scheme": "bearer",
        "description": Text("`KIZASHI_ADMIN_TOKEN`", "`KIZASHI_ADMIN_TOKEN`"),
    },
    "key": {
        "type": "http",
        "scheme": "basic",
        "description": Text(
            "The write key as user, the password empty", "ユーザー名に書き込みキー、パスワードは空"
        ),
    },
}


def add_openapi(app: web.Application) -> None:
    """Register `/openapi.json`."""
    app.router.add_get("/openapi.json", openapi_json)


async def openapi_json(request: web.Request) -> web.Response:
    """The description; `?lang=ja` in Japanese."""
    found = described(request)
    return json_response(found, headers={"Access-Control-Allow-Origin": "*"})


def described(request: web.Request) -> dict[str, Any]:
    """The document for one request: this server's routes, at its public address, in the reader's language."""
    base = request.app[state.SETTINGS].public_url.rstrip("/")
    return document(routes(request.app), base=base, lang=language(request))


def language(request: web.Request) -> str:
    """`?lang=`, else what the browser prefers of the two."""
    if (asked := request.query.get("lang", "")) in LANGS:
        return asked
    return "ja" if request.headers.get("Accept-Language", "").lower().startswith("ja") else "en"


def routes(app: web.Application) -> set[tuple[str, str]]:
    """(method, path) of every route, the method in small letters."""
    return {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
    }


def document(
    registered: Iterable[tuple[str, str]], *, base: str = "http://localhost:8080", lang: str = "en"
) -> dict[str, Any]:
    """The OpenAPI document of the operations among `registered`, its texts in one language."""
    there = set(registered)
    shown = [one for one in OPERATIONS if (one.method, one.path) in there]
    paths: dict[str, dict[str, Any]] = {}
    for one in shown:
        for path in (one.path, *one.also):
            paths.setdefault(path, {})[one.method] = _operation(one, path, base)
    used = {one.tag for one in shown}
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Kizashi", "version": version("kizashi"), "description": _INTRO},
        "servers": [{"url": base}],
        "tags": [
            {"name": name, "x-displayName": title, "description": about}
            for name, (title, about) in TAGS.items()
            if name in used
        ],
        "paths": paths,
        "components": {"schemas": SHAPES, "securitySchemes": _SECURITY},
    }
    found: dict[str, Any] = localised(whole, lang)
    return found


def _operation(one: Operation, path: str, base: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": _name(one.method, path),
        "tags": [one.tag],
        "summary": one.summary,
        "description": one.about,
        "parameters": list(one.parameters),
        "responses": {str(one.status): _answer(one)}
        | {str(status): _error(status, one) for status in one.errors},
    }
    if one.body:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": _content(one.body, one.example)},
        }
    if sample := sample_of(one, base + path):
        found["x-codeSamples"] = [{"lang": "Shell", "source": sample}]
    if one.access == "admin":
        found["security"] = [{"admin": []}]
    elif one.access == "key":
        found["security"] = [{"key": []}, {}]  # or `writeKey` in the body
    return found


def _answer(one: Operation) -> dict[str, Any]:
    content = _content(one.answer, one.gives) if one.answer else {"schema": _any(one.kind)}
    return {"description": _STATUS[one.status], "content": {one.kind: content}}


def _any(kind: str) -> dict[str, Any]:
    return {"type": "object"} if kind.endswith("json") else {"type": "string"}


def _content(name: str, example: Any) -> dict[str, Any]:
    schema = shape("array", items=ref(name[1:-1])) if name.startswith("[") else ref(name)
    return {"schema": schema, **({"example": example} if example is not None else {})}


def _error(status: int, one: Operation) -> dict[str, Any]:
    if status < 400:
        return {"description": _STATUS[status]}
    if status == 410:
        return {"description": _STATUS[status], "content": {"text/plain": {"schema": {"type": "string"}}}}
    name = "Status" if one.answer == "Status" else "Error"
    return {"description": _STATUS[status], "content": {"application/json": {"schema": ref(name)}}}


def _name(method: str, path: str) -> str:
    words = [word.strip("{}") for word in path.replace(".", "/").split("/") if word and word != "v1"]
    return "_".join([method, *words])
