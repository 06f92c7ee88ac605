"""MLflow: its database (`mlflow.db`, the default since 3.7) and its older folders (`mlruns/EXPERIMENT/RUN/…`).

One store holds the runs of many programs: those count that began since ours did. The first of them names its metrics
plainly, each further one (nested runs, a sweep) with its own name before.
"""

import contextlib
import math
import sqlite3
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from workbench.experiments.readers import opening
from workbench.experiments.readers.base import BEGINNING, Batch, Start
from workbench.experiments.readers.database import SLACK, DatabaseReader, has_tables
from workbench.experiments.readers.follow import Follower
from workbench.experiments.readers.lines import LONGEST
from workbench.experiments.readers.rows import number

_ENTRIES = 10_000  # below the folder of a run's metrics, that are looked at


class MlflowDatabases:
    """The format; see `readers.base.Kind`."""

    name = "mlflow"
    globs = ("mlflow*.db", "*.db", "*.sqlite", "*.sqlite3")

    def recognises(self, path: Path) -> bool:
        """Whether the tables of MLflow are in it."""
        return has_tables(path, "experiments", "runs", "metrics", "params")

    def home(self, path: Path) -> Path:
        """Each database for itself."""
        return path

    def open(self, path: Path, start: Start = BEGINNING) -> "MlflowReader":
        """A reader of the runs in PATH that began since START."""
        return MlflowReader(path, start)


class MlflowReader(DatabaseReader):
    """Reads metrics and parameters of MLflow's runs by row number."""

    kind = "mlflow"

    def _read(self, database: sqlite3.Connection, batch: Batch) -> None:
        query = (
            "SELECT rowid, run_uuid, key, step, timestamp, value, is_nan FROM metrics WHERE rowid > ? ORDER BY rowid"
        )
        metrics = self.new_rows(database, "metrics", query)
        query = "SELECT rowid, run_uuid, key, value FROM params WHERE rowid > ? ORDER BY rowid"
        params = self.new_rows(database, "params", query)
        # Last: a run is there before what it logs, and more may be written between two of these looks.
        since = (self.since - SLACK) * 1000 if self.since else 0
        query = "SELECT rowid, run_uuid, name FROM runs WHERE rowid > ? AND start_time >= ? ORDER BY rowid"
        for _, run, name in self.new_rows(database, "runs", query, since):
            self.prefix(run, name or str(run)[:8])
        for _, run, key, value in params:
            if run in self._prefixes:
                batch.config[f"{self._prefixes[run]}{key}"] = plain(str(value))
        for _, run, key, step, time, value, is_nan in metrics:
            found, at = number(value), number(time)  # a column of SQLite may hold anything
            if run in self._prefixes and not str(key).startswith("system/") and found is not None:
                batch.column(f"{self._prefixes[run]}{key}").add(
                    math.nan if is_nan else _finite(found), number(step) or 0.0, math.nan if at is None else at / 1000
                )


class MlflowFolders:
    """The format; see `readers.base.Kind`. A run's `meta.yaml` stands for its folder."""

    name = "mlruns"
    globs = ("meta.yaml",)

    def recognises(self, path: Path) -> bool:
        """Whether it tells of a run, not of an experiment."""
        with contextlib.suppress(OSError), opening.file(path) as file:
            return b"\nrun_id:" in b"\n" + file.read(1 << 16)
        return False

    def home(self, path: Path) -> Path:
        """The run's folder."""
        return path.parent

    def open(self, path: Path, start: Start = BEGINNING) -> "FolderReader":
        """A reader of the run beside PATH."""
        return FolderReader(path)


class FolderReader:
    """Reads `metrics/KEY` (lines of time in ms, value, step) and `params/KEY` beside a run's `meta.yaml`."""

    kind = "mlruns"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._metrics: dict[Path, tuple[Follower, bytes]] = {}
        self._params: set[Path] = set()

    def poll(self, last: bool = False) -> Batch:
        """What is new since the last time; see `readers.base.Reader`."""
        batch = Batch()
        folder = self.path.parent
        for path in _files(folder / "params"):
            if path not in self._params:
                with contextlib.suppress(OSError):
                    batch.config[path.relative_to(folder / "params").as_posix()] = plain(
                        opening.content(path).decode(errors="replace").strip()
                    )
                    self._params.add(path)
        for path in _files(folder / "metrics"):
            self._follow(path, path.relative_to(folder / "metrics").as_posix(), batch)
        return batch

    def _follow(self, path: Path, key: str, batch: Batch) -> None:
        if key.startswith("system/"):
            return
        file, rest = self._metrics.get(path) or (Follower(path), b"")
        try:
            news = file.read()
        except OSError:
            return
        whole, newline, rest = ((b"" if news.restart else rest) + news.data).rpartition(b"\n")
        self._metrics[path] = file, rest if len(rest) <= LONGEST else b""
        for line in whole.split(b"\n") if newline else ():
            with contextlib.suppress(ValueError, IndexError):
                time, value, *step = line.split(b" ")
                batch.column(key).add(_finite(float(value)), float(step[0]) if step else 0.0, int(time) / 1000)

    def close(self) -> None:
        """Lets go of the files."""
        for file, _ in self._metrics.values():
            file.close()


def plain(text: str) -> Any:
    """TEXT of a parameter as the number, truth value or nothing that it stands for, else as it is."""
    named = {"True": True, "False": False, "None": None}
    if text in named:
        return named[text]
    with contextlib.suppress(msgspec.DecodeError):
        value = msgspec.json.decode(text)
        if isinstance(value, int | float):
            return value
    return text


def _finite(value: float) -> float:
    """VALUE; MLflow keeps an infinity as the largest number that there is."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value


def _files(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(path for path in islice(folder.rglob("*"), _ENTRIES) if path.is_file())[:2000]
    return []
