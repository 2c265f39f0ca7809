"""What waits for one channel, by episode, and whose turn it is. Plain data; nothing is sent here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

from alerts.turns import Pending

#: So many alerts of one episode are told in one message; so many are looked at for a digest, and for one of late
#: ones, which counts those that it does not name.
MAX_GROUP = 20
MAX_DIGEST = 500
MAX_LATE = 10_000


class Waiting:
    """Alerts by what is told together, in the order in which they came: those of an episode that has a message
    already (`updates`), urgent ones, and the others (`fresh`). Clicks come before all.

    `together`: an episode's alerts share a message. `living`: a message can be updated where it stands; else
    an update is a message like others.
    """

    def __init__(self, *, together: bool = True, living: bool = True) -> None:
        self._together, self._living = together, living and together
        self.redraws: deque[Pending] = deque()
        self.updates: dict[str, list[Pending]] = {}
        self.urgent: dict[str, list[Pending]] = {}
        self.fresh: dict[str, list[Pending]] = {}
        self._posted: set[str] = set()

    def __len__(self) -> int:
        return len(self.redraws) + sum(len(groups) for groups in self._kinds)

    @property
    def _kinds(self) -> tuple[dict[str, list[Pending]], ...]:
        return self.updates, self.urgent, self.fresh

    def put(self, pending: Pending) -> None:
        """Add an entry at the end."""
        key = pending.episode if self._together else pending.entry
        if pending.posted:
            self._posted.add(pending.episode)
        kind = self.fresh
        if self._living and pending.episode in self._posted:
            kind = self.updates
        elif pending.urgent or key in self.urgent:
            kind = self.urgent
            if earlier := self.fresh.pop(key, None):
                kind[key] = earlier
        kind.setdefault(key, []).append(pending)

    def put_redraw(self, pending: Pending) -> None:
        """Add a click."""
        self.redraws.append(pending)

    def clear(self) -> None:
        """Forget the entries: they are read from the outbox again."""
        self.redraws.clear()
        for groups in self._kinds:
            groups.clear()

    def posted(self, episode: str) -> None:
        """The episode has a message now: what else waits of it is an update."""
        self._posted.add(episode)
        for groups in (self.urgent, self.fresh) if self._living else ():
            if waiting := groups.pop(episode, None):
                self.updates.setdefault(episode, []).extend(waiting)

    def settled(self, entries: frozenset[str], groups: dict[str, list[Pending]], keys: list[str]) -> None:
        """Take `entries` out of `groups`, where they stand under `keys`."""
        for key in keys:
            left = [one for one in groups.get(key, ()) if one.entry not in entries]
            if left:
                groups[key] = left
            else:
                groups.pop(key, None)

    def first(self, groups: dict[str, list[Pending]]) -> list[Pending]:
        """The first of `groups`, as much of it as one message takes."""
        return next(iter(groups.values()))[:MAX_GROUP]

    def rotate(self) -> None:
        """Give what is behind the first ones its turn. The click goes back to the outbox."""
        if self.redraws:
            self.redraws.popleft()
        for groups in self._kinds:
            if groups:
                key = next(iter(groups))
                groups[key] = groups.pop(key)

    def oldest(self, which: Callable[[Pending], bool], most: int = MAX_DIGEST) -> list[Pending]:
        """Those fresh and urgent ones that a digest can look at."""
        return list(islice(filter(which, self._single()), most))

    def _single(self) -> Iterator[Pending]:
        for groups in (self.urgent, self.fresh):
            for waiting in groups.values():
                yield from waiting
