"""Which data a run is given, looked at in a thread: hashing large files holds up neither its numbers nor its alerts."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbench.experiments.data import Inputs
from workbench.experiments.launch.types import Job
from workbench.experiments.types import Alert, Data

_EVERY_S = 10.0  # between two looks, once it is known what is open at the start
_LAST_S = 5.0  # that the end of a run waits for the look at hand


class Looking:
    """Looks at the data of the run of JOB. `found` is what is known by now; new overlaps go to TELL."""

    def __init__(self, job: Job, argv: tuple[str, ...], tell: Callable[[tuple[Alert, ...]], None]) -> None:
        cwd = Path(job.cwd)
        # A confined command must not have files read for it that it could not read itself.
        roots = (cwd, Path(job.workspace)) if job.sandbox is not None else ()
        self._inputs = Inputs(argv, cwd, roots)
        self._tell = tell
        self._thread: threading.Thread | None = None
        self._alerts: list[Alert] = []
        self._next, self._looks = 0.0, 0

    def look(self, config: Mapping[str, Any], pids: list[int]) -> None:
        """Begins a look where one is due, and tells what the one before has found."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._told()
        if time.monotonic() >= self._next:
            self._begin(config, pids)

    def finish(self, config: Mapping[str, Any]) -> None:
        """The run has ended: what it was not seen to read while it ran is what its command and configuration name."""
        if self._thread is not None:
            self._thread.join(_LAST_S)
        if self._thread is None or not self._thread.is_alive():
            self._begin(config, [])
            if self._thread is not None:
                self._thread.join(_LAST_S)
        self._told()

    @property
    def found(self) -> tuple[Data, ...]:
        """The data files by now."""
        return self._inputs.files

    def _begin(self, config: Mapping[str, Any], pids: list[int]) -> None:
        self._looks += 1
        self._next = time.monotonic() + (_EVERY_S if self._looks > 3 else 0.0)  # what is read at the start is open then
        self._thread = threading.Thread(target=self._look, args=(dict(config), list(pids)), daemon=True)
        self._thread.start()

    def _look(self, config: Mapping[str, Any], pids: list[int]) -> None:
        self._alerts += self._inputs.look(config, pids, time.time())

    def _told(self) -> None:
        if self._alerts:
            alerts, self._alerts = self._alerts, []
            self._tell(tuple(alerts))
