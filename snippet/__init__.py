"""The browser snippet as the server hands it out.

The files are checked in built (`snippet/dist/`), so serving them needs no Node.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources


def source() -> bytes:
    """The minified snippet, UTF-8, as `GET /kizashi.js` sends it."""
    return _built("kizashi.js")


def live_source() -> bytes:
    """The script that a page with live decisions loads besides, as `GET /kizashi-live.js` sends it."""
    return _built("kizashi-live.js")


def version() -> str:
    """The version of the built files, from their first line."""
    return source().split(b" ", 3)[2].decode()


def integrity(body: bytes | None = None) -> str:
    """The Subresource Integrity value of `source()`, or of `body`: `sha384-` and the base64 of its SHA-384."""
    digest = hashlib.sha384(source() if body is None else body).digest()
    return "sha384-" + base64.b64encode(digest).decode()


def _built(name: str) -> bytes:
    return resources.files(__name__).joinpath("dist", name).read_bytes()
