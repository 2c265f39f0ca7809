"""Visitor tokens: `<visitor id>.<signature>`. Only an id that we signed finds its profile."""

from __future__ import annotations

import secrets

from itsdangerous import BadSignature, Signer

COOKIE = "kz"
#: Browsers cap a cookie's life at 400 days (RFC 6265bis).
COOKIE_LIFE_S = 400 * 86_400


class Tokens:
    """Makes and checks visitor tokens."""

    def __init__(self, *, secret_key: str) -> None:
        self._signer = Signer(secret_key, salt="kizashi.visitor", sep=".")

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
            return self._signer.unsign(token).decode()
        except (BadSignature, UnicodeError):
            return None
