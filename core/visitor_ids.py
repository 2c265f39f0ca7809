"""Whose events a Segment client sends: a visitor id derived from the client's own, which no token proves."""

from __future__ import annotations

from hashlib import blake2b


def visitor_of(site: str, anonymous_id: str) -> str:
    """The visitor behind an `anonymousId`: `s` and 32 hex digits, the same for the same id of one site.

    A visitor of the snippet is 32 hex digits without the letter, so that the two never meet.
    """
    return "s" + _digest(site, anonymous_id)


def visitor_of_user(site: str, user_id: str) -> str:
    """The visitor behind a `userId` without an `anonymousId`, as server libraries send it: `u` and 32 digits."""
    return "u" + _digest(site, user_id)


def _digest(site: str, name: str) -> str:
    # An address bar can hold what JSON cannot: half of a surrogate pair finds nobody, and is no failure.
    return blake2b(f"{site}\x00{name}".encode(errors="replace"), digest_size=16).hexdigest()
