"""The browser snippet as the server hands it out.

The file is checked in built (`snippet/dist/kizashi.js`), so serving it needs no Node.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources


def source() -> bytes:
    """The minified snippet, UTF-8, as `GET /kizashi.js` sends it."""
    return resources.files(__name__).joinpath("dist/kizashi.js").read_bytes()


def integrity() -> str:
    """The Subresource Integrity value of `source()`: `sha384-` and the base64 of its SHA-384."""
    return "sha384-" + base64.b64encode(hashlib.sha384(source()).digest()).decode()
