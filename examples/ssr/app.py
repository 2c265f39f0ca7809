"""A page rendered with this visitor's decisions: Python's standard library alone. See README.md."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from hashlib import sha256
from html import escape
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urljoin, urlsplit

KIZASHI = os.environ.get("KIZASHI_URL", "http://localhost:8080")
SITE = os.environ.get("KIZASHI_SITE", "demo")
PORT = int(os.environ.get("PORT", "3000"))
SCRIPT = os.environ.get("KIZASHI_SCRIPT", f"{KIZASHI}/kizashi.js")
WAIT_S = int(os.environ.get("KIZASHI_WAIT_MS", "300")) / 1000  # a page does not wait longer
YEAR_S = 31_536_000

ATTRIBUTE = re.compile(r"(class|title|alt|href|src|(aria|data)-[\w-]+)")

#: slot -> its tag, its attributes and its content as every visitor sees them unless an experience says otherwise
ORIGINALS: dict[str, tuple[str, dict[str, str], str]] = {
    "hero": ("section", {}, "<h1>Run your company on one system</h1>"),
    "greeting": ("p", {}, "Good to see you."),
    "cta": ("a", {"href": "/contact"}, "Ask us"),
}


def decisions(token: str | None, url: str) -> tuple[str | None, dict[str, Any]]:
    """The visitor's token and what fills the slots; the same token and nothing where Kizashi does not answer."""
    ask = {"site": SITE, "v": token, "url": url, "slots": list(ORIGINALS), "lang": "en"}
    request = urllib.request.Request(  # noqa: S310 - the address is the operator's
        f"{KIZASHI}/v1/decisions", json.dumps(ask).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as response:  # noqa: S310
            answer = json.load(response)
        return answer["v"], dict(answer["decisions"])
    except (OSError, ValueError, TypeError, KeyError):
        return token, {}


def slot(name: str, decision: Any) -> str:
    """One slot's HTML."""
    tag, attributes, content = ORIGINALS[name]
    decision = decision if isinstance(decision, dict) else {}
    if isinstance(decision.get("attr"), dict):
        attributes = attributes | {
            key: str(value) for key, value in decision["attr"].items() if safe(key, value)
        }
    elif isinstance(decision.get("text"), str):
        content = escape(decision["text"])
    elif isinstance(decision.get("html"), str) and not decision.get("redirect"):
        content = decision["html"]
    written = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f'<{tag} data-kz-slot="{name}"{written}>{content}</{tag}>'


def safe(name: str, value: Any) -> bool:
    """Whether an attribute may be set: the snippet's own rule."""
    if not isinstance(value, str) or not ATTRIBUTE.fullmatch(name):
        return False
    plain = re.sub(r"[\x00-\x20]", "", value)  # as browsers read an address
    return not plain.lower().startswith("javascript:")


def short(target: str) -> str:
    """What the cookie remembers of an address."""
    return sha256(target.encode()).hexdigest()[:16]


def redirect(found: dict[str, Any], url: str, gone: list[str]) -> str | None:
    """Where the visitor is sent, if anywhere: to no page twice."""
    for decision in found.values():
        wish = decision.get("redirect") if isinstance(decision, dict) else None
        target = urljoin(url, wish) if isinstance(wish, str) else ""
        if urlsplit(target).scheme in ("http", "https") and target != url and short(target) not in gone:
            return target
    return None


def render(found: dict[str, Any]) -> bytes:
    """The whole page."""
    slots = "\n".join(slot(name, found.get(name)) for name in ORIGINALS)
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>Acme ERP</title>
<script async src="{escape(SCRIPT)}" data-site="{escape(SITE)}" data-timeout="0"></script>
</head>
<body>
{slots}
</body>
</html>"""
    return page.encode()


class Handler(BaseHTTPRequestHandler):
    """Every path is the same page."""

    def do_GET(self) -> None:
        jar = SimpleCookie(self.headers.get("Cookie", ""))
        token = jar["kz"].value if "kz" in jar else None
        gone = jar["kz_gone"].value.split(".") if "kz_gone" in jar else []
        url = f"http://{self.headers.get('Host', '')}{self.path}"
        new_token, found = decisions(token, url)
        target = redirect(found, url, gone)
        body = b"" if target else render(found)
        self.send_response(302 if target else 200)
        if target:
            self.send_header("Location", target)
            seen = ".".join([*gone, short(target)])
            self.send_header("Set-Cookie", f"kz_gone={seen}; Path=/; HttpOnly; SameSite=Lax")
        if new_token and new_token != token:  # add `Secure` where the site is on https
            self.send_header(
                "Set-Cookie", f"kz={new_token}; Path=/; Max-Age={YEAR_S}; HttpOnly; SameSite=Lax"
            )
        self.send_header("Cache-Control", "private, no-store")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
