"""What the site's experiences and alerts are worth."""

from __future__ import annotations

import os
from urllib.parse import quote

import click

from cli import http
from server.config import ensure_secrets, from_env


@click.group()
def report() -> None:
    """Reports on what was measured."""


_lang = click.option(
    "--lang", type=click.Choice(["ja", "en"]), help="The report's language; the site's where left out."
)
_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@report.command()
@click.argument("site")
@_lang
@_json
def experiences(site: str, lang: str | None, as_json: bool) -> None:
    """Each experience against its holdout: rates, uplift, and what may be said by now (docs/uplift.md)."""
    _show("experiences", site, lang, as_json)


@report.command()
@click.argument("site")
@_lang
@_json
def alerts(site: str, lang: str | None, as_json: bool) -> None:
    """Each alert rule that has a holdout: those sales were told of against those held out (docs/alerts.md)."""
    _show("alerts", site, lang, as_json)


def _show(what: str, site: str, lang: str | None, as_json: bool) -> None:
    query = f"?as={'json' if as_json else 'text'}" + (f"&lang={lang}" if lang else "")
    settings = from_env(os.environ)
    path = f"/v1/admin/sites/{quote(site, safe='')}/report/{what}{query}"
    found = http.text(settings, path, token=ensure_secrets(settings).admin_token)
    click.echo(found.rstrip())
