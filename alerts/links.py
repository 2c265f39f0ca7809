"""Links to a visitor's page: signed, so that they open without a login, for 90 days."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from itsdangerous import BadSignature, URLSafeTimedSerializer

#: (site, visitor) -> the address of the visitor's page.
VisitorUrl = Callable[[str, str], str]

LIFE_S = 90 * 86_400


class Links:
    """Makes and checks the links. `public_url` is where people open Kizashi."""

    def __init__(self, *, public_url: str, secret_key: str) -> None:
        self._base = public_url.rstrip("/")
        self._signer = URLSafeTimedSerializer(secret_key, salt="kizashi.link")

    def __call__(self, site: str, visitor: str) -> str:
        """The address of a visitor's page, with its key."""
        page = f"{self._base}/visitors/{quote(site, safe='')}/{quote(visitor, safe='')}"
        return f"{page}?k={self.key(site, visitor)}"

    def key(self, site: str, visitor: str) -> str:
        """What opens this visitor's page, and no other."""
        return str(self._signer.dumps([site, visitor]))

    def opens(self, key: str | None, site: str, visitor: str) -> bool:
        """Whether `key` opens this visitor's page now."""
        try:
            return bool(self._signer.loads(key or "", max_age=LIFE_S) == [site, visitor])
        except BadSignature:
            return False
