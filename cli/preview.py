"""A link that shows the site as somebody else would see it."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.sites import SiteFilePath, read, refused, store
from server.config import Settings, ensure_secrets, from_env

if TYPE_CHECKING:  # the models take a while to import, and most commands need none of them
    from server.preview_links import Ask, Made


@click.command()
@click.argument("site")
@click.option("--audience", "audiences", multiple=True, metavar="NAME", help="As this audience sees it.")
@click.option("--visitor", default="", metavar="ID", help="As this visitor sees it.")
@click.option("--draft", type=SiteFilePath, help="As it would be if this site file were published.")
@click.option("--variant", "variants", multiple=True, metavar="EXPERIENCE=VARIANT", help="Show this variant.")
@click.option("--at", default="", metavar="MOMENT", help="As of 2026-12-01 or 2026-12-01 09:00.")
@click.option(
    "--to", default="", metavar="ADDRESS", help="The page to begin with; left out, the site's first."
)
@click.option("--for", "life", default="1h", show_default=True, help="How long it lasts, up to 24h.")
def preview(
    site: str,
    audiences: tuple[str, ...],
    visitor: str,
    draft: Path | None,
    variants: tuple[str, ...],
    at: str,
    to: str,
    life: str,
) -> None:
    """Print a link that shows SITE as an audience, a visitor or a draft would have it.

    The browser that opens it sees the site so on every page, until the link runs out; nothing it does is recorded.
    """
    from server.preview_links import Ask
    from sites.mistakes import BadSiteFile

    ask = Ask(
        audiences=audiences,
        visitor=visitor,
        draft=read(draft) if draft else "",
        variants=dict(_pair(one) for one in variants),
        at=at,
        to=to,
        life=life,
    )
    try:
        made = asyncio.run(_make(ensure_secrets(from_env(os.environ)), site, ask))
    except BadSiteFile as error:
        raise refused(draft or Path("draft"), error.mistakes) from None
    until = datetime.fromtimestamp(made.preview.until / 1000, UTC)
    click.echo(made.url)
    click.echo(f"shows {site} as {made.preview.words}, until {until:%Y-%m-%d %H:%M} UTC", err=True)


async def _make(settings: Settings, site: str, ask: Ask) -> Made:
    from server.preview_links import PreviewLinks, make_preview

    links = PreviewLinks(public_url=settings.public_url, secret_key=settings.secret_key or "")
    async with store(settings) as redis:
        return await make_preview(
            redis,
            site,
            ask,
            links=links,
            draft_name=secrets.token_hex(16),
            now=time.time_ns() // 1_000_000,
        )


def _pair(text: str) -> tuple[str, str]:
    experience, equals, variant = text.partition("=")
    if not (experience and equals and variant):
        raise click.BadParameter(f"{text!r} is not EXPERIENCE=VARIANT", param_hint="--variant")
    return experience, variant
