"""`kizashi welcome`: what a fresh run does once it is up: the demo site, and where everything is."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import click

from cli import http
from cli.sites import publish_text
from core.errors import KizashiError
from server.config import Settings, from_env
from storage import embedded

DEMO = Path(__file__).parent.parent / "examples" / "demo" / "site.yaml"

STORE_WAIT_S = 120.0
#: After this long without readiness it says what is missing, and goes on waiting.
IMPATIENT_S = 30.0


@click.command(hidden=True)
@click.option("--demo", is_flag=True, help="Publish the demo site first.")
def welcome(demo: bool) -> None:
    """Wait until everything is ready and print the addresses."""
    settings = from_env(os.environ)
    if demo:
        asyncio.run(_publish_demo(settings))
    _wait_ready(settings)
    click.echo("\n".join(addresses(settings, demo=demo)))


async def _publish_demo(settings: Settings) -> None:
    await embedded.wait_ready(settings.store_url, STORE_WAIT_S)
    try:
        text = DEMO.read_text(encoding="utf-8")
    except OSError as error:
        raise KizashiError(f"cannot read the demo site {DEMO}: {error.strerror}") from None
    await publish_text(with_origins(text, origins(settings)), settings)


def origins(settings: Settings) -> list[str]:
    """Where the demo's pages are served from, without repeats."""
    public = urlsplit(settings.public_url)
    local = [f"http://{host}:{settings.port}" for host in ("localhost", "127.0.0.1")]
    return list(dict.fromkeys([*local, f"{public.scheme}://{public.netloc}".lower()]))


def with_origins(text: str, origins: list[str]) -> str:
    """The site file with its `origins` replaced, everything else as it is."""
    import yaml

    for key, value in getattr(yaml.compose(text, yaml.SafeLoader), "value", []):
        if key.value == "origins":
            start, end = key.start_mark.index, value.end_mark.index
            rest = "\n" if text[start:end].endswith("\n") else ""
            return f"{text[:start]}origins: {list(origins)}{rest}{text[end:]}"
    raise KizashiError("the demo site names no origins")


def _wait_ready(settings: Settings) -> None:
    impatient = time.monotonic() + IMPATIENT_S
    while (missing := _missing(settings)) is not None:
        if time.monotonic() >= impatient:
            click.echo(f"kizashi: not ready yet: {missing}", err=True)
            impatient += IMPATIENT_S
        time.sleep(0.2)


def _missing(settings: Settings) -> str | None:
    try:
        http.get(settings, "/readyz")
    except HTTPError as error:
        return error.read(300).decode(errors="replace").strip() or str(error)
    except (URLError, OSError) as error:
        return f"web does not answer ({error})"
    return None


def addresses(settings: Settings, *, demo: bool) -> list[str]:
    """The lines that tell a newcomer where to go."""
    base = settings.public_url
    shown = {"demo site": "/demo/", "live view": "/demo/live", "Slack outbox": "/demo/slack"} if demo else {}
    lines = {name: base + path for name, path in shown.items()} or {"listening at": base}
    if "KIZASHI_ADMIN_TOKEN" not in os.environ:
        lines["admin token"] = str(settings.data_dir / "admin_token")
    return ["", "Kizashi is ready.", *(f"  {name + ':':<14} {value}" for name, value in lines.items()), ""]
