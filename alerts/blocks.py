"""Block Kit's building blocks, with auto-linking and emoji codes off. The texts given are escaped already."""

from __future__ import annotations

from typing import Any, TypeAlias

Block: TypeAlias = dict[str, Any]

HEADER_LIMIT = 150
SECTION_LIMIT = 3000
FIELD_LIMIT = 2000
BLOCKS_LIMIT = 50


def header(text: str) -> Block:
    """One large bold line of plain text, at most 150 characters."""
    return {"type": "header", "text": {"type": "plain_text", "text": text, "emoji": False}}


def section(text: str) -> Block:
    """A paragraph of mrkdwn, at most 3000 characters."""
    return {"type": "section", "text": _mrkdwn(text)}


def fields(texts: list[str]) -> Block:
    """Up to ten short mrkdwn texts in two columns."""
    return {"type": "section", "fields": [_mrkdwn(text) for text in texts[:10]]}


def context(text: str) -> Block:
    """A line of small grey mrkdwn."""
    return {"type": "context", "elements": [_mrkdwn(text)]}


def joined(lines: list[str], limit: int = SECTION_LIMIT) -> str:
    """As many whole lines as fit: half a line could end inside an entity or a link."""
    kept: list[str] = []
    for line in lines:
        if sum(map(len, kept)) + len(kept) + len(line) > limit:
            break
        kept.append(line)
    return "\n".join(kept)


def link(url: str, label: str) -> str:
    """A mrkdwn link. `url` is ours, percent-encoded; `label` is escaped."""
    return f"<{url}|{label}>"


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}
