"""Drafts: site files kept for previews, for a day. Nothing runs on them, and nobody else is served them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec
from redis.asyncio import Redis

from core.errors import KizashiError
from sites.check import read_text
from sites.mistakes import BadSiteFile, Mistake
from sites.revisions import Revision
from sites.site import Site
from storage import keys

LIFE_S = 86_400
#: Compiled drafts a process keeps at hand.
AT_HAND = 8

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Revision).decode


async def keep_draft(redis: Redis, text: str, *, site: str, name: str, now: int) -> Site:
    """Check a site file and keep it as a draft of `site`. Raises BadSiteFile with every mistake."""
    file, data = read_text(text)
    if file.site != site:
        mistake = Mistake(line=1, field="site", message=f"must be {site}: the draft is one of that site")
        raise BadSiteFile([mistake])
    draft = Revision(site=site, number=0, published_at=now, text=text, data=data, rule_versions={})
    await redis.set(keys.draft(site, name), _encode(draft), ex=LIFE_S)
    return draft.compile()


class Drafts:
    """Reads drafts. A name stands for one text for ever, so what is compiled is kept."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._at_hand: OrderedDict[str, Site] = OrderedDict()

    async def get(self, site: str, name: str) -> Site | None:
        """The draft, None where it is gone or this version cannot read it. Raises redis.RedisError."""
        key = keys.draft(site, name)
        if key not in self._at_hand:
            stored: Any = await self._redis.get(key)
            if stored is None:
                return None
            try:
                self._at_hand[key] = _decode(stored).compile()
            except (KizashiError, msgspec.MsgspecError):
                return None
        self._at_hand.move_to_end(key)
        while len(self._at_hand) > AT_HAND:
            self._at_hand.popitem(last=False)
        return self._at_hand.get(key)
