"""A Faust table without a changelog topic: its store is durable by itself."""

from __future__ import annotations

from typing import Any

import faust
from faust.tables.manager import TableManager as BaseTableManager


class Table(faust.Table[Any, Any]):
    """Changes go to the store only."""

    async def on_start(self) -> None:
        """Start the store; there is no changelog to declare."""
        await self.add_runtime_dependency(self.data)

    def on_key_set(self, key: Any, value: Any) -> None:
        """No changelog."""

    def on_key_del(self, key: Any) -> None:
        """No changelog."""


class TableManager(BaseTableManager):
    """Knows the tables, but subscribes to no changelog for them: recovery has nothing to replay."""

    def add(self, table: Any) -> Any:
        """Register a table."""
        self[table.name] = table
        return table

    async def _update_channels(self) -> None:
        self._tables_finalized.set()
        for table in self.values():
            await table.maybe_start()
        self._tables_registered.set()
