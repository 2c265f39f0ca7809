"""Text a visitor supplied, made safe to show in Slack: nothing in it pings, links, hides or formats.

Slack reads `&`, `<` and `>` as control characters in every text object, so these become entities everywhere
(docs.slack.dev, "Formatting message text"). In mrkdwn the formatting marks are parsed besides.
"""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"
#: Slack takes a mark for formatting only at a word's edge: with this on both sides it has none.
_APART = "\u200b"
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARK = re.compile(r"(?<![A-Za-z0-9])[*_~`]+|[*_~`]+(?![A-Za-z0-9])|`+")
_EMOJI_CODE = re.compile(r":(?=[a-z0-9_+\-']*[a-z+][a-z0-9_+\-']*:)", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
#: joiners that emoji and several scripts are written with
_KEPT_FORMAT = frozenset("\u200c\u200d")


def plain(text: object, limit: int) -> str:
    """`text` for a `plain_text` object: one line, at most `limit` characters, entities counted."""
    return _fit([_ENTITIES.get(char, char) for char in one_line(text)], limit)


def mrkdwn(text: object, limit: int) -> str:
    """`text` for a `mrkdwn` object or the fallback text, shown literally; at most `limit` characters."""
    literal = _MARK.sub(lambda mark: f"{_APART}{_APART.join(mark[0])}{_APART}", one_line(text))
    literal = _EMOJI_CODE.sub(f":{_APART}", literal)
    return _fit([_ENTITIES.get(char, char) for char in literal], limit)


def one_line(text: object) -> str:
    """`text` without line breaks, controls, bidi and other invisible characters, and lone surrogates."""
    return _SPACES.sub(" ", "".join(map(_visible, str(text)))).strip()


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    category = unicodedata.category(char)
    if category in {"Zs", "Zl", "Zp"} or char in "\n\r\t\v\f":
        return " "
    return char if char in _KEPT_FORMAT else ""


def _fit(units: list[str], limit: int) -> str:
    if sum(map(len, units)) <= limit:
        return "".join(units)
    kept, room = [], limit - len(ELLIPSIS)
    for unit in units:
        room -= len(unit)
        if room < 0:
            break
        kept.append(unit)
    return "".join(kept).rstrip() + ELLIPSIS
