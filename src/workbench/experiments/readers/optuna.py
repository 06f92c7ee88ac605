"""Optuna: its journal (JSON lines with op codes) and its database.

Each trial is a step: its values are `value` (`value_0`, … of several objectives), its parameters `params/NAME`. What
a trial reported on its way is `trial_N/value` by the trial's own steps.
"""

import contextlib
import math
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.experiments.readers import opening
from workbench.experiments.readers.base import BEGINNING, Batch, Start
from workbench.experiments.readers.database import SLACK, DatabaseReader, has_tables
from workbench.experiments.readers.jsonl import decoded
from workbench.experiments.readers.lines import LineReader
from workbench.experiments.readers.rows import number

_TRIAL, _PARAMETER, _STATE, _INTERMEDIATE = 4, 5, 6, 7
_COMPLETE = 1  # a pruned trial has a value, too, which is no result
_WORDS = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


class OptunaJournals:
    """The format; see `readers.base.Kind`."""

    name = "optuna"
    globs = ("*.log", "*.journal", "*optuna*.jsonl")

    def recognises(self, path: Path) -> bool:
        """Whether the first line is an operation of a journal."""
        with contextlib.suppress(OSError), opening.file(path) as file:
            return file.read(11) == b'{"op_code":'
        return False

    def home(self, path: Path) -> Path:
        """Each file for itself."""
        return path

    def open(self, path: Path, start: Start = BEGINNING) -> "JournalReader":
        """A reader of the trials in PATH that began since START."""
        return JournalReader(path, Start(start.time))  # trials are numbered from the beginning


class JournalReader(LineReader):
    """Reads one journal; trials are numbered as they come."""

    kind = "optuna"

    def __init__(self, path: Path, start: Start = BEGINNING) -> None:
        super().__init__(path, start)
        self._since = start.time
        self.begin()

    def begin(self) -> None:
        """The file starts anew."""
        self._trials: list[bool] = []  # whether each counts

    def line(self, line: bytes, batch: Batch) -> None:
        """Takes one LINE."""
        row = decoded(line)
        if not isinstance(row, dict):
            return
        code, trial = row.get("op_code"), row.get("trial_id")
        if code == _TRIAL:
            begun = _time(row.get("datetime_start"))
            self._trials.append(not begun or begun >= self._since - SLACK)
        elif isinstance(trial, int) and 0 <= trial < len(self._trials) and self._trials[trial]:
            self._of(trial, code, row, batch)

    def _of(self, trial: int, code: Any, row: dict[str, Any], batch: Batch) -> None:
        if code == _PARAMETER:
            value = _external(row.get("param_value_internal"), str(row.get("distribution")))
            _parameter(batch, trial, str(row.get("param_name")), value)
        elif code == _INTERMEDIATE:
            value, step = number(row.get("intermediate_value")), number(row.get("step"))
            if value is not None and step is not None:
                batch.column(f"trial_{trial}/value").add(value, step)
        elif code == _STATE and row.get("state") == _COMPLETE and isinstance(row.get("values"), list):
            values = [number(value) for value in row["values"]]
            time = _time(row.get("datetime_complete")) or math.nan
            for place, value in enumerate(values):
                if value is not None:
                    batch.column("value" if len(values) == 1 else f"value_{place}").add(value, trial, time)


class OptunaDatabases:
    """The format; see `readers.base.Kind`."""

    name = "optuna-db"
    globs = ("*.db", "*.sqlite", "*.sqlite3")

    def recognises(self, path: Path) -> bool:
        """Whether the tables of Optuna are in it."""
        return has_tables(path, "studies", "trials", "trial_values", "trial_params")

    def home(self, path: Path) -> Path:
        """Each database for itself."""
        return path

    def open(self, path: Path, start: Start = BEGINNING) -> "OptunaReader":
        """A reader of the trials in PATH that began since START."""
        return OptunaReader(path, start)


class OptunaReader(DatabaseReader):
    """Reads values, intermediate values and parameters of trials by row number."""

    kind = "optuna-db"

    def _read(self, database: sqlite3.Connection, batch: Batch) -> None:
        for _, trial, began, place, value, word, state in self._rows(
            database, "trial_values", "trial_value_id", "objective, r.value, value_type, t.state"
        ):
            if state == "COMPLETE" and self._counts(began):
                batch.column(f"value_{place}" if place else "value").add(_number(value, word), _step(trial))
        for _, trial, began, step, value, word in self._rows(
            database,
            "trial_intermediate_values",
            "trial_intermediate_value_id",
            "step, intermediate_value, intermediate_value_type",
        ):
            if self._counts(began):
                batch.column(f"trial_{trial}/value").add(_number(value, word), _step(step))
        for _, trial, began, name, value, distribution in self._rows(
            database, "trial_params", "param_id", "param_name, param_value, distribution_json"
        ):
            if self._counts(began):
                _parameter(batch, trial, name, _external(value, distribution))

    def _rows(self, database: sqlite3.Connection, table: str, key: str, columns: str) -> list[Any]:
        return self.new_rows(
            database,
            table,
            f"SELECT r.{key}, t.number, t.datetime_start, {columns} FROM {table} r "  # noqa: S608 - names of our own
            f"JOIN trials t ON t.trial_id = r.trial_id WHERE r.{key} > ? ORDER BY r.{key}",
        )

    def _counts(self, began: Any) -> bool:
        return began is None or self.counts(_time(began))


def _parameter(batch: Batch, trial: int, name: str, value: Any) -> None:
    real = number(value)
    if real is not None:
        batch.column(f"params/{name}").add(real, _step(trial))


def _external(value: Any, distribution: str) -> Any:
    """What the program saw: Optuna keeps a choice as its place among the choices."""
    told = decoded(str(distribution).encode(errors="replace"))
    attributes = told.get("attributes") if isinstance(told, dict) else None
    choices = attributes.get("choices") if isinstance(attributes, dict) else None
    if isinstance(choices, list) and isinstance(value, int | float) and 0 <= value < len(choices):
        return choices[int(value)]
    return value


def _step(value: Any) -> float:
    """VALUE as a step, counted on where it is none."""
    found = number(value)
    return math.nan if found is None else found


def _number(value: Any, word: Any) -> float:
    found = number(value)
    return _WORDS.get(str(word), math.nan if found is None else found)


def _time(stamp: Any) -> float:
    """A time in ISO format, of this place where it names none; 0 for no time."""
    try:
        return datetime.fromisoformat(str(stamp)).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
