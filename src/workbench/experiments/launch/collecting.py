"""A run's numbers as its watcher keeps them: in short in the record, whole in a file beside it."""

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbench.experiments.collect import Collector
from workbench.experiments.goals import goal_of
from workbench.experiments.launch.alive import alive
from workbench.experiments.launch.types import Job
from workbench.experiments.points import Series, save
from workbench.experiments.types import Goal

_SAVED_S = 1.0  # between two writes of all series; longer where a write takes long


class Collecting:
    """Collects the numbers of a run of JOB with FOLDER. BEFORE: when it had not begun yet; PIDS gives its processes."""

    def __init__(self, job: Job, folder: Path, before: float, pids: Callable[[], list[int]]) -> None:
        self._folder, self._goal = folder, job.goal
        roots = (Path(job.workspace),)
        self._collector = Collector(folder, Path(job.cwd), roots, before, pids, alive)
        self._save_at = 0.0
        self._unsaved = False

    def poll(self) -> None:
        """Reads what is new."""
        self._unsaved |= self._collector.poll()
        if self._unsaved and time.monotonic() >= self._save_at:
            self._save()

    def finish(self) -> None:
        """Reads the rest."""
        self._collector.finish()
        self._save()

    def _save(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(OSError):  # a full disk, or a run that was removed
            save(self._folder, self._collector.series)
            self._unsaved = False
        self._save_at = time.monotonic() + max(_SAVED_S, 20 * (time.monotonic() - began))

    @property
    def series(self) -> Mapping[str, Series]:
        """All series by now."""
        return self._collector.series

    def found(self) -> dict[str, Any]:
        """What the record says of it."""
        collector = self._collector
        return {
            "metrics": collector.metrics(self._of),
            "config": collector.config,
            "sources": collector.sources,
            "progress": collector.progress,
            "eta_s": None if collector.eta_s is None else round(collector.eta_s, 1),
            "notes": tuple(collector.notes),
        }

    def _of(self, key: str) -> Goal:
        return self._goal or goal_of(key)
