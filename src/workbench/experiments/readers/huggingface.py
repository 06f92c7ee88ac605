"""Hugging Face `trainer_state.json`: `log_history` with steps, in each checkpoint and in the output folder."""

import contextlib
import math
import re
from pathlib import Path
from typing import Any

from workbench.experiments.readers import opening
from workbench.experiments.readers.base import BEGINNING, Batch, Start
from workbench.experiments.readers.jsonl import decoded
from workbench.experiments.readers.rows import number

_LARGEST = 256 << 20  # bytes
_CHECKPOINT = re.compile(r"checkpoint-\d+")
_CONFIG = ("train_batch_size", "num_train_epochs", "max_steps", "logging_steps", "eval_steps", "save_steps")


class TrainerStates:
    """The format; see `readers.base.Kind`."""

    name = "trainer"
    globs = ("trainer_state.json",)

    def recognises(self, path: Path) -> bool:
        """By its name alone."""
        return True

    def home(self, path: Path) -> Path:
        """The output folder, whose checkpoints tell the same history, each further than the one before."""
        return path.parent.parent if _CHECKPOINT.fullmatch(path.parent.name) else path.parent

    def open(self, path: Path, start: Start = BEGINNING) -> "StateReader":
        """A reader of PATH."""
        return StateReader(path)


class StateReader:
    """Reads one state, whenever it was written anew; what was given of it before is not given again."""

    kind = "trainer"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._given = 0  # rows of the history
        self._newest: Any = None  # the last of them

    def poll(self, last: bool = False) -> Batch:
        """What is new since the last time; see `readers.base.Reader`."""
        batch = Batch()
        with contextlib.suppress(OSError):
            status = self.path.stat()
            now = status.st_ino, status.st_mtime_ns, status.st_size
            if now == self._seen or status.st_size > _LARGEST:
                return batch
            state = decoded(opening.content(self.path, _LARGEST))
            if isinstance(state, dict):  # else it is being written; the next poll sees it whole
                self._seen = now
                self._take(state, batch)
        return batch

    def close(self) -> None:
        """Nothing is held between polls."""

    def _take(self, state: dict[str, Any], batch: Batch) -> None:
        history = state.get("log_history")
        rows = history if isinstance(history, list) else []
        if self._given and (len(rows) < self._given or rows[self._given - 1] != self._newest):
            self._given, batch.restart = 0, True  # begun again, in the same folder
        for row in rows[self._given :]:
            if isinstance(row, dict):
                step = number(row.get("step"))
                for key, value in row.items():
                    real = number(value)
                    if real is not None and key != "step":
                        batch.column(str(key)).add(real, math.nan if step is None else step)
        self._given, self._newest = len(rows), rows[-1] if rows else None
        done, total = number(state.get("global_step")), number(state.get("max_steps"))
        if done is not None and total:
            batch.progress = (done, total)
        batch.config.update({key: state[key] for key in _CONFIG if state.get(key) is not None})
