"""Slack's mrkdwn as HTML. Pure; every character of the input ends up as text, never as markup of its own."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from markupsafe import Markup, escape

EMOJI = {
    "fire": "🔥",
    "bell": "🔔",
    "eyes": "👀",
    "wave": "👋",
    "tada": "🎉",
    "warning": "⚠️",
    "white_check_mark": "✅",
    "heavy_check_mark": "✔️",
    "x": "❌",
    "star": "⭐",
    "sparkles": "✨",
    "seedling": "🌱",
    "sunrise": "🌅",
    "rocket": "🚀",
    "dart": "🎯",
    "bulb": "💡",
    "mag": "🔍",
    "page_facing_up": "📄",
    "inbox_tray": "📥",
    "chart_with_upwards_trend": "📈",
    "bar_chart": "📊",
    "moneybag": "💰",
    "telephone_receiver": "📞",
    "speech_balloon": "💬",
    "email": "✉️",
    "office": "🏢",
    "bust_in_silhouette": "👤",
    "busts_in_silhouette": "👥",
    "point_right": "👉",
    "raised_hand": "✋",
    "raising_hand": "🙋",
    "hourglass_flowing_sand": "⏳",
    "clock3": "🕒",
    "stopwatch": "⏱️",
    "link": "🔗",
    "memo": "📝",
    "snowflake": "❄️",
    "large_green_circle": "🟢",
    "large_yellow_circle": "🟡",
    "red_circle": "🔴",
    "zzz": "💤",
    "no_entry_sign": "🚫",
    "alarm_clock": "⏰",
    "test_tube": "🧪",
    "arrow_up": "⬆️",
    "arrow_right": "➡️",
    "repeat": "🔁",
    "new": "🆕",
}
_SHORTCODE = re.compile(r":([a-z0-9_+\-]+):")
_FENCE = re.compile(r"```\n?(.+?)\n?```", re.S)
_INLINE = re.compile(r"`([^`\n]+)`|<([^<>\n]+)>")
_STYLES = tuple(
    (re.compile(rf"(?<![\w{mark}]){mark}(?=\S)([^\n{mark}]+?)(?<=\S){mark}(?![\w{mark}])"), tag)
    for mark, tag in ((r"\*", "strong"), ("_", "em"), ("~", "del"))
)
_HOLE = re.compile("\ue000(\\d+)\ue001")


def safe_url(url: str) -> str:
    """The URL where a click on it is harmless (http, https, mailto), else ""."""
    text = _decoded(url).strip()
    try:
        scheme = urlsplit(text).scheme.lower()
    except ValueError:
        return ""
    return text if scheme in {"http", "https", "mailto"} else ""


def plain(text: str, *, emoji: bool = True) -> Markup:
    """A `plain_text`: no formatting, emoji shortcodes if asked."""
    return _lines(escape(_emoji(_decoded(text)) if emoji else _decoded(text)))


def mrkdwn(text: str) -> Markup:
    """A `mrkdwn` text: *bold*, _italic_, ~strike~, `code`, fences, > quotes, <url|links>, <!here>, emoji."""
    parts: list[Markup] = []
    last = 0
    clean = text.replace("\ue000", "").replace("\ue001", "")
    for fence in _FENCE.finditer(clean):
        parts.append(_quoted(clean[last : fence.start()]))
        parts.append(Markup("<pre>{}</pre>").format(_decoded(fence[1])))
        last = fence.end()
    return Markup("").join([*parts, _quoted(clean[last:])])


def _quoted(text: str) -> Markup:
    """Lines that begin with > (written &gt;) as quotes; the rest as they are."""
    out: list[Markup] = []
    run: list[str] = []
    quoting = False
    for line in [*text.split("\n"), None]:
        is_quote = line is not None and line.startswith(("&gt;", ">"))
        if run and (line is None or is_quote != quoting):
            body = _inline("\n".join(run))
            out.append(Markup("<blockquote>{}</blockquote>").format(body) if quoting else body)
            run = []
        if line is not None:
            run.append(re.sub(r"^(?:&gt;|>)\s?", "", line) if is_quote else line)
            quoting = is_quote
    return Markup("").join(out)


def _inline(text: str) -> Markup:
    """Code and links are taken out first, so that no style reaches into them, and put back last."""
    kept: list[Markup] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(Markup("<code>{}</code>").format(_decoded(match[1])) if match[1] else _control(match[2]))
        return f"\ue000{len(kept) - 1}\ue001"

    held = str(escape(_emoji(_decoded(_INLINE.sub(keep, text)))))
    for pattern, tag in _STYLES:
        held = pattern.sub(rf"<{tag}>\1</{tag}>", held)
    return _lines(Markup(_HOLE.sub(lambda hole: str(kept[int(hole[1])]), held)))  # noqa: S704 - escaped above


def _control(inside: str) -> Markup:
    """What stands between < and >: a link, a mention, a date."""
    target, _, label = inside.partition("|")
    shown = _emoji(_decoded(label))
    if target.startswith("!date"):
        return escape(shown)
    if target[:1] in {"@", "#", "!"}:
        name = shown.lstrip("@#") or target[1:].split("^")[0]
        return Markup('<span class="bk-mention">{}{}</span>').format("#" if target[0] == "#" else "@", name)
    url = safe_url(target)
    if not url:
        return escape(shown or _decoded(target))
    return Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>').format(
        url, shown or url.removeprefix("mailto:")
    )


def _decoded(text: str) -> str:
    """Slack's three entities, and no others."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _emoji(text: str) -> str:
    return _SHORTCODE.sub(lambda match: EMOJI.get(match[1], match[0]), text)


def _lines(text: Markup) -> Markup:
    return Markup("<br>").join(text.split("\n"))
