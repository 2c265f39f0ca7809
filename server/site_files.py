"""The site file as the current revision has it, for views that explain: read once per revision."""

from __future__ import annotations

from redis.asyncio import Redis

from core.errors import KizashiError
from sites.check import read_data
from sites.model import SiteFile
from sites.revisions import read_revisions
from sites.site import Site


class SiteFiles:
    """Reads and keeps the files of the current revisions."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[str, tuple[int, SiteFile | None]] = {}

    async def get(self, site: Site) -> SiteFile | None:
        """The file; None where this version cannot read it. Raises redis.RedisError."""
        number, file = self._known.get(site.id, (0, None))
        if number != site.revision:
            try:
                revision = (await read_revisions(self._redis, [(site.id, site.revision)]))[0]
                file = read_data(revision.data)
            except KizashiError:
                file = None
            self._known[site.id] = (site.revision, file)
        return file
