"""What the commands say: results on stdout, one line per error on stderr."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from core.errors import KizashiError
from storage import lifeline

#: A supervised process that cannot start would be started again at once, and flood the output.
PAUSE_S = 2.0


class Commands(click.Group):
    """A group of commands whose KizashiErrors end as one line on stderr and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KizashiError as error:
            line = " ".join(str(error).split())
            click.echo(f"kizashi: {line}", err=True)
            if lifeline.supervised(os.environ):
                time.sleep(PAUSE_S)
            ctx.exit(1)
