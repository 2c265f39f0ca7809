"""Who a visitor says they are: the identifiers in an `identify`, and when they are somebody else's.

An identifier is `u…` (a user id) or `m…` (an e-mail address) with a digest in place of the value: it serves as a
key, and keys should hold no personal data. The same value gives the same identifier within one site.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from core.events import Event
from core.profiles import Profile

_MAX_EMAIL = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets


class Identifiers(msgspec.Struct, frozen=True, kw_only=True):
    """What one event says of who the visitor is; "" for what it does not say."""

    user: str = ""
    mail: str = ""


NOBODY = Identifiers()


class Edges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What ties a visitor to a lead: its identifiers, and the lead an operator linked it to."""

    user: str = ""
    mails: tuple[str, ...] = ()
    linked: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        """Every identifier once."""
        return tuple(dict.fromkeys(name for name in (self.linked, self.user, *self.mails) if name))


def email_of(traits: Mapping[str, Any]) -> str:
    """The e-mail address in traits, trimmed and in lower case; "" where there is none that could be one."""
    value = traits.get("email")
    if not isinstance(value, str):
        return ""
    address = value.strip().lower()
    name, at, host = address.rpartition("@")
    return address if name and at and "." in host and len(address) <= _MAX_EMAIL else ""


def user_of(traits: Mapping[str, Any]) -> str:
    """The user id in traits; "" where there is none."""
    value = traits.get("id")
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()


def said_by(event: Event) -> Identifiers:
    """Who an event says the visitor is: by an identify's traits, or by the user id that came with it."""
    if event.type == "identify":
        return identifiers(event.site, event.props)
    return Identifiers(user=identifier(event.site, "u", event.user)) if event.user else NOBODY


def identifiers(site: str, traits: Mapping[str, Any]) -> Identifiers:
    """The identifiers that an identify's traits carry."""
    user, mail = user_of(traits), email_of(traits)
    return Identifiers(
        user=identifier(site, "u", user) if user else "", mail=identifier(site, "m", mail) if mail else ""
    )


def identifier(site: str, kind: str, value: str) -> str:
    """The key of a user id (kind `u`) or an e-mail address (`m`): the kind and 24 hex digits."""
    return kind + blake2b(f"{site}\x00{value}".encode(), digest_size=12).hexdigest()


def is_someone_else(profile: Profile, said: Identifiers) -> bool:
    """Whether `said` names another person than the one this browser was identified as.

    A user id decides; without one on both sides the address does. One person may change their address while
    their user id stays.
    """
    if said.user and profile.user:
        return said.user != profile.user
    return bool(said.mail and profile.mails) and said.mail not in profile.mails


def is_known(profile: Profile) -> bool:
    """Whether anything ties the visitor to a lead: for nearly all nothing does."""
    return not profile.apart and bool(profile.user or profile.mails or profile.linked)


def edges(profile: Profile) -> Edges:
    """The visitor's edges now: none while an operator keeps it apart."""
    if profile.apart:
        return Edges()
    return Edges(user=profile.user, mails=profile.mails, linked=profile.linked)
