"""`kizashi up`: every process of the Procfile, supervised, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from cli import preflight, supervise
from core.errors import KizashiError
from server.config import Settings, ensure_secrets, from_env


@click.command()
@click.option("--demo", is_flag=True, help="Publish the demo site too.")
@click.option("--procfile", type=click.Path(path_type=Path), help="Default: Procfile here, if there is one.")
def up(demo: bool, procfile: Path | None) -> None:
    """Run every process: the embedded Valkey, web and the worker."""
    settings = from_env(os.environ)
    commands = supervise.programs(_read(procfile))
    lock = _check(settings)
    if settings.redis_url is not None:
        commands.pop("valkey", None)
    config = settings.data_dir / "supervisord.conf"
    config.write_text(
        supervise.configuration(
            commands,
            copies={"web": settings.web_workers},
            once=supervise.programs("welcome: kizashi welcome" + " --demo" * demo),
        ),
        encoding="utf-8",
    )
    supervise.prepare_environment()
    supervise.prepare_output()
    supervise.run(config)
    os.close(lock)


def _read(procfile: Path | None) -> str:
    path = procfile or Path("Procfile")
    if procfile is None and not path.exists():
        return supervise.PROCFILE
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise KizashiError(f"cannot read {path}: {error.strerror}") from None


def _check(settings: Settings) -> int:
    """Everything that can be known before the start. Returns the descriptor of this run's lock."""
    if sys.platform == "win32":
        raise KizashiError("`kizashi up` needs Linux or macOS")
    preflight.writable(settings.data_dir)
    lock = preflight.only_run(settings.data_dir)
    ensure_secrets(settings)
    preflight.store(settings)
    preflight.port_free(settings.host, settings.port)
    return lock
