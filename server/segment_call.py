"""Segment's wire shapes, and what a call says in our words. Pure.

Shapes: https://segment.com/docs/connections/spec/ and the HTTP Tracking API. Fields that say nothing to us
(`integrations`, `channel`, …) are not read, and so never refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec

from core.events import RESERVED_NAMES, RawEvent, parse_time
from core.text import BadText, clean
from core.visitor_ids import visitor_of, visitor_of_user

#: Ids and times come as text, and from some libraries as numbers.
Scalar = str | int | float | None

TYPES = ("page", "screen", "track", "identify", "group", "alias")
MAX_ID = 256
#: What a page call repeats of its `context.page`; kept once, as the event's own fields.
_OF_THE_PAGE = frozenset({"url", "title", "referrer", "path", "search"})
_UTM = {"name": "campaign", "source": "source", "medium": "medium", "term": "term", "content": "content"}


class BadCall(BadText):
    """A call that cannot be accepted, with a stable `code`."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(field, message)
        self.code = code


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of any type."""

    type: str | None = None
    messageId: Scalar = None
    anonymousId: Scalar = None
    userId: Scalar = None
    previousId: Scalar = None
    groupId: Scalar = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    timestamp: Scalar = None
    originalTimestamp: Scalar = None
    sentAt: Scalar = None
    receivedAt: Scalar = None
    writeKey: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Several calls; `context` holds for each that does not say otherwise."""

    batch: list[msgspec.Raw]
    context: dict[str, Any] | None = None
    sentAt: Scalar = None
    writeKey: str | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A call in our words. `sent_at`: epoch ms by the client's clock; `names`: what the call names our fields.
    `ip` is what `context.ip` says: the caller's word.
    """

    visitor: str
    raw: RawEvent
    sent_at: int | None
    user_agent: str
    ip: str
    lang: str
    names: Mapping[str, str]


def said(
    call: Call, *, kind: str, site: str, sent_at: Scalar, context: Mapping[str, Any], new_id: str
) -> Said:
    """What a call of type `kind` says. `sent_at` and `context` are the batch's; `new_id` is for a call without
    a `messageId`. Raises BadText (BadCall where it has a code of its own), its field named as in the call.
    """
    if kind not in TYPES:
        raise BadCall("unknown_type", "type", f"must be one of {', '.join(TYPES)}")
    about = {**context, **(call.context or {})}
    at, sent = _times(call, sent_at)
    raw = RawEvent(
        id=_id(call.messageId, "messageId") or new_id,
        type="identify" if kind == "alias" else "page" if kind == "screen" else kind,
        at=at,
        url=_at(about, "page", "url"),
        title=_at(about, "page", "title"),
        ref=_at(about, "page", "referrer") or _at(about, "referrer", "url"),
        user="" if kind in ("identify", "alias") else _id(call.userId, "userId"),
    )
    _FILL[kind](call, raw, about)
    return Said(
        visitor=_visitor(call, kind, site),
        raw=raw,
        sent_at=sent,
        user_agent=_at(about, "userAgent"),
        ip=_at(about, "ip"),
        lang=clean(_at(about, "locale"), limit=35, field="context.locale"),
        names=_NAMES | {"props": "traits" if kind in ("identify", "group", "alias") else "properties"},
    )


_NAMES = {
    "id": "messageId",
    "name": "event",
    "at": "timestamp",
    "url": "context.page.url",
    "title": "context.page.title",
    "ref": "context.page.referrer",
}


def _visitor(call: Call, kind: str, site: str) -> str:
    if kind == "alias":
        # Never a user id before: the write key is public, and two people whom anybody may make one are no longer
        # safe from each other's export and erasure.
        return visitor_of(site, _id(call.previousId, "previousId", needed="alias"))
    if anonymous := _id(call.anonymousId, "anonymousId"):
        return visitor_of(site, anonymous)
    if user := _id(call.userId, "userId"):
        return visitor_of_user(site, user)
    raise BadCall("no_id", "userId", "a call needs a userId or an anonymousId")


def _page(call: Call, raw: RawEvent, about: Mapping[str, Any]) -> None:
    props = call.properties or {}
    named = {key: value for key, value in (("name", call.name), ("category", call.category)) if value}
    raw.props = {key: value for key, value in props.items() if key not in _OF_THE_PAGE} | named
    raw.url = with_campaign(_at(props, "url") or raw.url or "", about.get("campaign"))
    raw.title = _at(props, "title") or raw.title or call.name
    raw.ref = _at(props, "referrer") or raw.ref


def _track(call: Call, raw: RawEvent, _about: Mapping[str, Any]) -> None:
    if not call.event:
        raise BadCall("bad_name", "event", "a track call needs the event's name")
    if call.event in RESERVED_NAMES:
        message = f"`{call.event}` is what events of another type are called; choose another name"
        raise BadCall("bad_name", "event", message)
    raw.name, raw.props = call.event, call.properties


def _identify(call: Call, raw: RawEvent, _about: Mapping[str, Any]) -> None:
    user = _id(call.userId, "userId")
    raw.props = {**(call.traits or {}), **({"id": user} if user else {})}


def _group(call: Call, raw: RawEvent, _about: Mapping[str, Any]) -> None:
    raw.props = {**(call.traits or {}), "id": _id(call.groupId, "groupId", needed="group")}


def _alias(call: Call, raw: RawEvent, _about: Mapping[str, Any]) -> None:
    raw.props = {"id": _id(call.userId, "userId", needed="alias")}


_FILL = {
    "page": _page, "screen": _page, "track": _track, "identify": _identify, "group": _group, "alias": _alias,
}  # fmt: skip


def _times(call: Call, batch_sent_at: Scalar) -> tuple[int | None, int | None]:
    """When it happened and when it was sent, both by the client's clock.

    A call that has passed a Segment server (it carries `receivedAt`) has had its `timestamp` corrected there.
    """
    if call.receivedAt is not None and (corrected := _time(call.timestamp)) is not None:
        return corrected, None
    original = _time(call.originalTimestamp)
    sent = _time(batch_sent_at)
    return (
        original if original is not None else _time(call.timestamp),
        sent if sent is not None else _time(call.sentAt),
    )


def _time(value: Scalar) -> int | None:
    """Epoch ms. A time without a zone is UTC, as Segment reads it."""
    try:
        naive = isinstance(value, str) and datetime.fromisoformat(value).tzinfo is None
    except ValueError:
        return None
    if naive:
        return int(datetime.fromisoformat(str(value)).replace(tzinfo=UTC).timestamp() * 1000)
    return parse_time(value)


def _id(value: Scalar, field: str, *, needed: str = "") -> str:
    text = "" if value is None else clean(str(value), limit=MAX_ID, field=field)
    if needed and not text:
        raise BadCall("no_id", field, f"a call of type {needed} needs it")
    return text


def _at(data: Mapping[str, Any], *path: str) -> str:
    """The text at a path; "" where there is something else, or nothing."""
    found: Any = data
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def with_campaign(url: str, campaign: Any) -> str:
    """`url` with what `context.campaign` says as utm parameters, where the URL does not say so itself."""
    if not url or not isinstance(campaign, dict):
        return url
    utm = {f"utm_{ours}": _at(campaign, theirs) for theirs, ours in _UTM.items()}
    try:
        parts = urlsplit(url)
        added = urlencode(
            {key: value for key, value in utm.items() if value and f"{key}=" not in parts.query}
        )
    except ValueError:  # a broken URL; lone surrogates
        return url
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, added)))))
