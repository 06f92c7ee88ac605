"""The watchdog at work beside a run: fed with what the watcher sees, its alerts written down, acted on where asked."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGUSR1

import msgspec

from workbench.experiments.launch.alive import STOP, Stop, ask
from workbench.experiments.launch.types import Job
from workbench.experiments.ledger import OUTPUT
from workbench.experiments.points import Series
from workbench.experiments.types import Alert, Run
from workbench.experiments.watchdog import Tick, Watchdog

_OF_TRAINING = ("divergence", "plateau", "stall", "idle")  # a service that nobody asks is silent and idle
_PIECE = 4 << 20  # bytes of output that one look takes; of more, the last ones


class Guarding:
    """Watches over the run of JOB with FOLDER. WRITE takes new alerts into its record."""

    def __init__(self, job: Job, folder: Path, write: Callable[[tuple[Alert, ...]], None]) -> None:
        self._folder, self._write, self._stop_on = folder, write, job.stop_on
        self._passed_over = _OF_TRAINING if job.service else ()
        self._dog = Watchdog()
        self._offset = 0

    def look(self, series: Mapping[str, Series], busy: float | None) -> None:
        """The run as it is now; BUSY is the busiest of its cards in percent, None where it has none."""
        self._tell(self._output() + self._dog.follow(series) + self._dog.see(self._tick(busy)))

    def last(self, series: Mapping[str, Series], run: Run) -> None:
        """The run has ended as its record RUN says."""
        end = Tick(
            at=time.time(),
            ended=True,
            exit_code=run.exit_code,
            signal=run.signal,
            stopped=run.status == "stopped" or "time limit" in run.why,
        )
        self._tell(self._output() + self._dog.follow(series) + self._dog.see(end))

    def _tick(self, busy: float | None) -> Tick:
        free = None
        with contextlib.suppress(OSError):
            disk = os.statvfs(self._folder)
            free = disk.f_bavail * disk.f_frsize
        return Tick(at=time.time(), disk_free=free, busy=busy)

    def _output(self) -> list[Alert]:
        """What was printed since the last look."""
        with contextlib.suppress(OSError), (self._folder / OUTPUT).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(self._offset, size - _PIECE))
            data = file.read(_PIECE)
            self._offset = size
            if data:
                return self._dog.see(data.decode(errors="replace"), time.time())
        return []

    def _tell(self, alerts: list[Alert]) -> None:
        alerts = [alert for alert in alerts if alert.kind not in self._passed_over]
        if not alerts:
            return
        self._write(tuple(alerts))
        reason = next((alert for alert in alerts if alert.kind in self._stop_on), None)
        if reason is not None:
            word = Stop(why=f"stopped on {reason.kind}: {reason.text.partition(chr(10))[0]}")
            with contextlib.suppress(OSError):
                (self._folder / STOP).write_bytes(msgspec.json.encode(word))
                ask(self._folder, SIGUSR1)
