"""Alerts: what the salespeople were told, and a sample to see that they are."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
from redis.exceptions import RedisError

from cli import http
from cli.sites import STORE_TIMEOUT_S
from core.errors import KizashiError, NotFound, StoreUnavailable
from server.config import Settings, from_env
from storage.connect import connect

if TYPE_CHECKING:  # these take a while to import, and most commands need none of them
    from redis.asyncio import Redis

    from alerts.model import Alert, AlertRule
    from sites.site import Site

#: So long the worker has to send a sample before the command stops waiting for it.
WAIT_S = 20.0


class _SiteFirst(click.Group):
    """A group in which `alerts SITE` is short for `alerts list SITE`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["list", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_SiteFirst)
def alerts() -> None:
    """Alerts, and tests of their rules."""


@alerts.command("list")
@click.argument("site")
def list_alerts(site: str) -> None:
    """Show a site's alerts, newest first, with why those not sent were not."""
    found = http.admin(from_env(os.environ), f"/sites/{quote(site, safe='')}/alerts")
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))


@alerts.command("release")
@click.argument("site")
@click.argument("alert")
def release(site: str, alert: str) -> None:
    """Take ALERT (its id in the list) from whoever has claimed it, so that anybody can."""
    path = f"/sites/{quote(site, safe='')}/alerts/{quote(alert, safe='')}/release"
    found = http.admin(from_env(os.environ), path, method="POST")
    click.echo(f"released {alert}" if found["released"] else f"nobody has claimed {alert}")


@alerts.command("test")
@click.argument("rule")
@click.option("--site", help="The rule's site, where several have a rule of that name.")
@click.option("--channel", help="Another channel than the rule's.")
def send_sample(rule: str, site: str | None, channel: str | None) -> None:
    """Send a sample of RULE, marked as a test, the way its alerts go."""
    shown = asyncio.run(_send(from_env(os.environ), rule, site, channel))
    if shown["state"] not in {"sent", "updated"}:
        raise KizashiError(_problem(shown))
    click.echo(f"sent to {shown['channel']} as alert {shown['id']}")


def _problem(shown: dict[str, Any]) -> str:
    if shown["state"] == "failed":
        return f"not sent to {shown['channel']}: {shown['error']}"
    tried = f", last answer: {shown['error']}" if shown["error"] else "; is a worker running?"
    return f"alert {shown['id']} is still on its way after {WAIT_S:g} seconds{tried}"


async def _send(settings: Settings, rule: str, site: str | None, channel: str | None) -> dict[str, Any]:
    from msgspec.structs import replace

    try:
        async with connect(settings.store_url, socket_timeout=STORE_TIMEOUT_S) as client:
            alert = await _sample(client, rule, site)
            return await _sent(client, replace(alert, channel=channel) if channel else alert)
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"the store cannot be reached: {error}") from None


async def _sample(client: Redis, rule: str, site: str | None) -> Alert:
    from alerts.sample import sample
    from sites.registry import load_current

    place, found = _find((await load_current(client)).values(), rule, site)
    return sample(
        found,
        site=place.id,
        site_name=place.name,
        locale=place.locale,
        timezone=place.timezone.key,
        now=time.time_ns() // 1_000_000,
    )


def _find(published: Any, rule: str, site: str | None) -> tuple[Site, AlertRule]:
    places = [one for one in published if site in (None, one.id)]
    if not places:
        raise NotFound(f"no site {site!r} is published" if site else "no site is published")
    found = [(place, one) for place in places for one in place.alerts if one.id == rule]
    if not found:
        known = sorted({one.id for place in places for one in place.alerts})
        raise NotFound(f"there is no alert rule {rule!r}; there are: {', '.join(known) or 'none'}")
    if len(found) > 1:
        names = ", ".join(place.id for place, _ in found)
        raise click.UsageError(f"several sites have a rule {rule!r}: choose one with --site ({names})")
    return found[0]


async def _sent(client: Redis, alert: Alert) -> dict[str, Any]:
    """What became of the alert, at the latest after `WAIT_S`."""
    from alerts.outbox import Outbox

    outbox = Outbox(client)
    await outbox.enqueue([alert])
    give_up = time.monotonic() + WAIT_S
    while True:
        shown = await outbox.get(alert.id) or {}
        if shown.get("state") not in {"pending", "held"} or time.monotonic() > give_up:
            return shown
        await asyncio.sleep(0.1)
