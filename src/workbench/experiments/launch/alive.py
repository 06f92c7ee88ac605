"""Whether a run goes on: its supervisor, and the watcher beside it, hold a lock in the run's folder while they live."""

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path

import msgspec

from workbench.experiments.launch.types import LOST
from workbench.experiments.ledger import Ledger, LedgerError
from workbench.experiments.types import Run

LOCK = "alive"
STOP = "stop"
UNKNOWN = "who started it is gone, so that how it ended is not known"  # of a plain command, which has no supervisor
UNSETTLED_S = 60.0  # after a run's end, how long its last numbers may still be on their way


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the file by which a run is asked to end."""

    why: str
    now: bool = False


def asked(folder: Path) -> Stop | None:
    """What somebody left in a run's FOLDER who wants it to end; a file that cannot be read is such a wish, too."""
    try:
        return msgspec.json.decode((folder / STOP).read_bytes(), type=Stop)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, msgspec.DecodeError):
        return Stop(why="stopped")


def hold(folder: Path) -> int:
    """Takes the lock of the run with FOLDER for this process and those it forks; its descriptor. Raises OSError."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with contextlib.suppress(OSError):  # a file system without locks: there, a run that was killed looks alive
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def sign(descriptor: int) -> None:
    """Writes down this process as the one to ask."""
    os.pwrite(descriptor, f"{os.getpid()} {_began(os.getpid())}\n".encode(), 0)


def alive(folder: Path) -> bool:
    """Whether somebody holds the lock of the run with FOLDER."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def ask(folder: Path, number: signal.Signals) -> bool:
    """Sends a signal to the supervisor of the run with FOLDER; whether there is one. Raises PermissionError."""
    try:
        pid, began = (folder / LOCK).read_text().split()
        handle = os.pidfd_open(int(pid)) if hasattr(os, "pidfd_open") else None
    except (OSError, ValueError):
        return False
    try:
        # Looked at with the handle held: the number is still that of the process that signed.
        if not alive(folder) or _began(int(pid)) != began:
            return False
        if handle is None:
            os.kill(int(pid), number)
        else:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True


def _began(pid: int) -> str:
    """When process PID was started, in ticks of the kernel; `0` where that is not told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return "0"
    return stat[stat.rfind(b")") + 2 :].split()[19].decode()  # proc(5): field 22


def truly(ledger: Ledger, run: Run) -> Run:
    """RUN as it stands: one that nobody supervises any more has failed, or was stopped, whatever its record says."""
    if run.status not in ("queued", "running") or alive(ledger.path(run.id)):
        return run
    with contextlib.suppress(LedgerError):  # it may have ended between the two looks
        run = ledger.get(run.id)
    if run.status not in ("queued", "running"):
        return run
    if run.origin == "bash":
        return msgspec.structs.replace(run, status="stopped", why=run.why or UNKNOWN)
    return msgspec.structs.replace(run, status="failed", why=run.why or LOST)


def settle(ledger: Ledger, run: Run, timeout_s: float = 10.0, clock: float | None = None) -> Run:
    """RUN once its last numbers are in, where it has ended a moment ago; as it is where that takes too long."""
    now = time.time() if clock is None else clock
    if run.ended is None or now - run.ended > UNSETTLED_S:
        return run
    until = time.monotonic() + timeout_s
    folder = ledger.path(run.id)
    while alive(folder) and time.monotonic() < until:
        time.sleep(0.01)
    return ledger.get(run.id)
