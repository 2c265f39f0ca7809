"""Published revisions of a site, numbered from 1. Nothing published is ever changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import WatchError

from core.conditions import compile_condition
from core.errors import NotFound, StoreUnavailable
from sites.check import read_data, read_text
from sites.compile import compile_site
from sites.mistakes import BadSiteFile, Mistake
from sites.model import SiteFile
from sites.site import Make, Site
from storage import keys

#: How often a publish starts anew when another one was faster.
ATTEMPTS = 100


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One published revision. `text` is the site file as written, `data` the same as plain data,
    `rule_versions` the version of every scoring rule the site ever had; `published_at` is in epoch ms.
    `by` and `note` are what who published it said. `restores` is the revision it brought back, 0 for none.
    """

    site: str
    number: int
    published_at: int
    text: str
    data: dict[str, Any]
    rule_versions: dict[str, int]
    by: str = ""
    note: str = ""
    restores: int = 0

    def compile(self, make: Make = compile_condition) -> Site:
        """The site as the engine runs it, its conditions compiled by `make`. Raises BadSiteFile when this version
        of Kizashi cannot read it.
        """
        file = read_data(self.data)
        return compile_site(file, revision=self.number, rule_versions=self.rule_versions, make=make)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Revision).decode


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """When something is published (epoch ms), by whom, why, and which revision that restores (0: none)."""

    now: int
    by: str = ""
    note: str = ""
    restores: int = 0


async def publish(redis: Redis, text: str, *, now: int, by: str = "", note: str = "") -> Revision:
    """Publish a site file and tell every process. Text that is current already publishes nothing new.

    Raises BadSiteFile with every mistake, StoreUnavailable when others publish all the time. The number, the
    revision and the notice are written as one.
    """
    return await _publish(redis, text, Signed(now=now, by=by, note=note))


async def roll_back(
    redis: Redis, site: str, number: int | None = None, *, now: int, by: str = "", note: str = ""
) -> Revision:
    """Publish an old revision's text again, under a new number; left out, that of the revision before the
    current one. Where that is the current text already, nothing is published.

    Raises NotFound, BadSiteFile for a text that this version of Kizashi refuses, StoreUnavailable.
    """
    if number is None:
        number = await before_current(redis, site)
    text = (await read_revision(redis, site, number)).text
    return await _publish(redis, text, Signed(now=now, by=by, note=note, restores=number))


async def _publish(redis: Redis, text: str, signed: Signed) -> Revision:
    file, data = read_text(text)
    for _ in range(ATTEMPTS):
        with suppress(WatchError):
            return await _attempt(redis, file, text=text, data=data, signed=signed)
    raise StoreUnavailable("Other revisions were published at the same moment, again and again.")


async def _attempt(
    redis: Redis, file: SiteFile, *, text: str, data: dict[str, Any], signed: Signed
) -> Revision:
    """One attempt. Raises WatchError when another revision of any site was published meanwhile."""
    async with redis.pipeline(transaction=True) as pipe:
        # Every publish writes SITES, so a publish that runs at the same time is seen here.
        await pipe.watch(keys.SITES)
        current = await _current(redis)
        before = current.get(file.site)
        if before is not None and before.text == text:
            return before
        _refuse_shared_key(file.site, file.write_key, current.values())
        revision = _next(before, site=file.site, text=text, data=data, signed=signed)
        pipe.multi()  # type: ignore[no-untyped-call]
        pipe.set(keys.revision(revision.site, revision.number), _encode(revision))
        pipe.hset(keys.SITES, revision.site, str(revision.number))
        pipe.incr(keys.SITES_CHANGED)
        await pipe.execute()
        return revision


def _next(before: Revision | None, *, site: str, text: str, data: dict[str, Any], signed: Signed) -> Revision:
    return Revision(
        site=site,
        number=before.number + 1 if before else 1,
        published_at=signed.now,
        text=text,
        data=data,
        rule_versions=next_versions(before, data),
        by=signed.by,
        note=signed.note,
        restores=signed.restores,
    )


def next_versions(before: Revision | None, data: Mapping[str, Any]) -> dict[str, int]:
    """A rule's version rises by one when its definition changes. Rules taken away keep theirs, so that one
    that comes back is not mistaken for what it was.
    """
    versions = dict(before.rule_versions) if before else {}
    old = _definitions(before.data if before else {})
    for name, definition in _definitions(data).items():
        if old.get(name) != definition:
            versions[name] = versions.get(name, 0) + 1
    return versions


def _definitions(data: Mapping[str, Any]) -> dict[str, bytes]:
    rules = (data.get("scoring") or {}).get("rules") or []
    # What a rule is called is not what it does.
    does = [{field: value for field, value in rule.items() if field != "label"} for rule in rules]
    return {rule["id"]: msgspec.json.encode(rule, order="deterministic") for rule in does}


def _refuse_shared_key(site: str, write_key: str, revisions: Iterable[Revision]) -> None:
    for other in revisions:
        if other.site != site and other.data.get("write_key") == write_key:
            message = f"is the write key of the site `{other.site}` already"
            raise BadSiteFile([Mistake(line=1, field="write_key", message=message)])


async def current_numbers(redis: Redis) -> dict[str, int]:
    """Every site's current revision number."""
    found = await redis.hgetall(keys.SITES)
    return {_text(site): int(number) for site, number in found.items()}


async def read_revisions(redis: Redis, numbers: Iterable[tuple[str, int]]) -> list[Revision]:
    """The revisions asked for. Raises NotFound when one is missing."""
    wanted = [keys.revision(site, number) for site, number in numbers]
    found = await redis.mget(wanted) if wanted else []
    missing = [key for key, one in zip(wanted, found, strict=True) if one is None]
    if missing:
        raise NotFound(f"There is no {missing[0]}.")
    return [_decode(one) for one in found if one is not None]


async def read_revision(redis: Redis, site: str, number: int | None = None) -> Revision:
    """One revision, the current one without a number. Raises NotFound."""
    current = (await current_numbers(redis)).get(site, 0)
    if not current:
        raise NotFound(f"there is no site {site!r}")
    wanted = current if number is None else number
    if not 1 <= wanted <= current:
        raise NotFound(f"site {site!r} has no revision {wanted}: its revisions are 1 to {current}")
    return (await read_revisions(redis, [(site, wanted)]))[0]


async def before_current(redis: Redis, site: str) -> int:
    """The number of the revision before the current one. Raises NotFound where there is none."""
    current = (await read_revision(redis, site)).number
    if current == 1:
        raise NotFound(f"site {site!r} has one revision only: there is none to go back to")
    return current - 1


async def revisions(redis: Redis, site: str) -> list[Revision]:
    """All revisions of a site, newest first; none for a site that was never published."""
    current = (await current_numbers(redis)).get(site, 0)
    return await read_revisions(redis, [(site, number) for number in range(current, 0, -1)])


async def _current(redis: Redis) -> dict[str, Revision]:
    found = await read_revisions(redis, (await current_numbers(redis)).items())
    return {revision.site: revision for revision in found}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
