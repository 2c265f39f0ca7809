"""Whose turn it is, and what comes of it: an entry of the outbox, all that is known of it, what was told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alerts.model import Alert
from alerts.records import Stored
from alerts.standing import Post, Standing


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """One entry of the outbox stream. `at` is when the alert fired, `queued_at` when it was put there.

    `episode` is what is told together; `posted` says that the episode has a message in the channel already.
    """

    entry: str
    alert_id: str
    at: int
    queued_at: int
    episode: str = ""
    urgent: bool = False
    posted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """An entry with all that is known of its alert."""

    pending: Pending
    stored: Stored
    standing: Standing

    @property
    def alert(self) -> Alert:
        """The alert itself."""
        return self.stored.alert

    @property
    def post(self) -> Post | None:
        """The episode's message in the alert's channel."""
        return self.standing.posts.get(self.alert.channel)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a turn came to: the entries that are settled, the episode that has a message in the channel now, and
    whether something was sent there (`update`, `post` or `digest`; "": nothing).
    """

    settled: frozenset[str]
    what: str = ""
    posted: str = ""


def entries(cases: Iterable[Case]) -> frozenset[str]:
    """The stream entries of `cases`."""
    return frozenset(case.pending.entry for case in cases)
