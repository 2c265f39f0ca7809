"""Session boundaries and how a session began."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from urllib.parse import parse_qsl, urlsplit

from core.events import Event
from core.profiles import Session, Source

#: Minutes of silence that end a session: the field's standard (Google Analytics, Plausible, Matomo).
IDLE_MS = 30 * 60_000

_CLICK_IDS = ("gclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "ttclid", "li_fat_id", "twclid")

_CLASSES: dict[str, tuple[str, ...]] = {
    "search": ("google", "bing", "yahoo", "duckduckgo", "baidu", "yandex", "ecosia", "naver", "goo.ne.jp"),
    "social": ("facebook", "instagram", "linkedin", "twitter", "x.com", "t.co", "youtube", "reddit",
               "note.com", "hatena", "threads", "tiktok", "line.me"),
    "ai": ("chatgpt", "openai", "perplexity", "claude.ai", "gemini.google", "copilot.microsoft"),
    "mail": ("mail.google", "outlook.live", "outlook.office", "mail.yahoo"),
}  # fmt: skip
_ORDER = ("ai", "mail", "search", "social")


def source_of(event: Event) -> Source:
    """The acquisition source that a page view's URL and referrer tell; empty strings for what they do not."""
    query = dict(parse_qsl(_query(event.url)))
    click = next((name for name in _CLICK_IDS if query.get(name)), "")
    host = _host(event.ref)
    if host == _host(event.url):
        host = ""
    return Source(
        utm_source=query.get("utm_source", "")[:100],
        utm_medium=query.get("utm_medium", "")[:100],
        utm_campaign=query.get("utm_campaign", "")[:100],
        click_id=click,
        referrer_host=host,
        referrer_class=_class(query.get("utm_medium", ""), click, host),
    )


def begins_session(session: Session | None, event: Event, source: Source, timezone: tzinfo) -> bool:
    """Whether `event` starts a session: half an hour idle, a new campaign, or midnight on the site's clock."""
    if session is None:
        return True
    if event.at < session.last_at:
        return False
    return (
        event.at - session.last_at > IDLE_MS
        or is_new_campaign(session.source, source)
        or local_day(event.at, timezone) != local_day(session.last_at, timezone)
    )


def is_new_campaign(old: Source, new: Source) -> bool:
    """Whether a page view names a campaign (UTM or click id) that the session did not begin with."""
    named = new.utm_source or new.utm_campaign or new.click_id
    return bool(named) and (old.utm_source, old.utm_medium, old.utm_campaign, old.click_id) != (
        new.utm_source,
        new.utm_medium,
        new.utm_campaign,
        new.click_id,
    )


def local_day(at: int, timezone: tzinfo) -> str:
    """The ISO date at `at` (epoch ms) on the site's clock."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(timezone).date().isoformat()


def path_of(url: str) -> str:
    """The path of a URL, "/" where it has none, "" where the URL is empty or broken."""
    try:
        return urlsplit(url).path or ("/" if url else "")
    except ValueError:
        return ""


def _query(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:
        return ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _class(medium: str, click: str, host: str) -> str:
    if click or medium in {"cpc", "ppc", "paid", "display", "banner"}:
        return "ad"
    if medium in {"email", "mail", "newsletter"}:
        return "mail"
    if not host:
        return "direct"
    return next((kind for kind in _ORDER if any(part in host for part in _CLASSES[kind])), "referral")
