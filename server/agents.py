"""What the User-Agent header tells: the kind of device."""

from __future__ import annotations

from functools import lru_cache

from ua_parser import parse

TABLETS = ("ipad", "tablet", "kindle", "nexus 7", "nexus 10")


@lru_cache(maxsize=8_192)
def device_type(user_agent: str) -> str:
    """`mobile`, `tablet` or `desktop`; "" where nothing is known."""
    if not user_agent:
        return ""
    parsed = parse(user_agent[:500])
    family = (parsed.device.family if parsed.device else "").lower()
    system = (parsed.os.family if parsed.os else "").lower()
    if any(name in family for name in TABLETS):
        return "tablet"
    if system in {"ios", "android"}:
        return "mobile" if "mobile" in user_agent.lower() or system == "ios" else "tablet"
    return "desktop" if system else ""
