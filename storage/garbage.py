"""The garbage collector of a process that serves: what lives as long as the process is not looked at again."""

from __future__ import annotations

import gc

#: New containers, less those freed, before the young are looked through. Requests and events leave few cycles, and
#: Python's own 700 has it look again and again for nothing.
YOUNG = 20_000


def spare_what_lives() -> None:
    """Call once everything is made: sites, tables, modules are left out of every collection from now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
