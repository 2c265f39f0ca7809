"""Accounts: the company a visitor belongs to, by its group, its e-mail address, or the network it came from."""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec

from core.free_mail import is_free_mail
from core.identity import email_of
from core.profiles import Profile

_HOST = re.compile(r"(?:https?://)?(?:www\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?:[/:?#].*)?", re.IGNORECASE)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A company as a visitor shows it. `domain` is "" where only a name is known."""

    name: str
    domain: str = ""

    @property
    def digest(self) -> str:
        """What the account is kept under: 16 hex digits, the same for every visitor of the company."""
        return blake2b((self.domain or self.name).lower().encode(), digest_size=8).hexdigest()


def account_of(profile: Profile) -> Account | None:
    """The visitor's company. What the site says (`group`) goes before the address, that before the network."""
    if not (profile.group or profile.group_domain or profile.company or "email" in profile.traits):
        return None  # as nearly always
    domain = profile.group_domain or company_domain(email_of(profile.traits))
    if profile.group:
        return Account(name=profile.group, domain=domain or "")
    domain = domain or profile.company
    return Account(name=domain, domain=domain) if domain else None


def company_domain(email: object) -> str | None:
    """The domain of a work address, lower case; None for a free-mail address or no address."""
    if not isinstance(email, str):
        return None
    name, _, domain = email.strip().lower().rpartition("@")
    usable = bool(name) and "." in domain and not is_free_mail(domain)
    return domain if usable else None


def host_like(value: object) -> str:
    """The host in a domain name or web address, lower case and without `www.`; "" where it is neither."""
    found = _HOST.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 300 else None
    return found[1].lower() if found else ""
