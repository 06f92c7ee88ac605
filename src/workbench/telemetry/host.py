"""The machine beside its cards, and who the processes on them are; through psutil."""

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.telemetry.types import Host

if TYPE_CHECKING:
    import psutil

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, include/linux/proc_ns.h
_CGROUPS = Path("/sys/fs/cgroup")


class HostReader:
    """Reads the machine's figures; rates are those since the look before, so the first look has none."""

    def __init__(self, disk: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._disk, self._clock = disk, clock
        self._hostname = socket.gethostname()
        self._before: tuple[float, Any, Any, Any] | None = None
        self._limit: Path | None = _limiting_cgroup()

    def read(self) -> Host:
        """How the machine stands; a figure that the system does not give is None."""
        import psutil

        now, disks, net = self._clock(), _try(psutil.disk_io_counters), _try(psutil.net_io_counters)
        times = _try(psutil.cpu_times)
        before, self._before = self._before, (now, disks, net, times)
        span = now - before[0] if before else 0.0
        memory, usage = _try(psutil.virtual_memory), _try(lambda: psutil.disk_usage(str(self._disk)))
        limit, limit_used = self._limited()
        return Host(
            hostname=self._hostname,
            cpus=os.cpu_count(),
            cpu_percent=_busy(before and before[3], times),
            load=_try(os.getloadavg),
            memory_used=memory.total - memory.available if memory else None,
            memory_total=memory.total if memory else None,
            memory_limit=limit,
            memory_limit_used=limit_used,
            disk_path=str(self._disk),
            disk_used=usage.used if usage else None,
            disk_total=usage.total if usage else None,
            disk_free=usage.free if usage else None,
            disk_read=_rate(before and before[1], disks, "read_bytes", span),
            disk_write=_rate(before and before[1], disks, "write_bytes", span),
            net_received=_rate(before and before[2], net, "bytes_recv", span),
            net_sent=_rate(before and before[2], net, "bytes_sent", span),
        )

    def _limited(self) -> tuple[int | None, int | None]:
        if self._limit is None:
            return None, None
        limit = _number(self._limit / "memory.max")
        return limit, _number(self._limit / "memory.current") if limit is not None else None


def _try(read: Callable[[], Any]) -> Any:
    import psutil

    try:
        return read()
    except (OSError, psutil.Error, RuntimeError, NotImplementedError):
        return None


def _busy(before: Any, now: Any) -> float | None:
    """How much of the processors was used between two looks, in percent.

    `psutil.cpu_percent` remembers the look before by thread: one that a new thread takes would say 0.
    """
    if before is None or now is None:
        return None
    gone = {name: max(0.0, getattr(now, name) - getattr(before, name)) for name in now._fields}
    total = sum(gone.values()) - gone.get("guest", 0.0) - gone.get("guest_nice", 0.0)  # those are part of user and nice
    idle = gone["idle"] + gone.get("iowait", 0.0)
    return round(100 * (total - idle) / total, 1) if total > 0 else None


def _rate(before: Any, now: Any, name: str, span: float) -> float | None:
    if before is None or now is None or span <= 0:
        return None
    gone = getattr(now, name) - getattr(before, name)
    return gone / span if gone >= 0 else None


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _limiting_cgroup() -> Path | None:
    """The control group (version 2) around this process with the smallest memory limit, itself or one above it."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    own = next((line[3:].lstrip("/") for line in lines if line.startswith("0::")), None)
    if own is None:
        return None
    folders = [folder for folder in (_CGROUPS / own, *(_CGROUPS / own).parents) if folder.is_relative_to(_CGROUPS)]
    limited = [(limit, folder) for folder in folders if (limit := _number(folder / "memory.max")) is not None]
    return min(limited)[1] if limited else None


def pids_are_ours() -> bool:
    """Whether process numbers that the driver gives mean the same here: not so in a container's own namespace."""
    if sys.platform != "linux":
        return True
    try:
        return str(Path("/proc/self/ns/pid").readlink()) == _INITIAL_PID_NAMESPACE
    except OSError:
        return False


class Who:
    """User, command and start of processes, asked for once each and kept while they live."""

    def __init__(self, ours: bool | None = None) -> None:
        self._ours = pids_are_ours() if ours is None else ours
        self._known: dict[int, tuple[psutil.Process, str | None, str | None]] = {}

    def __call__(self, pid: int) -> tuple[str | None, str | None, float | None, bool]:
        """User, command line, start (Unix time) of PID, and whether the number belongs to another namespace.

        In a container the number is the host's. It is taken for one of this container's only if that process has
        a card's device open; else nothing is said of it.
        """
        import psutil

        try:
            kept = self._known.get(pid)
            if kept is None or not kept[0].is_running():  # False, too, once another process has its number
                kept = self._known[pid] = self._ask(psutil.Process(pid))
            if self._ours or _holds_card(pid):
                return kept[1], kept[2], kept[0].create_time(), False
        except (psutil.Error, OSError):
            self._known.pop(pid, None)
        return None, None, None, not self._ours

    def _ask(self, process: "psutil.Process") -> tuple["psutil.Process", str | None, str | None]:
        command = _try(process.cmdline)
        return process, _try(process.username), " ".join(command) if command else _try(process.name)

    def forget_all_but(self, pids: set[int]) -> None:
        """Lets go of what is known of processes that are not among PIDS."""
        for pid in self._known.keys() - pids:
            del self._known[pid]


def _holds_card(pid: int) -> bool:
    try:
        return any(str(link.readlink()).startswith("/dev/nvidia") for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
