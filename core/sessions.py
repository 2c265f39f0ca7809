"""Session boundaries and how a session began."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from core.events import Event
from core.profiles import Session, Source
from core.referrers import CLICK_IDS, referrer_class

#: Minutes of silence that end a session: the field's standard (Google Analytics, Plausible, Matomo).
IDLE_MS = 30 * 60_000
#: Zones differ from UTC by whole quarters of an hour.
QUARTER_MS = 15 * 60_000


def source_of(event: Event) -> Source:
    """The acquisition source that a page view's URL and referrer tell; empty strings for what they do not."""
    return _source(event.url, event.ref)


@lru_cache(maxsize=4096)
def _source(url: str, ref: str) -> Source:
    """Many visitors come to the same pages in the same ways."""
    query = dict(parse_qsl(_query(url)))
    click = next((name for name in CLICK_IDS if query.get(name)), "")
    medium, source = query.get("utm_medium", "")[:100], query.get("utm_source", "")[:100]
    host = _host(ref)
    if host == _host(url):
        host = ""
    return Source(
        utm_source=source,
        utm_medium=medium,
        utm_campaign=query.get("utm_campaign", "")[:100],
        click_id=click,
        referrer_host=host,
        referrer_class=referrer_class(host=host, medium=medium, source=source, click_id=click),
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
        or day_number(event.at, timezone) != day_number(session.last_at, timezone)
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
    return date.fromordinal(day_number(at, timezone)).isoformat()


def day_number(at: int, timezone: tzinfo) -> int:
    """The proleptic ordinal of the date at `at` (epoch ms) on the site's clock."""
    return _day_of_quarter(at // QUARTER_MS, timezone)


@lru_cache(maxsize=4096)
def _day_of_quarter(quarter: int, timezone: tzinfo) -> int:
    """Zones differ from UTC by whole quarters of an hour, so no date changes within one."""
    moment = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, UTC)
    return moment.astimezone(timezone).date().toordinal()


@lru_cache(maxsize=4096)
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
