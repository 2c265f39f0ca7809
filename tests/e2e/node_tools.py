"""The snippet's own tools (its folder's node_modules); tests that need them say so loudly where they lack."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "snippet"


def missing(reason: str) -> None:
    """Skip, with the reason in capitals; in CI fail."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason.upper())


def installed() -> Path:
    """`node_modules` as the lock file says, installed where it is not there yet."""
    modules = FOLDER / "node_modules"
    if shutil.which("npm") is None:
        missing("no Node here: the snippet's own tools cannot run")
    if not all((modules / name).is_dir() for name in ("terser", "typescript", "esbuild", "react-dom")):
        done = run("npm", "ci", "--silent", "--no-audit", "--no-fund")
        if done.returncode:
            missing(f"npm ci did not work: {done.stderr[-500:]}")
    return modules


def run(*command: str, cwd: Path = FOLDER, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command in the snippet's folder; its output is text."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
