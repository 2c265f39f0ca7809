"""TCP ports for tests."""

from __future__ import annotations

import os
import socket

_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """So many ports of 127.0.0.1 that nobody listens on, and that no other test was given.

    Processes that share the tests (xdist's `gw0`, `gw1`, …) never give the same one: between the giving and the
    listening seconds may pass, and two web processes on one port would share its visitors without a word.
    """
    mine = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    all_ = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        # The kernel gives odd or even ones first: what decides is the rest of the number.
        if port not in _given and port // 2 % all_ == mine:
            _given.add(port)
            found.append(port)
    return found
