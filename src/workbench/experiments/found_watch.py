"""The process beside a run that was found: `python -m workbench.experiments.found_watch RUN LOCK STARTED`.

Its standard input tells the job, the command's processes, and the end. Where that breaks off, whoever started the
command is gone: the command is followed as long as it lives, and how it ended is not known.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from workbench.experiments import surroundings
from workbench.experiments.found import cpu_s, python_of, words_of
from workbench.experiments.launch.alive import STOP, UNKNOWN, asked, sign
from workbench.experiments.launch.types import Job
from workbench.experiments.launch.watcher import EVERY_S, Watcher, _Word
from workbench.experiments.ledger import Ledger, LedgerError
from workbench.experiments.types import Run
from workbench.sandbox.tree import program

_TERM_S = 10.0  # between TERM and KILL


class FoundWatcher(Watcher):
    """Watches a run that its caller, not a supervisor, ends."""

    _alone = False  # the caller is gone
    _stop_at = 0.0  # asked to end: when it is killed

    def __init__(self, job: Job, run: str, reading: int, lock: int, started: float) -> None:
        super().__init__(job, Ledger(Path(job.workspace)), run, reading, started)
        self._spent: dict[int, float] = {}
        signal.signal(signal.SIGUSR1, self._asked)
        signal.signal(signal.SIGTERM, self._asked)
        sign(lock)

    def _next(self, timeout_s: float | None) -> _Word | None:
        """The caller's next word; without a caller, time passes as long as the command lives."""
        if self._tree is not None:
            self._count()
            self._press()
        if not self._alone:
            word = super()._next(timeout_s)
            if word is not None or self._tree is None:
                return word
            self._alone = True
        if not self._tree.members():
            return None
        time.sleep(min(timeout_s or EVERY_S, EVERY_S))
        return _Word()

    def _count(self) -> None:
        """CPU seconds of its processes, as far as they were seen."""
        for pid in self._tree.members():
            self._spent[pid] = max(self._spent.get(pid, 0.0), cpu_s(pid))

    def _asked(self, number: int, frame: FrameType | None) -> None:
        """Somebody wants the run to end: TERM now, KILL later, to the command and not to what stands around it."""
        if self._tree is None:
            return
        stop = asked(self.ledger.path(self.run))
        now = number == signal.SIGTERM if stop is None else stop.now
        within = [pid for pid in self._tree.members() if program(pid).rpartition("/")[2] != "bwrap"]
        self._tree.signal(within, signal.SIGKILL if now else signal.SIGTERM)
        self._stop_at = self._stop_at or time.monotonic() + _TERM_S

    def _press(self) -> None:
        """What was asked for before there was anybody to ask, and what TERM did not end."""
        if not self._stop_at and (self.ledger.path(self.run) / STOP).exists():
            self._asked(signal.SIGUSR1, None)
        if self._stop_at and time.monotonic() > self._stop_at:
            self._tree.signal(self._tree.members(), signal.SIGKILL)

    def _write(self, found: dict[str, Any]) -> None:
        if "usage" in found and self._spent:
            spent = round(sum(self._spent.values()), 3)
            with contextlib.suppress(LedgerError):
                if self.ledger.get(self.run).usage.cpu_s != spent:
                    self.ledger.update(self.run, lambda run: _with_cpu(run, spent))
        super()._write(found)

    def _surroundings(self) -> None:
        job = self.job
        if job.sandbox is None:
            python = python_of(words_of(job.argv[-1]), job.cwd, job.env.get("PATH", os.defpath))
            self._write({"environment": surroundings.taken(python, job.env, self.ledger.path(self.run))})

    def _orphaned(self, tree: Any) -> None:
        self._gone()

    def _gone(self) -> None:
        def change(run: Run) -> Run:
            if run.status not in ("queued", "running"):
                return run
            return msgspec.structs.replace(run, status="stopped", ended=time.time(), why=UNKNOWN)

        with contextlib.suppress(LedgerError):
            self.ledger.update(self.run, change)


def _with_cpu(run: Run, spent: float) -> Run:
    return msgspec.structs.replace(run, usage=msgspec.structs.replace(run.usage, cpu_s=spent))


def main() -> None:
    """The life of the process."""
    run, lock = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(19)
    job = msgspec.json.decode(_line(0), type=Job)
    FoundWatcher(job, run, 0, lock, float(sys.argv[3])).watch()


def _line(descriptor: int) -> bytes:
    """One line, and no byte beyond it."""
    found = bytearray()
    while (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
        found += byte
    return bytes(found)


if __name__ == "__main__":
    main()
