"""Block Kit as HTML, the way Slack would show it. Pure, and everything is escaped.

Covers what our alerts use: header, section (text, fields, accessory), context, divider, actions (buttons and
menus), image (its alternative text alone: nothing is loaded from elsewhere). Source: Slack's reference of blocks
and of mrkdwn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from server.mrkdwn import mrkdwn, plain, safe_url

Block = Mapping[str, Any]


def render(blocks: Sequence[Block], clicks: str = "") -> Markup:
    """Blocks to HTML. A block of an unknown type or a wrong shape shows nothing, and never raises.

    `clicks` is an address of ours that takes clicks as a form (`block`, `click`); without it a button that only
    Slack can answer is drawn, not clickable.
    """
    return Markup("\n").join(_block(block, clicks) for block in blocks if isinstance(block, Mapping))


def _block(block: Block, clicks: str) -> Markup:
    kind = block.get("type")
    if kind == "actions" and clicks:
        return _form(block, clicks)
    drawer = DRAWERS.get(kind) if isinstance(kind, str) else None
    return drawer(block) if drawer else Markup("")


def _text(value: Any) -> Markup:
    """A text object."""
    if not isinstance(value, Mapping):
        return Markup("")
    text = str(value.get("text") or "")
    if value.get("type") == "mrkdwn":
        return mrkdwn(text)
    return plain(text, emoji=value.get("emoji") is not False)


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def _header(block: Block) -> Markup:
    return Markup('<p class="bk-header">{}</p>').format(_text(block.get("text")))


def _section(block: Block) -> Markup:
    text = _text(block.get("text"))
    fields = Markup("").join(
        Markup('<div class="bk-field">{}</div>').format(_text(f)) for f in _list(block.get("fields"))
    )
    body = Markup('<div class="bk-text">{}</div>').format(text) if text else Markup("")
    grid = Markup('<div class="bk-fields">{}</div>').format(fields) if fields else Markup("")
    accessory = _element(block.get("accessory") or {})
    return Markup('<div class="bk-section"><div class="bk-body">{}{}</div>{}</div>').format(
        body, grid, accessory
    )


def _context(block: Block) -> Markup:
    items = Markup("").join(
        Markup("<span>{}</span>").format(_element(item) if item.get("type") == "image" else _text(item))
        for item in _list(block.get("elements"))
    )
    return Markup('<div class="bk-context">{}</div>').format(items)


def _divider(_block: Block) -> Markup:
    return Markup('<hr class="bk-divider">')


def _actions(block: Block) -> Markup:
    items = Markup("").join(_element(item) for item in _list(block.get("elements")))
    return Markup('<div class="bk-actions">{}</div>').format(items)


def _form(block: Block, clicks: str) -> Markup:
    items = Markup("").join(_clickable(item) for item in _list(block.get("elements")))
    return Markup(
        '<form class="bk-actions" method="post" action="{}"><input type="hidden" name="block" value="{}">{}</form>'
    ).format(clicks, str(block.get("block_id") or ""), items)


def _clickable(element: Mapping[str, Any]) -> Markup:
    """A button that sends its `action_id`, or a menu of such with `action_id:value`; a link stays one."""
    name = str(element.get("action_id") or "")
    if element.get("type") == "static_select":
        options = Markup("").join(
            _submit(f"{name}:{option.get('value')}", "default", option)
            for option in _list(element.get("options"))
        )
        return Markup(
            '<details class="bk-menu"><summary class="bk-button bk-select">{}</summary><div>{}</div></details>'
        ).format(_text(element.get("placeholder")), options)
    if element.get("type") != "button" or element.get("url"):
        return _element(element)
    return _submit(name, str(element.get("style") or "default"), element)


def _submit(click: str, style: str, element: Mapping[str, Any]) -> Markup:
    return Markup('<button class="bk-button bk-{}" name="click" value="{}">{}</button>').format(
        re.sub(r"[^a-z]", "", style), click, _text(element.get("text"))
    )


def _image(block: Block) -> Markup:
    return Markup('<p class="bk-image">{}</p>').format(str(block.get("alt_text") or ""))


def _element(element: Any) -> Markup:
    """A button as a link where it has one; one that only Slack can answer is drawn, not clickable."""
    if not isinstance(element, Mapping):
        return Markup("")
    if element.get("type") == "image":
        return Markup('<span class="bk-alt">{}</span>').format(str(element.get("alt_text") or ""))
    if element.get("type") == "static_select":
        return Markup('<button class="bk-button bk-select" type="button" disabled>{}</button>').format(
            _text(element.get("placeholder"))
        )
    if element.get("type") != "button":
        return Markup("")
    style = re.sub(r"[^a-z]", "", str(element.get("style") or "default"))
    label = _text(element.get("text"))
    url = safe_url(str(element.get("url") or ""))
    if url:
        return Markup(
            '<a class="bk-button bk-{}" href="{}" target="_blank" rel="noopener noreferrer">{}</a>'
        ).format(style, url, label)
    return Markup('<button class="bk-button bk-{}" type="button" disabled>{}</button>').format(style, label)


DRAWERS = {
    "header": _header,
    "section": _section,
    "context": _context,
    "divider": _divider,
    "actions": _actions,
    "image": _image,
}
