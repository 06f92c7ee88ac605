"""All processes that a command started, found again and ended, wherever they hid.

A process leaves its group with setsid, its parent with a double fork, its environment with `env -i` or by renaming
itself. What it cannot shed is a resource limit: each command gets a number of its own as the soft limit of
RLIMIT_LOCKS, which every descendant inherits and which no kernel has enforced since 2.4. Where that cannot be set,
a variable in the environment marks them. Its session (setsid) counts too; the session that we are in ourselves never
does. A command of a command has the outer number in its lower bits, so that the outer one finds it as well.
"""

import contextlib
import functools
import itertools
import os
import resource
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, Signals

MARKER = "MLWB_COMMAND"
_RLIMIT_LOCKS = 10
_LEVEL = 31  # bits of a number; there is room for two, a command and a command of that
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


_numbers = itertools.count(secrets.randbits(_LEVEL))


class Tree:
    """The processes of one command. Valid until its first process, `root`, is reaped: that holds its number."""

    def __init__(self) -> None:
        self.root = 0
        self._own_session = os.getsid(0)
        self._name = secrets.token_hex(8)
        self._tag = self._mask = 0
        self._seen: set[int] = set()
        self._dead_elsewhere = False  # a member has ended and waits for a parent that may end, too

    def environment(self) -> dict[str, str]:
        """The variable that marks the command; a command that this process itself is part of stays named in it."""
        outer = os.environ.get(MARKER)
        return {MARKER: f"{outer}:{self._name}" if outer else self._name}

    def identity(self) -> tuple[int, int, int, str]:
        """What a process of ours beside this one needs to find the same processes; see `identified`."""
        return self.root, self._tag, self._mask, self._name

    @classmethod
    def identified(cls, root: int, tag: int, mask: int, name: str) -> "Tree":
        """The tree of that identity, as a process sees it that did not start the command itself."""
        tree = cls()
        tree.root, tree._tag, tree._mask, tree._name = root, tag, mask, name
        return tree

    @contextlib.contextmanager
    def marking(self) -> Iterator[None]:
        """While it holds, a process that is started in a session of its own belongs to the command."""
        try:
            soft, hard = resource.getrlimit(_RLIMIT_LOCKS)
            tag, mask = _next_tag(soft)
            resource.setrlimit(_RLIMIT_LOCKS, (tag, hard))
        except (OSError, ValueError):
            yield
            return
        self._tag, self._mask = tag, mask
        try:
            yield
        finally:
            resource.setrlimit(_RLIMIT_LOCKS, (soft, hard))

    def members(self) -> list[int]:
        """Processes of the command that live, its first one included. Reaps those that ended as our own children."""
        self._dead_elsewhere = False
        try:
            names = os.listdir("/proc")  # noqa: PTH208 - names are all that is wanted, thousands of them
        except OSError:
            return [self.root] if alive(self.root) else []
        living = []
        for pid in map(int, filter(str.isdigit, names)):
            owned = self.owns(pid)
            # An ended process has no environment to be known by, but it was seen before.
            if (owned or pid in self._seen) and self._lives(pid) and owned:
                living.append(pid)
        self._seen.update(living)
        return living

    def reap(self) -> None:
        """Reaps what became our child while the tree ended. For after the last member is gone."""
        if self._dead_elsewhere:
            self.members()

    def signal(self, pids: list[int], number: Signals) -> None:
        """Sends a signal to those of PIDS that are still this command's."""
        for pid in pids:
            with contextlib.suppress(OSError):
                self._send(pid, number)

    def _send(self, pid: int, number: Signals) -> None:
        handle = handle_of(pid)
        try:
            # Asked again with the handle held: a number that was taken anew meanwhile is not signalled.
            if not self.owns(pid):
                return
            if handle is None:
                os.kill(pid, number)
            else:
                self._through(handle, number)
        finally:
            if handle is not None:
                os.close(handle)

    def _through(self, handle: int, number: Signals) -> None:
        """KILL goes to the process group at once, so that a chain of forks cannot run ahead of it."""
        if number == SIGKILL:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(handle, number, None, _WHOLE_GROUP)
                return
        signal.pidfd_send_signal(handle, number)

    def owns(self, pid: int) -> bool:
        """Whether PID, a process or a thread, is the command's."""
        try:
            session = os.getsid(pid)
        except OSError:
            return False
        if session in (self.root, self._own_session):
            return session == self.root
        if not self._tag:
            return self._carries_marker(pid)
        try:
            found = resource.prlimit(pid, _RLIMIT_LOCKS)[0]
        except OSError:  # gone, or another user's
            return False
        return found != resource.RLIM_INFINITY and found & self._mask == self._tag

    def _carries_marker(self, pid: int) -> bool:
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
        return any(
            variable.startswith(MARKER.encode() + b"=") and self._name.encode() in variable for variable in variables
        )

    def _lives(self, pid: int) -> bool:
        if alive(pid):
            return True
        if pid != self.root:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                self._dead_elsewhere = True
        return False


def _next_tag(soft: int) -> tuple[int, int]:
    """A number for a command, given our own limit, and the bits of it that count. Raises ValueError: no room."""
    number = next(_numbers) % ((1 << _LEVEL) - 2) + 1
    if soft == resource.RLIM_INFINITY:
        return number, (1 << _LEVEL) - 1
    if soft >= 1 << _LEVEL:
        raise ValueError("a command of a command of a command")
    return number << _LEVEL | soft, (1 << 2 * _LEVEL) - 1


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


def program(pid: int) -> str:
    """Which file PID executes; empty where that cannot be seen."""
    try:
        return os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - a name, not a path to go on with
    except OSError:
        return ""


def ended_as(pid: int) -> tuple[int | None, int | None] | None:
    """Exit code or signal of our child PID, which stays a zombie; None while it runs."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if found is None:
        return None
    return (found.si_status, None) if found.si_code == os.CLD_EXITED else (None, found.si_status)


def handle_of(pid: int) -> int | None:
    """A descriptor of process PID, readable once that has ended; None where it is gone or the system has none."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
