"""Terminals of a command's own, beside Landlock: it grants all of /dev/pts or nothing, and the user's are there too.

So nothing is granted there. The supervisor opens the slave of a pseudo terminal for a command that holds its master,
by way of that master (TIOCGPTPEER): whoever has the number by then does not matter.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Callable
from pathlib import Path

from workbench.sandbox import system

_SLAVE = re.compile(r"/dev/pts/(\d+)")
_PEER = 0x5441  # TIOCGPTPEER


def own(path: str, flags: int, owns: Callable[[int], bool]) -> int | None:
    """The slave at PATH, opened with FLAGS, if a process that OWNS tells of holds its master; else None."""
    found = _SLAVE.fullmatch(path)
    if found is None:
        return None
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are all that is wanted
        if name.isdigit() and owns(int(name)):
            with contextlib.suppress(OSError):
                master = _master(int(name), f"tty-index:\t{found[1]}\n")
                if master is not None:
                    try:
                        # Never the terminal that controls us.
                        return fcntl.ioctl(master, _PEER, flags | os.O_NOCTTY | os.O_CLOEXEC)
                    finally:
                        os.close(master)
    return None


def _master(pid: int, index: str) -> int | None:
    """A descriptor of ours of the master with that INDEX, as fdinfo has it (proc_pid_fdinfo(5)), among those of PID."""
    for name in os.listdir(f"/proc/{pid}/fdinfo"):  # noqa: PTH208
        with contextlib.suppress(OSError):
            if index in Path(f"/proc/{pid}/fdinfo/{name}").read_text():
                process = os.pidfd_open(pid)
                try:
                    held = system.call("pidfd_getfd", process, int(name), 0)
                finally:
                    os.close(process)
                if index in Path(f"/proc/self/fdinfo/{held}").read_text():
                    return held
                os.close(held)
    return None
