"""The signature of Standard Webhooks (standardwebhooks.com, specification 1.0.0), symmetric. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

_PREFIX = "whsec_"
_LEAST, _MOST = 24, 64


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """`whsec_<base64>`, or several with commas between, as keys of 24 to 64 bytes. Raises ValueError."""
    return tuple(_key(part.strip()) for part in text.split(","))


def make_secret(random_bytes: bytes) -> str:
    """24 to 64 random bytes as a secret to give to a receiver."""
    return _PREFIX + base64.b64encode(random_bytes).decode()


def signed_headers(message_id: str, at_s: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The three headers, with one signature per key. `message_id` holds no full stop, `at_s` is epoch seconds."""
    signed = f"{message_id}.{at_s}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }


def _key(written: str) -> bytes:
    try:
        key = base64.b64decode(written.removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not written.startswith(_PREFIX) or not _LEAST <= len(key) <= _MOST:
        raise ValueError("is not whsec_ and 24 to 64 bytes in base64")
    return key
