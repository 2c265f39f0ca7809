"""What a transport does for the tables around each batch: prefetch, write out, hand over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streams.topics import name_of


class TableHooks:
    """For a Faust transport whose app's tables keep their data in `streams.plugins.store.Store`."""

    app: Any

    def on_fatal(self, error: BaseException) -> None:
        """Nothing this process holds in memory may be written any more."""
        getattr(self.app, "on_fatal", _raise)(error)

    async def before_delivery(self, keys: Iterable[bytes | None]) -> None:
        """Let the tables fetch what the messages of a batch will ask for, in one round trip."""
        wanted = [name for key in keys if (name := name_of(key)) is not None]
        for table in self.app.tables.values():
            await table.data.load(wanted)

    async def before_commit(self) -> None:
        """Write what the messages up to the commit have done."""
        for table in self.app.tables.values():
            await table.data.flush()

    async def hand_over(self) -> None:
        """Write everything and forget it: from now on others may write the same records."""
        for table in self.app.tables.values():
            await table.data.on_rebalance()


def _raise(error: BaseException) -> None:
    raise error
