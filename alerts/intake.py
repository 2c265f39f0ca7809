"""Entries of the outbox, on their way to the channels: what each asks for, and what comes of that beside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alerts.channels import Channels
from alerts.copies import copy_for, reminder
from alerts.model import Alert
from alerts.outbox import Entry, Outbox
from alerts.records import Stored
from alerts.standing import Standing
from alerts.turns import Pending


class Intake:
    """Sorts entries into channels. `clock` is epoch milliseconds."""

    def __init__(self, *, outbox: Outbox, channels: Channels, clock: Callable[[], int]) -> None:
        self._outbox, self._channels, self._clock = outbox, channels, clock

    async def take(self, entries: Sequence[Entry]) -> None:
        """Put entries into their channels' queues. Raises RedisError."""
        loaded = await self._outbox.load([one.alert_id for one in entries])
        standings = iter(await self._outbox.standings([one.alert for one in loaded if one is not None]))
        for entry, stored in zip(entries, loaded, strict=True):
            if stored is None:
                await self._outbox.outcomes.drop(entry.entry, None, entry.alert_id)
            else:
                await self._take(entry, stored, next(standings))

    async def _take(self, entry: Entry, stored: Stored, standing: Standing) -> None:
        alert = stored.alert
        if entry.kind == "remind":
            await self._remind(entry, alert, standing)
        elif entry.kind == "redraw":
            await self._channels.put(_pending(entry, alert, standing), alert, redraw=True)
        elif stored.outcome:
            await self._outbox.outcomes.drop(entry.entry, stored, alert.id)
        elif alert.sink not in self._channels.sinks:
            why = f"no {alert.sink} is set up"
            await self._outbox.outcomes.failed(alert.id, why, now=self._clock(), entry=entry.entry)
        else:
            await self._copy(alert)
            await self._channels.put(_pending(entry, alert, standing), alert)

    async def _remind(self, entry: Entry, alert: Alert, standing: Standing) -> None:
        again = None if standing.unfit else reminder(alert)
        if standing.owner and again is not None:
            await self._outbox.pause(alert, entry)
            return
        await self._outbox.enqueue([again] if again is not None else [], instead_of=entry.entry)

    async def _copy(self, alert: Alert) -> None:
        """Copies for the other places. To make them once more, after a restart, changes nothing."""
        if alert.sink or alert.reminder:
            return
        others = {name: sink for name, sink in self._channels.sinks.items() if name}
        if others:
            await self._outbox.enqueue(copy_for(alert, name, sink) for name, sink in others.items())


def _pending(entry: Entry, alert: Alert, standing: Standing) -> Pending:
    queued_at = int(entry.entry.split("-")[0])
    return Pending(
        entry=entry.entry,
        alert_id=alert.id,
        at=queued_at if alert.reminder else alert.at,
        queued_at=queued_at,
        episode=alert.episode or alert.id,
        urgent=alert.urgent,
        posted=alert.channel in standing.posts,
    )
