"""What is written in the same transaction as a profile: ledger entries, recent events, alerts."""

from __future__ import annotations

from alerts.outbox import enqueue_commands
from core.events import Event, encode_event
from core.profiles import encode_profile
from storage import keys
from storage.profiles import LIFE_S, encode_entry
from streams.pipeline import Outcome
from streams.recent import Folded

Command = tuple[str | bytes | int, ...]

#: The recent events reach back two days before they are thinned, and a late one may be a day late.
RECENT_LIFE_S = 75 * 3_600


def effects(event: Event, value: bytes, folded: Folded) -> list[Command]:
    """The commands for one event. `value` is the event as it came, encoded."""
    commands = _ledger(event, folded.outcome) + _recent(event, value, folded)
    for alert in folded.outcome.alerts:
        commands.extend(enqueue_commands(alert))
    return commands


def _ledger(event: Event, outcome: Outcome) -> list[Command]:
    ledger = keys.ledger(event.site, event.visitor)
    commands: list[Command] = []
    if outcome.ledger_from is not None:
        keep_none = outcome.ledger_from == 0
        commands.append(("DEL", ledger) if keep_none else ("LTRIM", ledger, 0, outcome.ledger_from - 1))
    if outcome.entries:
        commands.append(("RPUSH", ledger, *map(encode_entry, outcome.entries)))
        commands.append(("EXPIRE", ledger, LIFE_S))
    return commands


def _recent(event: Event, value: bytes, folded: Folded) -> list[Command]:
    recent, base = keys.recent(event.site, event.visitor), keys.base(event.site, event.visitor)
    if folded.keep == "full":
        return []
    if folded.keep == "append":
        return [("RPUSH", recent, value)]
    assert folded.recent is not None  # "restart" and "rewrite" bring it
    values = [value] if folded.keep == "restart" else [encode_event(one) for one in folded.recent.events]
    before = folded.recent.base
    return [
        ("DEL", recent, base),
        ("RPUSH", recent, *values),
        ("EXPIRE", recent, RECENT_LIFE_S),
        *([("SET", base, encode_profile(before), "EX", RECENT_LIFE_S)] if before else []),
    ]
