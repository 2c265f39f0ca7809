"""A DemoReader in memory: for tests, and to look at the demo's pages without a running pipeline."""

from __future__ import annotations

from typing import Any

from aiohttp import web


class FakeDemoReader:
    """Change `people`, `outbox` and `is_published`; the pages follow. Signatures are not checked."""

    def __init__(self, *, is_published: bool = True) -> None:
        self.is_published = is_published
        self.people: dict[str, dict[str, Any]] = {}
        self.outbox: list[dict[str, Any]] = []

    def published(self) -> bool:
        """Whatever `is_published` says."""
        return self.is_published

    def visitor_of(self, request: web.Request) -> str | None:
        """The part of the `kz` cookie before the dot."""
        return request.cookies.get("kz", "").partition(".")[0] or None

    async def visitor(self, visitor: str) -> dict[str, Any] | None:
        """That person, or None."""
        return self.people.get(visitor)

    async def alerts(self, limit: int) -> list[dict[str, Any]]:
        """The newest of `outbox`, which is kept newest first."""
        return self.outbox[:limit]
