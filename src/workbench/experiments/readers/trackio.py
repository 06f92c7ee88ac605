"""Trackio: `PROJECT.db`, an SQLite database in WAL mode; a row of `metrics` holds what one call logged, as JSON."""

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.experiments.readers.base import BEGINNING, Batch, Start
from workbench.experiments.readers.database import DatabaseReader, has_tables
from workbench.experiments.readers.jsonl import decoded
from workbench.experiments.readers.rows import flat, number, take


class TrackioDatabases:
    """The format; see `readers.base.Kind`."""

    name = "trackio"
    globs = ("*.db",)

    def recognises(self, path: Path) -> bool:
        """Whether the tables of Trackio are in it."""
        return has_tables(path, "metrics", "configs") and not has_tables(path, "experiments")

    def home(self, path: Path) -> Path:
        """Each database for itself."""
        return path

    def open(self, path: Path, start: Start = BEGINNING) -> "TrackioReader":
        """A reader of what was logged to PATH since START."""
        return TrackioReader(path, start)


class TrackioReader(DatabaseReader):
    """Reads metrics, configurations and alerts by row number; runs after the first have their name before the key."""

    kind = "trackio"

    def _read(self, database: sqlite3.Connection, batch: Batch) -> None:
        query = "SELECT id, run_name, timestamp, step, metrics FROM metrics WHERE id > ? ORDER BY id"
        for _, run, stamp, step, metrics in self.new_rows(database, "metrics", query):
            time = _time(stamp)
            if not self.counts(time):
                continue
            prefix = self.prefix(run)
            row = _decoded(metrics)
            if isinstance(row, dict):
                named = {prefix + key: value for key, value in flat(row).items()}
                take({"step": step, **named}, batch, time)
        self._configs(database, batch)
        self._alerts(database, batch)

    def _configs(self, database: sqlite3.Connection, batch: Batch) -> None:
        for _, run, text, stamp in self.new_rows(
            database, "configs", "SELECT id, run_name, config, created_at FROM configs WHERE id > ? ORDER BY id"
        ):
            config = _decoded(text)
            if self.counts(_time(stamp)) and isinstance(config, dict):
                prefix = self.prefix(run)
                batch.config.update({prefix + key: value for key, value in config.items() if key[:1] != "_"})

    def _alerts(self, database: sqlite3.Connection, batch: Batch) -> None:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'alerts'").fetchone():
            return
        query = "SELECT id, timestamp, level, title, text, step FROM alerts WHERE id > ? ORDER BY id"
        for _, stamp, level, title, text, step in self.new_rows(database, "alerts", query):
            if self.counts(_time(stamp)):
                at = "" if step is None else f" at step {step}"
                batch.notes.append(f"the program says{at}: {level} {title}" + (f": {text}" if text else ""))


def _decoded(text: Any) -> Any:
    return decoded(text.encode() if isinstance(text, str) else text if isinstance(text, bytes) else b"null")


def _time(stamp: Any) -> float:
    """A time in ISO format or in seconds; 0 for none."""
    if (seconds := number(stamp)) is not None:
        return seconds
    try:
        return datetime.fromisoformat(str(stamp)).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
