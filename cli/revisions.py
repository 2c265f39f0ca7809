"""A site's past: its revisions, what differs between two of them, and going back."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from cli.dlq import table
from cli.sites import plain, signed, store
from core.errors import KizashiError, NotFound
from server.config import Settings, from_env

if TYPE_CHECKING:  # the models take a while to import, and most commands need none of them
    from sites.revisions import Revision

HEADS = ("REVISION", "WHEN", "BY", "NOTE")


@click.command()
@click.argument("site")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="The newest so many.")
def revisions(site: str, limit: int) -> None:
    """List a site's revisions, the current one first."""
    found = asyncio.run(_all(from_env(os.environ), site))
    for line in table([HEADS, *map(_row, found[:limit])]):
        click.echo(line)
    if len(found) > limit:
        click.echo(f"{len(found) - limit} older ones are not shown; --limit shows more", err=True)


@click.command()
@click.argument("site")
@click.argument("old", type=click.IntRange(1))
@click.argument("new", type=click.IntRange(1), required=False)
def diff(site: str, old: int, new: int | None) -> None:
    """Say what differs between two revisions; NEW left out is the current one."""
    from sites.diff import differences

    before, after = asyncio.run(_two(from_env(os.environ), site, old, new))
    for line in differences(before, after) or ["nothing: the two have the same text"]:
        click.echo(line)


@click.command()
@click.argument("site")
@click.argument("revision", type=click.IntRange(1), required=False)
@signed
def rollback(site: str, revision: int | None, by: str, note: str) -> None:
    """Publish an old revision again, under a new number; REVISION left out is the one before the current.

    Twice without a number is back where it was.
    """
    now = time.time_ns() // 1_000_000
    published, changes = asyncio.run(
        _roll_back(from_env(os.environ), site, revision, now=now, by=plain(by), note=plain(note))
    )
    if published.published_at != now:
        raise KizashiError(f"revision {published.number} is current and has that text already")
    click.echo(f"published revision {published.number}, the text of revision {published.restores}")
    for change in changes:
        click.echo(f"  {change}")


async def _all(settings: Settings, site: str) -> list[Revision]:
    from sites import revisions as stored

    async with store(settings) as redis:
        found = await stored.revisions(redis, site)
    if not found:
        raise NotFound(f"there is no site {site!r}")
    return found


async def _two(settings: Settings, site: str, old: int, new: int | None) -> tuple[Revision, Revision]:
    from sites.revisions import read_revision

    async with store(settings) as redis:
        return await read_revision(redis, site, old), await read_revision(redis, site, new)


async def _roll_back(
    settings: Settings, site: str, number: int | None, *, now: int, by: str, note: str
) -> tuple[Revision, list[str]]:
    from sites.diff import differences
    from sites.revisions import read_revision, roll_back

    async with store(settings) as redis:
        published = await roll_back(redis, site, number, now=now, by=by, note=note)
        if published.number == 1:
            return published, []
        return published, differences(await read_revision(redis, site, published.number - 1), published)


def _row(revision: Revision) -> tuple[str, ...]:
    when = datetime.fromtimestamp(revision.published_at / 1000, UTC).isoformat(sep=" ", timespec="seconds")
    restored = f"text of revision {revision.restores}" if revision.restores else ""
    note = " · ".join(part for part in (restored, revision.note) if part)
    return str(revision.number), when, plain(revision.by) or "-", plain(note)
