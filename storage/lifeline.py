"""A process's life, tied to its parent's: no orphan is left, even when the parent is killed outright."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

#: Tells a child that it is supervised: "1", or the supervisor's process id.
VARIABLE = "KIZASHI_SUPERVISED"

PR_SET_PDEATHSIG = 1
WATCH_EVERY_S = 0.5


def parent(environ: Mapping[str, str]) -> int:
    """The process id that this process must not outlive."""
    given = environ.get(VARIABLE, "")
    return int(given) if given.isascii() and given.isdigit() and int(given) > 1 else os.getppid()


def supervised(environ: Mapping[str, str]) -> bool:
    """Whether this process was started by a supervisor that it must not outlive."""
    return bool(environ.get(VARIABLE))


def die_with_parent(parent: int) -> None:
    """From now on this process is killed when `parent`, its parent process, ends."""
    if sys.platform == "linux":
        _ask_kernel()
        _leave_if_orphaned(parent)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _ask_kernel() -> None:
    # SIGKILL: what is acknowledged is safe already, and a successor can start at once.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def _leave_if_orphaned(parent: int) -> None:
    # The parent may have gone before the kernel was asked.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_EVERY_S)
    os.kill(os.getpid(), signal.SIGKILL)


def exec_with_parent(command: Sequence[str], *, parent: int, keep: int) -> NoReturn:
    """Run `command` in this process's place, with file descriptor `keep` open, until `parent` ends."""
    if sys.platform == "linux":
        die_with_parent(parent)  # outlives exec
        os.execv(command[0], list(command))  # noqa: S606 - no shell is wanted
    sys.exit(_stand_by(command, parent, keep))


def _stand_by(command: Sequence[str], parent: int, keep: int) -> int:
    """Where the kernel offers nothing: stay, pass signals on, and kill the child once `parent` is gone."""
    child = subprocess.Popen(command, pass_fds=(keep,))  # noqa: S603
    os.close(keep)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: child.send_signal(received))
    while child.poll() is None:
        if os.getppid() != parent:
            child.kill()
        time.sleep(WATCH_EVERY_S)
    return child.returncode
