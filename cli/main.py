"""The `kizashi` command. Each command imports what it needs when it runs, so that all start fast."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

import click

from cli import alerts, dlq, people, preview, report, revisions, send, sites, up, visitors, welcome
from cli.output import Commands
from core.errors import StoreUnavailable
from server.config import ensure_secrets, from_env
from storage import embedded, lifeline

WORKER_STORE_WAIT_S = 30.0
#: At a common start the store is there in a moment.
WEB_STORE_WAIT_S = 3.0


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Sees the first signs that a website visitor is about to buy. Settings: docs/settings.md."""


@main.command()
def web() -> None:
    """Run one web process."""
    settings = from_env(os.environ)
    _stay_with_supervisor()
    with suppress(StoreUnavailable):  # without a store it serves original pages
        asyncio.run(embedded.wait_ready(settings.store_url, WEB_STORE_WAIT_S))
    from server import app

    app.run(ensure_secrets(settings))


@main.command()
def worker() -> None:
    """Run the stream worker; it waits for the store first."""
    settings = ensure_secrets(from_env(os.environ))
    _stay_with_supervisor()
    asyncio.run(embedded.wait_ready(settings.store_url, WORKER_STORE_WAIT_S))
    from alerts.sinks.choice import SinkSettings
    from streams import worker as stream_worker

    stream_worker.run(
        redis_url=settings.store_url,
        broker_url=settings.broker_url,
        public_url=settings.public_url,
        secret_key=settings.secret_key or "",
        sinks=SinkSettings(
            slack_bot_token=settings.slack_bot_token,
            slack_webhook_url=settings.slack_webhook_url,
            slack_api_url=settings.slack_api_url,
            slack_buttons=settings.slack_signing_secret is not None,
            webhook_url=settings.webhook_url,
            webhook_secret=settings.webhook_secret,
            smtp_url=settings.smtp_url,
            outgoing_allow=settings.outgoing_allow,
        ),
    )


@main.command()
def valkey() -> None:
    """Become the embedded Valkey server; it ends with the process that started it."""
    embedded.exec_server(from_env(os.environ).data_dir)


def _stay_with_supervisor() -> None:
    if lifeline.supervised(os.environ):
        lifeline.die_with_parent(lifeline.parent(os.environ))


main.add_command(up.up)
for command in (revisions.revisions, revisions.diff, revisions.rollback, preview.preview):
    main.add_command(command)
main.add_command(welcome.welcome)
for command in (people.export, people.erase, people.link, people.unlink, report.report, send.send):
    main.add_command(command)
for command in (sites.check, sites.publish, sites.sites, visitors.explain, alerts.alerts, dlq.dlq):
    main.add_command(command)


if __name__ == "__main__":
    main(prog_name="kizashi")
