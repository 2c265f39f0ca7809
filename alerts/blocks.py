"""Block Kit's building blocks, with auto-linking and emoji codes off. The texts given are escaped already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

Block: TypeAlias = dict[str, Any]

HEADER_LIMIT = 150
SECTION_LIMIT = 3000
FIELD_LIMIT = 2000
BLOCKS_LIMIT = 50
#: Slack refuses blocks that are too long together (`msg_blocks_too_long`). It names no limit; people met it
#: at 11,300 characters and more (slackapi/bolt-js, issues 2509 and 2867).
TOTAL_LIMIT = 10_000


def header(text: str) -> Block:
    """One large bold line of plain text, at most 150 characters."""
    return {"type": "header", "text": plain_text(text)}


def section(text: str) -> Block:
    """A paragraph of mrkdwn, at most 3000 characters."""
    return {"type": "section", "text": _mrkdwn(text)}


def line(block_id: str, text: str, accessory: Block) -> Block:
    """A paragraph of mrkdwn with a button at its end."""
    return {"type": "section", "block_id": block_id, "text": _mrkdwn(text), "accessory": accessory}


def fields(texts: list[str]) -> Block:
    """Up to ten short mrkdwn texts in two columns."""
    return {"type": "section", "fields": [_mrkdwn(text) for text in texts[:10]]}


def context(text: str) -> Block:
    """A line of small grey mrkdwn."""
    return {"type": "context", "elements": [_mrkdwn(text)]}


def button(action: str, text: str, **more: Any) -> Block:
    """A button; `more` can be its `url`, `style` or `confirm`."""
    return {"type": "button", "action_id": action, "text": plain_text(text), **more}


def select(action: str, text: str, options: Mapping[str, str]) -> Block:
    """A menu of `options`, value -> what it says."""
    shown = [{"text": plain_text(said), "value": value} for value, said in options.items()]
    return {"type": "static_select", "action_id": action, "placeholder": plain_text(text), "options": shown}


def actions(block_id: str, elements: list[Block]) -> Block:
    """A row of buttons and menus."""
    return {"type": "actions", "block_id": block_id, "elements": elements}


def plain_text(text: str) -> Block:
    """A text without formatting."""
    return {"type": "plain_text", "text": text, "emoji": False}


def length(blocks: list[Block]) -> int:
    """The characters of all blocks together, as sent."""
    return len(json.dumps(blocks, ensure_ascii=False))


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
