"""Reads who belongs together: the visitors of one person, and what the visitors of one company leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from core.identity import Edges
from core.profiles import Profile
from storage import keys
from storage.pipe import Pipe, pairs
from storage.profiles import unpack

#: Visitors of one person that are looked at; the newest of them where somebody has more.
MAX_PEERS = 20
#: Of more visitors than this only so many are read to find them.
MAX_READ = 100
#: Seconds. `kz:i` outlives the profiles it names; `kz:a` tells of the last week only.
PERSON_LIFE_S = 400 * 86_400
ACCOUNT_LIFE_S = 100 * 86_400

encode_edges = msgspec.json.Encoder().encode
_decode_edges = msgspec.json.Decoder(Edges).decode

#: Resolves a lead from the edges read so far, and says what is still to read: see `leads.people`.
Resolve = Callable[[Edges, Mapping[str, Mapping[str, Edges]]], tuple[str, Sequence[str], Sequence[str]]]


class PeopleReader:
    """Reads edges. `resolve(own, known)` gives the lead, its visitors among `known`, and what to read next."""

    def __init__(self, *, pipe: Pipe, resolve: Resolve) -> None:
        self._pipe, self._resolve = pipe, resolve

    async def lead(self, site: str, own: Edges) -> tuple[str, Sequence[str]]:
        """The lead of a visitor with these edges, and the names of its visitors; ("", ()) for nobody known."""
        known: dict[str, dict[str, Edges]] = {}
        missing: Sequence[str] = own.all
        lead: str = ""
        names: Sequence[str] = ()
        while missing:
            known |= await self._known(site, missing)
            lead, names, missing = self._resolve(own, known)
        return lead, names

    async def visitors(self, site: str, lead: str) -> Sequence[str]:
        """The names of a lead's visitors."""
        return (await self.lead(site, Edges(linked=lead)))[1]

    async def profiles(self, site: str, names: Sequence[str]) -> list[Profile]:
        """The profiles of these visitors, those that are gone left out."""
        if not names:
            return []
        # An account that a whole crowd shares must not make each of its events as long as the crowd.
        wanted = names[:MAX_READ]
        records: list[Any] = await self._pipe.call("MGET", *(keys.profile(site, name) for name in wanted))
        found = [unpack(record)[1] for record in records if record]
        return sorted(found, key=lambda one: -one.last_at)[:MAX_PEERS]

    async def _known(self, site: str, identifiers: Iterable[str]) -> dict[str, dict[str, Edges]]:
        asked = {one: self._pipe.call("HGETALL", keys.person(site, one)) for one in identifiers}
        await asyncio.gather(*asked.values())
        return {
            identifier: {name.decode(): _decode_edges(value) for name, value in pairs(answer.result())}
            for identifier, answer in asked.items()
        }
