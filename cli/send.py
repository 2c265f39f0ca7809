"""Bring events in from a file: history from elsewhere, counted as if it had been seen, telling nobody."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from redis.exceptions import RedisError

from cli.sites import STORE_TIMEOUT_S
from core.errors import KizashiError, NotFound, StoreUnavailable
from core.events import Event
from server.config import Settings, from_env
from storage.connect import connect

if TYPE_CHECKING:  # the stream's modules take a while to import
    from redis.asyncio import Redis

    from streams.publisher import Publisher

BATCH = 500
#: Mistakes that are shown one by one.
SHOWN = 20
#: The store's stream is not filled further than this: the worker reads it meanwhile.
WAITING = 20_000
_LOOK_S = 0.05


@click.command()
@click.argument("site")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--check", "only_check", is_flag=True, help="Read the file and name its mistakes; send nothing."
)
def send(site: str, file: Path, only_check: bool) -> None:
    """Import events from FILE.jsonl, one JSON object a line (docs/import.md). Nobody is told of them.

    The same file sent again changes nothing. Lines with a mistake are named and left out.
    """
    from streams.imports import Bad, read_line

    now, good, bad = time.time_ns() // 1_000_000, list[Event](), list[str]()
    for number, line in _lines(file):
        found = read_line(line, site=site, now=now)
        if isinstance(found, Bad):
            bad.append(f"{file}:{number}: {found.field}: {found.message}".replace(": :", ":"))
        else:
            good.append(found)
    for mistake in bad[:SHOWN]:
        click.echo(mistake, err=True)
    if len(bad) > SHOWN:
        click.echo(f"… and {len(bad) - SHOWN} more", err=True)
    if not only_check:
        good.sort(key=lambda event: event.at)  # stable; what a visitor did comes in its order
        asyncio.run(_send(from_env(os.environ), site, good))
    click.echo(f"{'read' if only_check else 'sent'} {len(good)} events, left out {len(bad)}")
    if bad:
        raise click.exceptions.Exit(1)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line


async def _send(settings: Settings, site: str, events: Sequence[Event]) -> None:
    from sites.revisions import current_numbers

    try:
        async with connect(settings.store_url, socket_timeout=STORE_TIMEOUT_S) as redis:
            if site not in await current_numbers(redis):
                raise NotFound(f"site {site!r} is not published")
            async with _publisher(settings, redis) as publisher:
                for start in range(0, len(events), BATCH):
                    await publisher.publish(events[start : start + BATCH])
                    await _room(redis)
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"the store cannot be reached: {error}") from None
    except KizashiError as error:
        raise KizashiError(f"{error} (what was sent stays; send the file again)") from None


async def _room(redis: Redis) -> None:
    """Wait while the store's stream is long: it lives in memory."""
    from storage import keys
    from streams.topics import EVENTS

    while int(await redis.xlen(keys.stream(EVENTS, 0))) > WAITING:  # noqa: ASYNC110  # another process's work
        await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def _publisher(settings: Settings, redis: Redis) -> AsyncIterator[Publisher]:
    from streams.backend import publisher_for

    publisher = publisher_for(redis=redis, broker_url=settings.broker_url)
    try:
        yield publisher
    finally:
        await publisher.close()
