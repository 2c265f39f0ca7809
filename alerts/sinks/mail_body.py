"""A message's blocks as the two bodies of an e-mail, plain text and HTML. Pure.

Everything a visitor supplied is escaped in the blocks already (`alerts.escape`); here Slack's three entities
become text again, and the text is escaped for HTML. Nothing is loaded from elsewhere when the mail is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from alerts.escape import one_line
from alerts.sinks.base import Message
from alerts.words import is_japanese

Block: TypeAlias = Mapping[str, Any]
#: What a part of a mrkdwn text is: as it stands, bold, or a link with its URL.
Part: TypeAlias = tuple[str, str]
Draw: TypeAlias = Callable[[str, str], str]

_EMOJI = {
    "warning": "⚠️",
    "point_right": "👉",
    "white_check_mark": "✅",
    "raised_hand": "✋",
    "zzz": "💤",
    "no_entry_sign": "🚫",
    "bell": "🔔",
    "alarm_clock": "⏰",
    "speech_balloon": "💬",
    "test_tube": "🧪",
}
#: `alerts.escape` keeps a visitor's marks from formatting by this on both sides of them.
_APART = "\u200b"
_EDGE = rf"(?![A-Za-z0-9{_APART}])"
_TOKENS = re.compile(
    rf"<(?P<url>[^<>|\n]+)(?:\|(?P<label>[^<>\n]*))?>"
    rf"|(?<![A-Za-z0-9{_APART}])\*(?=[^\s{_APART}])(?P<bold>[^\n]+?)(?<=[^\s{_APART}])\*{_EDGE}"
)
_CODE = re.compile(r":([a-z0-9_+\-]+):")
#: What mail programs make a link of by themselves. A word joiner in it is not seen and keeps it text.
_AUTO_LINK = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
_PAGE = Markup(
    '<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title></head>'
    '<body style="font-family:sans-serif;font-size:15px;line-height:1.5;color:#1d1c1d">{body}</body></html>'
)


def subject(message: Message, *, limit: int = 180) -> str:
    """The message's notification text as one line without anything that could end a header."""
    line = one_line(_decoded(str(message.get("text") or "")))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def plain_body(message: Message) -> str:
    """The message as plain text: a link is its label and its URL."""
    paragraphs = [_paragraph(block, _as_text) for block in _blocks(message)]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def html_body(message: Message, locale: str) -> str:
    """The message as a page of HTML."""
    body = Markup("\n").join(_drawn(block) for block in _blocks(message))
    lang = "ja" if is_japanese(locale) else "en"
    return str(_PAGE.format(lang=lang, title=subject(message), body=body))


def _blocks(message: Message) -> Sequence[Block]:
    blocks: Sequence[Block] = message.get("blocks") or ()
    return blocks or [{"type": "section", "text": {"type": "mrkdwn", "text": message.get("text") or ""}}]


def _drawn(block: Block) -> Markup:
    if block.get("type") == "divider":
        return Markup("<hr>")
    tag, style = {
        "header": ("h2", "font-size:20px;margin:0 0 8px"),
        "context": ("p", "color:#616061;font-size:13px"),
    }.get(str(block.get("type")), ("p", "margin:12px 0"))
    inside = Markup(_paragraph(block, _as_html).replace("\n", "<br>\n"))  # noqa: S704 - drawn by _as_html
    return Markup('<{tag} style="{style}">{inside}</{tag}>').format(tag=tag, style=style, inside=inside)


def _paragraph(block: Block, draw: Draw) -> str:
    return "\n".join(filter(None, (_text(item, draw) for item in _texts(block))))


def _texts(block: Block) -> list[Mapping[str, Any]]:
    """The texts and buttons of a block, in the order they are read."""
    found = [block.get("text"), *(block.get("fields") or ()), block.get("accessory")]
    return [item for item in (*found, *(block.get("elements") or ())) if isinstance(item, Mapping)]


def _text(item: Mapping[str, Any], draw: Draw) -> str:
    if item.get("type") == "button":  # one without a URL works in Slack only
        label = _entities(str((item.get("text") or {}).get("text") or ""))
        return draw(label, str(item["url"])) if _harmless(str(item.get("url") or "")) else ""
    text = str(item.get("text") or "")
    if item.get("type") == "plain_text":
        return draw(_entities(text), "")
    return "".join(draw(shown, kind) for shown, kind in _parts(text)) if item.get("type") == "mrkdwn" else ""


def _parts(text: str) -> list[Part]:
    """A mrkdwn text as (what is shown, "" for text, "*" for bold, else the URL)."""
    parts, last = [], 0
    for token in _TOKENS.finditer(text):
        parts.append((_decoded(text[last : token.start()]), ""))
        parts.append(_part(token))
        last = token.end()
    return [*parts, (_decoded(text[last:]), "")]


def _part(token: re.Match[str]) -> Part:
    if token["bold"] is not None:
        inner = _TOKENS.fullmatch(token["bold"])
        return _part(inner) if inner and inner["url"] else (_decoded(token["bold"]), "*")
    url = token["url"].replace("&amp;", "&")
    if url[0] in "@!":  # a person or a user group of Slack's
        return f"@{url[1:].rpartition('^')[2]}", ""
    return _decoded(token["label"] or token["url"]), url if _harmless(url) else ""


def _as_text(shown: str, kind: str) -> str:
    return f"{_unlinked(shown)}: {kind}" if kind not in {"", "*"} and shown else _unlinked(shown)


def _as_html(shown: str, kind: str) -> str:
    text = escape(_unlinked(shown))
    if kind == "*":
        return str(Markup("<strong>{}</strong>").format(text))
    return str(Markup('<a href="{}">{}</a>').format(kind, text) if kind else text)


def _harmless(url: str) -> bool:
    try:
        return urlsplit(url).scheme.lower() in {"http", "https"} and url.isprintable()
    except ValueError:
        return False


def _decoded(text: str) -> str:
    """Our emoji codes as emoji, and nothing between a visitor's marks any more."""
    return _entities(_CODE.sub(lambda code: _EMOJI.get(code[1], code[0]), text).replace(_APART, ""))


def _entities(text: str) -> str:
    """Slack's three as characters."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _unlinked(text: str) -> str:
    return _AUTO_LINK.sub("\u2060", text)
