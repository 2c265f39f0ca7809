"""Site files: checked, published, listed."""

from __future__ import annotations

import asyncio
import getpass
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from redis.exceptions import RedisError

from core.errors import SiteFileError, StoreUnavailable
from server.config import Settings, from_env
from storage import keys
from storage.connect import connect

if TYPE_CHECKING:  # the models take a while to import, and most commands need none of them
    from redis.asyncio import Redis

    from sites.mistakes import Mistake
    from sites.model import SiteFile
    from sites.revisions import Revision

STORE_TIMEOUT_S = 10.0

SiteFilePath = click.Path(path_type=Path)


@click.command()
@click.argument("site_file", type=SiteFilePath)
def check(site_file: Path) -> None:
    """Check a site file; each mistake is shown with its line and field."""
    checked = _checked(site_file, read(site_file))
    click.echo(f"{site_file}: OK, {summary(checked)}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return ""


def signed(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say who publishes, and why."""
    command = click.option("--note", default="", help="Why, for the list of revisions.")(command)
    return click.option("--by", default=_user, help="Who publishes; left out, the user of this machine.")(
        command
    )


@click.command()
@click.argument("site_file", type=SiteFilePath)
@signed
def publish(site_file: Path, by: str, note: str) -> None:
    """Check a site file and make it the site's current revision."""
    from sites.mistakes import BadSiteFile

    settings = from_env(os.environ)
    text = read(site_file)
    checked = _checked(site_file, text)
    try:
        revision, changes = asyncio.run(_publish(text, settings, by=plain(by), note=plain(note)))
    except BadSiteFile as error:
        raise refused(site_file, error.mistakes) from None
    click.echo(f"published revision {revision.number}, {summary(checked)}")
    for change in changes:
        click.echo(f"  {change}")


@click.command()
def sites() -> None:
    """List the published sites with their current revisions."""
    for site, revision in sorted(asyncio.run(_published(from_env(os.environ))).items()):
        click.echo(f"{site}\t{revision}")


def summary(checked: SiteFile) -> str:
    """What a site file defines, in one line."""
    counts = {
        "scoring rules": len(checked.scoring.rules),
        "audiences": len(checked.audiences),
        "experiences": len(checked.experiences),
        "alert rules": len(checked.alerts),
    }
    return f"site {checked.site}: " + ", ".join(f"{count} {name}" for name, count in counts.items())


def _checked(path: Path, text: str) -> SiteFile:
    from sites.check import check_text

    result = check_text(text)
    if isinstance(result, list):
        raise refused(path, result)
    return result


def refused(path: Path, mistakes: Iterable[Mistake]) -> click.exceptions.Exit:
    """Every mistake is printed; what is returned ends the command with exit code 1."""
    for mistake in mistakes:
        click.echo(mistake.at(str(path)), err=True)
    return click.exceptions.Exit(1)


async def publish_text(text: str, settings: Settings, *, by: str = "", note: str = "") -> Revision:
    """Publish a site file's text. Raises BadSiteFile or StoreUnavailable."""
    return (await _publish(text, settings, by=by, note=note))[0]


async def _publish(text: str, settings: Settings, *, by: str, note: str) -> tuple[Revision, list[str]]:
    """The revision, and what it changes in the one before; nothing where it was current already."""
    from sites import revisions
    from sites.diff import differences

    now = time.time_ns() // 1_000_000
    async with store(settings) as redis:
        revision = await revisions.publish(redis, text, now=now, by=by, note=note)
        if revision.number == 1 or revision.published_at != now:
            return revision, []
        return revision, differences(
            await revisions.read_revision(redis, revision.site, revision.number - 1), revision
        )


@asynccontextmanager
async def store(settings: Settings) -> AsyncIterator[Redis]:
    """A client of the store. Raises StoreUnavailable where it cannot be reached."""
    try:
        async with connect(settings.store_url, socket_timeout=STORE_TIMEOUT_S) as client:
            yield client
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"the store cannot be reached: {error}") from None


def plain(text: str) -> str:
    """One line that a terminal can show."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:200]


async def _published(settings: Settings) -> dict[str, str]:
    try:
        async with connect(settings.store_url, decode=True, socket_timeout=STORE_TIMEOUT_S) as client:
            published = await client.hgetall(keys.SITES)
            return {str(site): str(revision) for site, revision in published.items()}
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"the store cannot be reached: {error}") from None


def read(path: Path) -> str:
    """A file's text. Raises SiteFileError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SiteFileError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SiteFileError(f"{path} is not UTF-8 text") from None
