"""Host processes that tests have begun: they outlive their clients, so whoever began one sees to its end."""

import contextlib
import time
from pathlib import Path

import psutil

_HOMES = ("MLWB_SOCKET_DIR", "XDG_STATE_HOME", "HOME")


def hosts_under(folder: Path) -> list[psutil.Process]:
    """The processes that host sessions at home below FOLDER, and have not ended."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if "workbench.host" not in process.cmdline() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            env = process.environ()
            if any(Path(env.get(name, "/")).is_relative_to(folder) for name in _HOMES):
                found.append(process)
    return found


def end_hosts(folder: Path, within_s: float = 20.0) -> None:
    """Ends what hosts sessions below FOLDER, with what they run; fails for one that does not heed SIGTERM."""
    left = hosts_under(folder)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    stuck = not_ended(left, within_s)
    for process in stuck:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert not stuck, f"a host did not end within {within_s:g} s of SIGTERM: {stuck}"


def not_ended(processes: list[psutil.Process], within_s: float) -> list[psutil.Process]:
    """Those of PROCESSES that have not ended within WITHIN_S. A zombie has, however late its new parent reaps it."""
    until = time.monotonic() + within_s
    while (left := [process for process in processes if _runs(process)]) and time.monotonic() < until:
        time.sleep(0.01)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def forgotten(folder: Path, within_s: float = 10.0) -> list[str]:
    """Where hosts below FOLDER still live after WITHIN_S, though every test is over; they are killed."""
    until = time.monotonic() + within_s
    while (left := hosts_under(folder)) and time.monotonic() < until:
        time.sleep(0.2)
    told = []
    for process in left:
        with contextlib.suppress(psutil.Error):
            told.append(process.environ().get("HOME", ""))
            process.kill()
    return told
