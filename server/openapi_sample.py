"""How to try a route from a shell. Pure."""

from __future__ import annotations

import json
from html import escape

from server.openapi_words import Operation

_ACCESS = {"admin": '-H "Authorization: Bearer $KIZASHI_ADMIN_TOKEN"', "key": "-u demo-write-key:"}


def sample_of(one: Operation, url: str) -> str:
    """A `curl` command; for a picture the tag that shows it; "" for what Slack calls."""
    if one.tag == "Sales":
        return ""
    for part in one.parameters:
        if part["in"] == "path":
            url = url.replace("{" + part["name"] + "}", part["example"])
    if isinstance(one.example, str):
        url += one.example
    if one.kind == "image/gif":
        return f'<img src="{escape(url)}" alt="">'
    quoted = f"'{url}'" if "?" in url else url
    verb = (
        f"-X {one.method.upper()} "
        if one.method == "delete" or (one.method == "post" and not one.body)
        else ""
    )
    parts = [f"curl {verb}{quoted}", _ACCESS.get(one.access, "")]
    if one.body:
        parts.append("-H 'Content-Type: application/json'")
        parts.append(f"-d '{json.dumps(one.example or {}, ensure_ascii=False, indent=2)}'")
    return " \\\n  ".join(part for part in parts if part)
