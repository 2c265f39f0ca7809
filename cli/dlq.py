"""The dead letters: list them, put them back into the stream, or drop them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click
from redis.exceptions import RedisError

from cli.sites import STORE_TIMEOUT_S
from core.errors import KizashiError, StoreUnavailable
from server.config import Settings, from_env
from storage.connect import connect

if TYPE_CHECKING:  # the stream's modules take a while to import, and most commands need none of them
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from streams.dead_letters import DeadLetter, DeadLetters
    from streams.publisher import Publisher

T = TypeVar("T")

HEADS = ("WHEN", "SITE", "VISITOR", "EVENT", "ID", "REASON")


@click.group()
def dlq() -> None:
    """Events that could not be processed, with the reason."""


@dlq.command("list")
@click.option("--site", help="Only this site's.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The newest so many.")
def list_letters(site: str | None, limit: int) -> None:
    """List the dead letters, newest first."""
    letters = _run(lambda box, _: box.all(site=site))
    for line in table([HEADS, *map(_row, letters[: -limit - 1 : -1])]):
        click.echo(line)
    if len(letters) > limit:
        click.echo(f"{len(letters) - limit} older ones are not shown; --limit shows more", err=True)


@dlq.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="Every letter that holds an event.")
def replay(ids: tuple[str, ...], everything: bool) -> None:
    """Put events back into the stream; each letter goes once the stream has its event."""
    if bool(ids) == everything:
        raise click.UsageError("give either ids (kizashi dlq list shows them) or --all")
    asked, replayed = _run(lambda box, publisher: _replay(box, publisher, ids))
    click.echo(f"replayed {replayed}")
    if refused := [letter for letter in asked if letter.event is None]:
        for letter in refused:
            click.echo(
                f"{_plain(letter.id)}: not replayed, the message is not a readable event; "
                f"kizashi dlq drop removes it",
                err=True,
            )
        raise click.exceptions.Exit(1)


@dlq.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--yes", is_flag=True, help="Confirms that these events are to be lost.")
def drop(ids: tuple[str, ...], yes: bool) -> None:
    """Remove letters without replaying them: their events never count."""
    if not yes:
        raise click.UsageError("what is dropped is lost; --yes confirms it")
    click.echo(f"dropped {_run(lambda box, _: _drop(box, ids))}")


async def _replay(box: DeadLetters, publisher: Publisher, ids: Sequence[str]) -> tuple[list[DeadLetter], int]:
    asked = await (_found(box, ids) if ids else box.all())
    return asked, await box.replay(asked, publisher=publisher, now=time.time_ns() // 1_000_000)


async def _drop(box: DeadLetters, ids: Sequence[str]) -> int:
    return await box.drop(await _found(box, ids))


async def _found(box: DeadLetters, ids: Sequence[str]) -> list[DeadLetter]:
    """The letters of all of `ids`, or none: raises KizashiError for the first that is not there."""
    ids = list(dict.fromkeys(ids))
    letters = await box.get(ids)
    for name, letter in zip(ids, letters, strict=True):
        if letter is None:
            raise KizashiError(f"there is no dead letter {_plain(name)!r}; nothing was done")
    return [letter for letter in letters if letter is not None]


def _run(work: Callable[[DeadLetters, Publisher], Awaitable[T]]) -> T:
    """Do `work` on the store of the settings. Raises StoreUnavailable."""
    return asyncio.run(_with_parts(from_env(os.environ), work))


async def _with_parts(settings: Settings, work: Callable[[DeadLetters, Publisher], Awaitable[T]]) -> T:
    from streams.dead_letters import DeadLetters

    try:
        async with (
            connect(settings.store_url, socket_timeout=STORE_TIMEOUT_S) as redis,
            _publisher(settings, redis) as publisher,
        ):
            return await work(DeadLetters(redis=redis), publisher)
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"the store cannot be reached: {error}") from None


@asynccontextmanager
async def _publisher(settings: Settings, redis: Redis) -> AsyncIterator[Publisher]:
    """The stream that the settings name."""
    from streams.backend import publisher_for

    publisher = publisher_for(redis=redis, broker_url=settings.broker_url)
    try:
        yield publisher
    finally:
        await publisher.close()


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, their columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _row(letter: DeadLetter) -> tuple[str, ...]:
    when = datetime.fromtimestamp(letter.at / 1000, UTC).isoformat(sep=" ", timespec="seconds")
    name = letter.event.name if letter.event else "-"
    cells = (letter.site, letter.visitor, name, letter.id, letter.reason)
    return (when, *map(_plain, cells))


def _plain(text: str) -> str:
    """Text from outside, made safe for a terminal and for one line."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
