"""Visitor tokens: `<visitor id>.<signature>`. Only an id that we signed finds its profile."""

from __future__ import annotations

import secrets
from functools import lru_cache

from itsdangerous import BadSignature, Signer

COOKIE = "kz"
#: Browsers cap a cookie's life at 400 days (RFC 6265bis).
COOKIE_LIFE_S = 400 * 86_400
#: Right tokens that are not checked again, in the order in which they were last seen. Wrong ones always are.
REMEMBERED = 32_768


class Tokens:
    """Makes and checks visitor tokens."""

    def __init__(self, *, secret_key: str) -> None:
        self._signer = Signer(secret_key, salt="kizashi.visitor", sep=".")
        # A page view brings the token that the one before it brought: what was right stays right.
        self._checked = lru_cache(maxsize=REMEMBERED)(self._unsigned)

    def new_visitor(self) -> str:
        """A fresh random visitor id, 128 bits."""
        return secrets.token_hex(16)

    def sign(self, visitor: str) -> str:
        """The token of a visitor id."""
        return self._signer.sign(visitor).decode()

    def visitor(self, token: str | None) -> str | None:
        """The visitor id of a token, None where we did not sign it."""
        if not token or len(token) > 200:
            return None
        try:
            return self._checked(token)
        except (BadSignature, UnicodeError):
            return None

    def _unsigned(self, token: str) -> str:
        return self._signer.unsign(token).decode()
