"""What Segment's browser client is told before its first call: where to send, and to load nothing else."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


def client_settings(*, write_key: str, public_url: str, host: str) -> dict[str, Any]:
    """The client's settings. `host` is the one it asked: an address it reaches us at, maybe not the public one.

    No other integration is named, so the client loads no further code. `sampleRate` 0 keeps what it measures of
    itself from being sent to Segment, its default.
    """
    public = urlsplit(public_url)
    base = f"{public.netloc}{public.path.rstrip('/')}" if host == public.netloc else host
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": f"{base}/v1",
                "protocol": public.scheme,
                "addBundledMetadata": False,
            }
        },
        "plan": {},
        "metrics": {"sampleRate": 0, "host": f"{base}/v1", "protocol": public.scheme},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }
