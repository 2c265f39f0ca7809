"""What the demo's live pages show: the same data as the admin API, of the demo site alone."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from core.errors import NotFound
from server import state
from server.admin import visitor_data
from server.interactions import LOCAL, is_local
from server.tokens import COOKIE

SITE = "demo"


class SiteDemoReader:
    """`server.demo.DemoReader` over the running application."""

    def __init__(self, app: web.Application) -> None:
        self._app = app

    def published(self) -> bool:
        """Whether the demo site is published."""
        return self._app[state.REGISTRY].get(SITE) is not None

    def visitor_of(self, request: web.Request) -> str | None:
        """The visitor whose browser is asking."""
        return self._app[state.TOKENS].visitor(request.cookies.get(COOKIE))

    async def visitor(self, visitor: str) -> dict[str, Any] | None:
        """That visitor's view."""
        try:
            return await visitor_data(self._app, SITE, visitor)
        except NotFound:
            return None

    async def alerts(self, limit: int) -> list[dict[str, Any]]:
        """The newest alerts, each with its message; without Slack its buttons work here."""
        alerts = await self._app[state.OUTBOX].recent(SITE, limit, messages=True)
        return [alert | {"clicks": LOCAL} for alert in alerts] if is_local(self._app) else alerts
