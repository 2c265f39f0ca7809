"""Visitors as a website has them over hours: some page views are of those who were here, more of new ones."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from benchmarks.beacon import requests

#: Of all page views, those of somebody new.
NEW = 0.4
#: Visitors that may come back; the newest takes the place of one of them.
MOST = 2_000


class Returning:
    """Makes the requests and hears the answers, which bring the tokens of new visitors."""

    def __init__(self, tokens: list[str], port: int) -> None:
        self._tokens, self._port, self._rng = list(tokens), port, random.Random(1)
        #: Visitors seen so far.
        self.count = len(tokens)
        self._known = set(tokens)

    def requests(self) -> Iterator[bytes]:
        """Page views without end."""
        yield from requests(self._next(), self._port)

    def _next(self) -> Iterator[str]:
        while True:
            yield "" if self._rng.random() < NEW else self._rng.choice(self._tokens)

    def heard(self, answer: bytes) -> None:
        """Remember whom the answer is for."""
        token = json.loads(answer)["v"]
        if token in self._known:
            return
        self.count += 1
        if len(self._tokens) < MOST:
            self._tokens.append(token)
        else:
            place = self._rng.randrange(MOST)
            self._known.discard(self._tokens[place])
            self._tokens[place] = token
        self._known.add(token)
