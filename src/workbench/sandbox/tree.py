"""All processes that a command started, found again and ended, wherever they hid.

A process leaves its group with setsid, its parent with a double fork, its environment with `env -i` or by renaming
itself. What it cannot shed is a resource limit: each command gets a number of its own as the soft limit of
RLIMIT_LOCKS, which every descendant inherits and which no kernel has enforced since 2.4. Where that cannot be set,
a variable in the environment marks them. Its session (setsid) counts too.
"""

import contextlib
import functools
import os
import resource
import secrets
import select
import signal
import sys
from pathlib import Path
from signal import SIGKILL, Signals

MARKER = "MLWB_COMMAND"
_RLIMIT_LOCKS = 10
_PR_SET_CHILD_SUBREAPER = 36
_WHOLE_GROUP = 4  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9


@functools.cache
def adopt_orphans() -> None:
    """Makes this process the parent of orphaned descendants, so that none stays a zombie where init reaps nothing.

    Linux only; elsewhere, and where it is refused, orphans go to init as usual.
    """
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Tree:
    """The processes of one command. Valid until its first process, `root`, is reaped: that holds its number."""

    def __init__(self) -> None:
        self.root = 0
        self.marker = secrets.token_hex(8)
        self._tag = secrets.randbits(60)
        self._by_environment = False

    def mark(self, root: int) -> None:
        """ROOT, just started with the marker in its environment, is the command's first process."""
        self.root = root
        try:
            _, hard = resource.prlimit(root, _RLIMIT_LOCKS)
            resource.prlimit(root, _RLIMIT_LOCKS, (self._tag, hard))
            # A child that was quicker than the mark has only the environment's.
            self._by_environment = bool(Path(f"/proc/{root}/task/{root}/children").read_bytes())
        except (OSError, ValueError, AttributeError):
            self._by_environment = True

    def members(self) -> list[int]:
        """Processes of the command that live, its first one included. Reaps those that ended as our own children."""
        try:
            names = os.listdir("/proc")  # noqa: PTH208 - names are all that is wanted, thousands of them
        except OSError:
            return [self.root] if alive(self.root) else []
        return [pid for name in names if name.isdigit() and self._owns(pid := int(name)) and self._lives(pid)]

    def signal(self, pids: list[int], number: Signals) -> None:
        """Sends a signal to those of PIDS that are still this command's."""
        for pid in pids:
            with contextlib.suppress(OSError):
                self._send(pid, number)

    def _send(self, pid: int, number: Signals) -> None:
        if not hasattr(os, "pidfd_open"):
            if self._owns(pid):
                os.kill(pid, number)
            return
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except OSError:  # a kernel older than 5.3
            if self._owns(pid):
                os.kill(pid, number)
            return
        try:
            # Asked again with the handle held: a number that was taken anew meanwhile is not signalled.
            if self._owns(pid):
                self._through(handle, number)
        finally:
            os.close(handle)

    def _through(self, handle: int, number: Signals) -> None:
        """KILL goes to the process group at once, so that a chain of forks cannot run ahead of it."""
        if number == SIGKILL:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(handle, number, None, _WHOLE_GROUP)
                return
        signal.pidfd_send_signal(handle, number)

    def _owns(self, pid: int) -> bool:
        try:
            if not self._by_environment and resource.prlimit(pid, _RLIMIT_LOCKS)[0] == self._tag:
                return True
        except OSError:  # gone, or another user's
            pass
        try:
            if os.getsid(pid) == self.root:
                return True
        except OSError:
            return False
        return self._by_environment and self._carries_marker(pid)

    def _carries_marker(self, pid: int) -> bool:
        try:
            return f"{MARKER}={self.marker}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False

    def _lives(self, pid: int) -> bool:
        if alive(pid):
            return True
        if pid != self.root:
            with contextlib.suppress(OSError):
                os.waitpid(pid, os.WNOHANG)
        return False


def alive(pid: int) -> bool:
    """Whether there is a process PID that has not ended; a zombie has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return not Path("/proc/self").exists() and _answers(pid)
    except OSError:
        return False
    fields = stat[stat.rfind(b")") + 2 :].split()  # proc(5): the name may hold blanks and parentheses
    return fields[0] not in (b"Z", b"X") or int(fields[17]) > 1  # the first of several threads may be gone


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def ended_as(pid: int) -> tuple[int | None, int | None] | None:
    """Exit code or signal of our child PID, which stays a zombie; None while it runs."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if found is None:
        return None
    return (found.si_status, None) if found.si_code == os.CLD_EXITED else (None, found.si_status)


def readable_at_exit(pid: int) -> int | None:
    """A descriptor that becomes readable when PID ends; None where the system has none."""
    if not hasattr(os, "pidfd_open") or not hasattr(select, "poll"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
