"""`GET /docs`: the API description as a page. No script, nothing from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web
from markupsafe import Markup, escape

from server.openapi import described, language

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Language",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
#: How deep fields within fields are listed.
MAX_DEPTH = 2
_WORDS = {
    "en": {
        "title": "API reference",
        "language": "Language",
        "contents": "Contents",
        "skip": "Skip to the content",
        "parameters": "Parameters",
        "body": "Body",
        "answer": "Answer",
        "errors": "Errors",
        "required": "required",
        "also": "also",
        "try": "Request",
        "admin": "Admin token",
        "key": "Write key",
        "machine": "OpenAPI 3.1",
        "fields": "{n} fields",
        "error_shape": "Every error has this shape; `field` names what was wrong.",
    },
    "ja": {
        "title": "API リファレンス",
        "language": "言語",
        "contents": "目次",
        "skip": "本文へ",
        "parameters": "パラメーター",
        "body": "本文",
        "answer": "応答",
        "errors": "エラー",
        "required": "必須",
        "also": "短い形",
        "try": "リクエスト",
        "admin": "管理トークン",
        "key": "書き込みキー",
        "machine": "OpenAPI 3.1",
        "fields": "{n} 項目",
        "error_shape": "エラーはすべてこの形です。`field` が誤りのあった項目を示します。",
    },
}  # fmt: skip
ERROR = {"error": {"code": "too_large", "field": "batch[3]", "message": "is larger than 32768 bytes (32 KB)"}}


def add_docs(app: web.Application) -> None:
    """Register `/docs`."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates" / "docs"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["prose"] = prose
    env.filters["breakable"] = breakable
    env.filters["pretty"] = pretty

    async def docs(request: web.Request) -> web.Response:
        lang = language(request)
        api = described(request)
        page = env.get_template("page.html").render(
            lang=lang, t=_WORDS[lang], api=api, sections=sections(api), error=ERROR
        )
        headers = HEADERS | {"Content-Language": lang}
        return web.Response(text=page, content_type="text/html", headers=headers)

    app.router.add_get("/docs", docs)


def sections(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The document as the page shows it: tags with their operations, short paths beside the long ones."""
    found: dict[str, dict[str, Any]] = {tag["name"]: tag | {"operations": []} for tag in document["tags"]}
    by_text: dict[str, dict[str, Any]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            same = f"{method} {operation['tags']} {operation['summary']}"
            if same in by_text:
                by_text[same]["also"].append(path)
                continue
            shown = by_text[same] = _shown(document, path, method, operation)
            found[operation["tags"][0]]["operations"].append(shown)
    return list(found.values())


def _shown(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    answers = operation["responses"]
    kind, answer = next(iter(next(iter(answers.values()))["content"].items()))
    security = [name for one in operation.get("security", []) for name in one]
    return {
        "id": operation["operationId"],
        "path": path,
        "also": [],
        "method": method.upper(),
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "access": security[0] if security else "",
        "parameters": [_parameter(one) for one in operation["parameters"]],
        "body": list(_rows(document, body.get("schema", {}))),
        "note": _resolved(document, body.get("schema", {})).get("description", ""),
        "answer": [row | {"required": False} for row in _rows(document, answer["schema"])],
        "kind": kind,
        "gives": answer.get("example"),
        "sample": next((one["source"] for one in operation.get("x-codeSamples", [])), ""),
        "errors": [(status, one["description"]) for status, one in list(answers.items())[1:]],
    }


def _parameter(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": one["name"],
        "type": _type(one["schema"]),
        "required": one["required"] and one["in"] != "path",
        "description": one.get("description", ""),
        "depth": 0,
    }


def _rows(document: dict[str, Any], schema: dict[str, Any], depth: int = 0) -> Iterator[dict[str, Any]]:
    """The fields of a shape, those within fields after them."""
    schema = _resolved(document, schema)
    if schema.get("type") == "array":
        schema = _resolved(document, schema["items"])
    for name, field in schema.get("properties", {}).items():
        whole = _resolved(document, field)
        yield {
            "name": name,
            "type": _type(whole),
            "required": name in schema.get("required", ()),
            "description": field.get("description") or whole.get("description", ""),
            "depth": depth,
        }
        if depth < MAX_DEPTH:
            yield from _rows(document, field, depth + 1)


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(schema["enum"])
    kinds = schema.get("type", "")
    kinds = [kinds] if isinstance(kinds, str) else [kind for kind in kinds if kind != "null"]
    if "integer" in kinds and "number" in kinds:
        kinds.remove("integer")
    return " | ".join(kinds)


def prose(text: str) -> Markup:
    """Text with `code` as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  (escaped before)


def breakable(path: str) -> Markup:
    """A path that may break after its slashes."""
    return Markup("/<wbr>").join(path.split("/"))


def pretty(value: Any) -> str:
    """JSON to read."""
    return json.dumps(value, ensure_ascii=False, indent=2)
