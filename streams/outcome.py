"""What a step over one event takes into account beside the profile, and what comes of it. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from alerts.model import Alert
from core.profiles import Entry, Profile
from leads.accounts import Facts


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What is known around a visitor: the same person's other visitors, and the other visitors of the company.

    `lead` is the person ("": nobody known). Empty for whoever came alone.
    """

    lead: str = ""
    peers: tuple[Profile, ...] = ()
    colleagues: Mapping[str, Facts] = msgspec.field(default_factory=dict)


ALONE = Around()


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A chapter that ended because somebody else uses the browser now, and what its ledger gets.

    `ledger_from` as in `Outcome`.
    """

    profile: Profile
    entries: tuple[Entry, ...] = ()
    ledger_from: int | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The profile after the event, the ledger entries and alerts it caused, and why nothing changed if so.

    `entries` are appended to the ledger; where a late event made the recent past new, they replace what stands
    from index `ledger_from` on. `closed` are the chapters that ended.
    """

    profile: Profile
    entries: tuple[Entry, ...] = ()
    ledger_from: int | None = None
    alerts: tuple[Alert, ...] = ()
    closed: tuple[Closed, ...] = ()
    reason: Literal["applied", "duplicate", "erased"] = "applied"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes that `step` has looked at (`Site.asks`), as of `at` (epoch ms)."""

    at: int
    facts: dict[str, Any]
