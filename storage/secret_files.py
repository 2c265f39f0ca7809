"""Secrets kept in the data directory, one file each, readable by their owner only."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from core.errors import SettingsError


def read_or_create(path: Path, fresh: str) -> str:
    """The secret kept at `path`; `fresh` is kept there when there is none yet.

    Safe when several processes start at once: all return the same value.
    Raises SettingsError when the file cannot be made or read, or is empty.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create(path, fresh)
        kept = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(f"KIZASHI_DATA_DIR: cannot keep {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        kept = ""
    if not kept:
        raise SettingsError(f"{path} holds no secret; delete it and start again")
    return kept


def _create(path: Path, text: str) -> None:
    """Give the finished file its name in one step, so that nobody ever reads half of it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its value counts
            os.link(draft, path)
    finally:
        draft.unlink()
