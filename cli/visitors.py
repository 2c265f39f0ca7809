"""What the server knows about a visitor, and what it told the salespeople."""

from __future__ import annotations

import json
import os
from urllib.parse import quote

import click

from cli import http
from server.config import from_env


@click.command()
@click.argument("site")
@click.argument("visitor")
def explain(site: str, visitor: str) -> None:
    """Show a visitor's profile, and the ledger that its score is the sum of."""
    _show(f"/sites/{quote(site, safe='')}/visitors/{quote(visitor.partition('.')[0], safe='')}")


@click.command()
@click.argument("site")
def alerts(site: str) -> None:
    """Show a site's alerts, newest first."""
    _show(f"/sites/{quote(site, safe='')}/alerts")


def _show(path: str) -> None:
    answer = http.admin(from_env(os.environ), path)
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
