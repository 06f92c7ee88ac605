"""Which run a process belongs to: by the processes that stand above it, up to a run's own."""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from workbench.experiments.launch.alive import LOCK, alive
from workbench.experiments.ledger import Ledger, LedgerError

_HELD_S = 2.0  # a look at the ledgers holds for so long
_BEGINS_S = 60.0  # a run's folder may be there for a moment before its lock is
_DEEPEST = 64  # ancestors that are asked


class Owners:
    """Which of the live runs of these LEDGERS a process number belongs to. A call costs a few small reads.

    Numbers are those of this process's own namespace: a confined command's processes are seen from outside with these.
    """

    def __init__(self, ledgers: Iterable[Ledger]) -> None:
        self._ledgers = tuple(ledgers)
        self._ended: set[tuple[Ledger, str]] = set()
        self._roots: dict[int, str] = {}
        self._until = 0.0

    def __call__(self, pid: int) -> str | None:
        """The run of process PID, None where it is of none or is gone."""
        if time.monotonic() >= self._until:
            self._roots = dict(self._live())
            self._until = time.monotonic() + _HELD_S
        if not self._roots:
            return None
        with contextlib.suppress(OSError):
            if (found := self._roots.get(os.getsid(pid))) is not None:
                return found
        for _ in range(_DEEPEST):
            if pid <= 1 or pid in self._roots:
                return self._roots.get(pid)
            pid = _parent(pid)
        return None

    def _live(self) -> Iterable[tuple[int, str]]:
        """The first process of each run that goes on, and of its supervisor, which adopts what hides from that one."""
        for ledger in self._ledgers:
            for run in ledger.ids():
                if (ledger, run) in self._ended:
                    continue
                folder = ledger.path(run)
                with contextlib.suppress(LedgerError, OSError, ValueError):
                    if not alive(folder):
                        if time.time() - folder.stat().st_mtime > _BEGINS_S:
                            self._ended.add((ledger, run))
                        continue
                    record = ledger.get(run)
                    if record.status == "running" and record.pid:
                        yield record.pid, run
                        if record.origin == "exp":
                            yield int((folder / LOCK).read_text().split()[0]), run


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(stat[stat.rfind(b")") + 2 :].split()[1])
