"""What the site's experiences are worth."""

from __future__ import annotations

import os
from urllib.parse import quote

import click

from cli import http
from server.config import ensure_secrets, from_env


@click.group()
def report() -> None:
    """Reports on what was measured."""


@report.command()
@click.argument("site")
@click.option(
    "--lang", type=click.Choice(["ja", "en"]), help="The report's language; the site's where left out."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def experiences(site: str, lang: str | None, as_json: bool) -> None:
    """Each experience against its holdout: rates, uplift, and what may be said by now (docs/uplift.md)."""
    query = f"?as={'json' if as_json else 'text'}" + (f"&lang={lang}" if lang else "")
    settings = from_env(os.environ)
    path = f"/v1/admin/sites/{quote(site, safe='')}/report/experiences{query}"
    found = http.text(settings, path, token=ensure_secrets(settings).admin_token)
    click.echo(found.rstrip())
