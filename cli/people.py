"""What is kept of a person: give it out, erase it, say who belongs together."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

import click

from cli import http
from core.errors import KizashiError
from server.config import from_env


def _path(site: str, visitor: str, *, is_lead: bool = False, action: str = "") -> str:
    kind = "leads" if is_lead else "visitors"
    tail = f"/{action}" if action else ""
    return f"/sites/{quote(site, safe='')}/{kind}/{quote(visitor.partition('.')[0], safe='')}{tail}"


def _name(site: str, visitor: str, *, is_lead: bool) -> str:
    """The lead's id where a lead was named by its e-mail address."""
    if not (is_lead and "@" in visitor):
        return visitor
    found = _ask(f"/sites/{quote(site, safe='')}/leads?email={quote(visitor, safe='')}")
    return str(found["lead_id"])


def _ask(path: str, method: str = "GET", body: Any = None) -> Any:
    return http.admin(from_env(os.environ), path, method=method, body=body)


@click.command()
@click.argument("site")
@click.argument("visitor")
@click.option("--lead", "is_lead", is_flag=True, help="VISITOR is a lead's id or e-mail address.")
def export(site: str, visitor: str, is_lead: bool) -> None:
    """Print everything that is kept of a visitor, or of a lead, as JSON."""
    name = _lead_or_visitor(site, visitor, is_lead)
    click.echo(
        json.dumps(_ask(_path(site, name, is_lead=is_lead, action="export")), indent=2, ensure_ascii=False)
    )


@click.command()
@click.argument("site")
@click.argument("visitor")
@click.option("--lead", "is_lead", is_flag=True, help="VISITOR is a lead's id or e-mail address.")
@click.option("--yes", is_flag=True, help="Confirms that it is to be gone for good.")
def erase(site: str, visitor: str, is_lead: bool, yes: bool) -> None:
    """Erase a visitor, or a lead, from every store. Events of before that come late stay out."""
    if not yes:
        raise click.UsageError("what is erased is gone for good; --yes confirms it")
    name = _lead_or_visitor(site, visitor, is_lead)
    answer = _ask(_path(site, name, is_lead=is_lead), "DELETE")
    click.echo(f"erased {', '.join(answer['erased'])}")


@click.command()
@click.argument("site")
@click.argument("visitor")
@click.option("--lead", help="The lead's id.")
@click.option("--email", help="The lead's e-mail address.")
@click.option("--user-id", help="The lead's user id.")
@click.option("--visitor", "other", help="Another visitor of the same person.")
def link(
    site: str, visitor: str, lead: str | None, email: str | None, user_id: str | None, other: str | None
) -> None:
    """Say whose visitor this is. kizashi unlink takes it back."""
    said = {"lead": lead, "email": email, "user_id": user_id, "visitor": other and other.partition(".")[0]}
    named = {field: value for field, value in said.items() if value}
    if len(named) != 1:
        raise click.UsageError("give one of --lead, --email, --user-id and --visitor")
    answer = _ask(_path(site, visitor, action="link"), "POST", named)
    click.echo(f"{answer['visitor']} belongs to {answer['lead']}")


@click.command()
@click.argument("site")
@click.argument("visitor")
def unlink(site: str, visitor: str) -> None:
    """Take a link back; without one, keep the visitor apart from the lead it said it was."""
    click.echo(f"{_ask(_path(site, visitor, action='unlink'), 'POST', {})['visitor']} is apart")


def _lead_or_visitor(site: str, visitor: str, is_lead: bool) -> str:
    name = _name(site, visitor, is_lead=is_lead)
    if name == "None":
        raise KizashiError(f"nobody is known as {visitor!r}")
    return name
