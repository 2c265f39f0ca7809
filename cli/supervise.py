"""Running a Procfile's processes under supervisord: its configuration, and the run itself."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from core.errors import KizashiError
from storage import lifeline

#: What runs when the current directory has no Procfile: the same processes.
PROCFILE = """\
valkey: kizashi valkey
web: kizashi web
worker: kizashi worker
"""

#: Stopped in this order: no new visitors first, the store last.
STOP_ORDER = ("web", "worker", "valkey")

#: A process that has not ended this long after SIGTERM is killed; web and worker promise 20 seconds.
STOP_WAIT_S = 25


def programs(procfile: str) -> dict[str, str]:
    """Command by program name. Raises KizashiError when the text defines none, or one name twice."""
    from honcho.environ import parse_procfile

    try:
        found = dict(parse_procfile(procfile).processes)
    except AssertionError:
        raise KizashiError("the Procfile names a process twice") from None
    if not found:
        raise KizashiError("the Procfile names no process")
    return {name: _runnable(name, command) for name, command in found.items()}


def _runnable(name: str, command: str) -> str:
    """The command with this installation's own `kizashi`. Raises KizashiError where the program is missing."""
    program, _, rest = command.partition(" ")
    if program == "kizashi":
        return f"{shlex.quote(sys.executable)} -m cli.main {rest}"
    if shutil.which(program, path=_search_path()) is None:
        raise KizashiError(f"the Procfile's {name} cannot run: there is no program {program}")
    return command


def configuration(commands: Mapping[str, str], *, copies: Mapping[str, int], once: Mapping[str, str]) -> str:
    """supervisord's configuration file for `commands`, each run `copies[name]` times and always restarted.

    `once` names commands that run a single time.
    """
    head = [
        "[supervisord]",
        "nodaemon=true",
        "pidfile=%(here)s/supervisord.pid",
        "logfile=/dev/null",
        "logfile_maxbytes=0",
        "loglevel=warn",
        "nocleanup=true",
        *(["user=root"] if os.getuid() == 0 else []),  # else it warns that it runs as root
    ]
    always = [_program(name, command, copies.get(name, 1)) for name, command in commands.items()]
    single = [_program(name, command, 1, restart=False) for name, command in once.items()]
    return "\n\n".join(["\n".join(head), *always, *single]) + "\n"


def _program(name: str, command: str, copies: int, *, restart: bool = True) -> str:
    # startsecs=0: every start counts as one, so restarts never stop nor slow down.
    lines = [
        f"[program:{name}]",
        f"command={command.replace('%', '%%')}",
        "process_name=%(program_name)s-%(process_num)d",
        f"numprocs={copies}",
        f"priority={_priority(name)}",
        f"autorestart={'true' if restart else 'false'}",
        "startsecs=0",
        f"stopwaitsecs={STOP_WAIT_S}",
        "killasgroup=true",
        "redirect_stderr=true",
        "stdout_logfile=/dev/stdout",
        "stdout_logfile_maxbytes=0",
    ]
    return "\n".join(lines)


def _priority(name: str) -> int:
    """supervisord starts the lowest first and stops the highest first."""
    order = tuple(reversed(STOP_ORDER))
    return 10 * (order.index(name) + 1) if name in order else 5 + 10 * len(order)


def run(config: Path) -> None:
    """Run supervisord with this configuration here, in the foreground, until SIGTERM, SIGINT or SIGHUP."""
    from supervisor.medusa.asyncore_25 import ExitNow
    from supervisor.options import ServerOptions
    from supervisor.supervisord import Supervisor

    class Options(ServerOptions):  # type: ignore[misc]  # supervisor has no types
        def setsignals(self) -> None:
            super().setsignals()
            # A closed terminal must end everything, where supervisord would reload.
            signal.signal(signal.SIGHUP, lambda _, frame: self.signal_receiver.receive(signal.SIGTERM, frame))

    options = Options()
    options.realize(["-n", "-c", str(config)])
    options.first, options.test = True, False
    try:
        Supervisor(options).main()
    except ExitNow:
        return


def prepare_environment() -> None:
    """Let the children find this installation's programs, and know whom they must not outlive."""
    os.environ[lifeline.VARIABLE] = str(os.getpid())
    os.environ["PATH"] = _search_path()


def _search_path() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def prepare_output() -> None:
    """Make `/dev/stdout`, where supervisord sends its children's output, one that can be opened again."""
    sys.stdout.flush()
    if stat.S_ISREG(os.fstat(1).st_mode):
        fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_APPEND)
    try:
        os.close(os.open("/dev/stdout", os.O_WRONLY | os.O_NOCTTY))
    except OSError:  # a socket, as under systemd, or another user's terminal
        _pump_output()


def _pump_output() -> None:
    """Put a pipe in stdout's place, and a process that passes on what comes through it."""
    source, sink = os.pipe()
    if os.fork() == 0:
        os.dup2(source, 0)
        os.closerange(2, 1024)  # above all this run's lock, which must end with the supervisor
        _copy()
    os.dup2(sink, 1)
    os.close(sink)
    os.close(source)


def _copy() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # it ends when the last writer does
        signal.signal(number, signal.SIG_IGN)
    try:
        while data := os.read(0, 65536):
            while data:
                data = data[os.write(1, data) :]
    finally:
        os._exit(0)
