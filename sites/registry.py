"""The sites a process runs, kept up to date while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType

import structlog
from redis.asyncio import Redis

from core.conditions import compile_condition
from sites.revisions import Revision, current_numbers, publish, read_revisions, revisions
from sites.site import Site
from storage import keys

__all__ = ["Registry", "Revision", "load_current", "publish", "revisions"]

#: How often a process asks whether something was published, in seconds.
POLL_SECONDS = 0.3
#: Different failures of conditions that are named in the log.
MAX_TOLD = 100

log = structlog.get_logger()


async def load_current(redis: Redis) -> dict[str, Site]:
    """Every published site, compiled. Raises BadSiteFile for a revision this version cannot read."""
    found = await read_revisions(redis, (await current_numbers(redis)).items())
    return {revision.site: revision.compile() for revision in found}


class Registry:
    """Every site in memory. `sites` is replaced as a whole, never changed: keep a reference for one request.

    When a read fails, or a revision cannot be compiled, what was loaded last stays, `errors` rises, and the
    log says so: of reads once until one succeeds, of a revision once for each time it is published.
    """

    def __init__(self, redis: Redis, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._redis = redis
        self._poll_seconds = poll_seconds
        self._seen: object = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._watchers: list[Callable[[frozenset[str]], None]] = []
        self._by_key: Mapping[str, Site] = {}
        self.sites: Mapping[str, Site] = MappingProxyType({})
        self.errors = 0
        self.condition_errors = 0
        self._told: set[str] = set()
        self._failing = False
        self.loaded = False

    async def start(self) -> None:
        """Load once, then watch. A store that is away is an error to retry, not a reason to stay down:
        `loaded` says whether the sites have been read at all.
        """
        await self.refresh()
        self._task = asyncio.create_task(self._watch(), name="sites-registry")

    async def stop(self) -> None:
        """End the watching."""
        self._stopping = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def get(self, site: str) -> Site | None:
        """The site of this id."""
        return self.sites.get(site)

    def by_write_key(self, write_key: str) -> Site | None:
        """The site whose write key this is."""
        return self._by_key.get(write_key)

    def watch(self, changed: Callable[[frozenset[str]], None]) -> None:
        """Call `changed` with the ids of the sites that have become others, each time some have."""
        self._watchers.append(changed)

    async def _watch(self) -> None:
        # Not only by cancellation: a client library that swallows one must not keep the process alive.
        while not self._stopping:
            await asyncio.sleep(self._poll_seconds)
            await self.refresh()

    async def refresh(self) -> None:
        """Load what was published since the last look; one read where nothing was. Never raises."""
        try:
            changed = await self._redis.get(keys.SITES_CHANGED)
            if not self.loaded or changed != self._seen:
                self._swap(await self._load())
                self._seen, self.loaded = changed, True
            self._failing = False
        # Losing the watch would leave a process on old sites for ever, so every error only counts.
        except Exception as error:
            self.errors += 1
            if not self._failing:
                log.error(
                    "sites cannot be read; the last ones stay", reason=str(error) or type(error).__name__
                )
            self._failing = True

    async def _load(self) -> dict[str, Site]:
        """The current sites; one whose revision is unchanged or cannot be compiled stays as it is."""
        numbers = await current_numbers(self._redis)
        kept = {name: site for name, site in self.sites.items() if numbers.get(name) == site.revision}
        wanted = [(name, number) for name, number in numbers.items() if name not in kept]
        for revision in await read_revisions(self._redis, wanted):
            try:
                kept[revision.site] = revision.compile(partial(compile_condition, failed=self._failed))
            # One site that this version cannot read must not hold back the others.
            except Exception as error:
                self.errors += 1
                running = self.sites.get(revision.site)
                log.error(
                    "a revision cannot be compiled; the last one stays",
                    site=revision.site,
                    revision=revision.number,
                    running=running.revision if running else None,
                    reason=str(error),
                )
                if running:
                    kept[revision.site] = running
        return kept

    def _failed(self, error: Exception) -> None:
        """A condition failed for one visitor and so matches nobody; the first of each kind is in the log."""
        self.condition_errors += 1
        kind = f"{type(error).__name__}: {error}"
        if kind not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(kind)
            log.error("a condition failed and matches nobody", reason=kind)

    def _swap(self, sites: dict[str, Site]) -> None:
        names = self.sites.keys() | sites.keys()
        changed = frozenset(name for name in names if self.sites.get(name) is not sites.get(name))
        self._by_key = {site.write_key: site for site in sites.values()}
        self.sites = MappingProxyType(sites)
        for watcher in self._watchers if changed else ():
            watcher(changed)
