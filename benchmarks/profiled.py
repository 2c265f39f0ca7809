"""Runs a module under cProfile from SIGPROF on, and writes what was spent when it ends:
`python -m benchmarks.profiled OUT cli.main web`. What a process does to start it does not do for a request.
"""

from __future__ import annotations

import cProfile
import runpy
import signal
import sys


def main() -> None:
    """Run the module named after the file to write, with the arguments that follow it."""
    out, module, *arguments = sys.argv[1:]
    profile = cProfile.Profile()
    signal.signal(signal.SIGPROF, lambda *_: profile.enable())
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        profile.disable()
        profile.dump_stats(out)


if __name__ == "__main__":
    main()
