"""JSON lines: one object a line, as Ray Tune's `result.json` and many loops of one's own write them."""

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from workbench.experiments.readers import opening
from workbench.experiments.readers.base import BEGINNING, Batch, Start
from workbench.experiments.readers.lines import LineReader
from workbench.experiments.readers.rows import flat, take

_FIRST = 4 << 20  # bytes of a first line
_TRIES = 64  # places in a broken line where an object may begin
_CONFIG = ("config", "hparams", "hyperparameters", "params", "args")


class JsonLines:
    """The format; see `readers.base.Kind`."""

    name = "jsonl"
    globs = ("*.jsonl", "*.ndjson", "result.json", "metrics.json", "scalars.json", "*log*.json", "log.txt")

    def recognises(self, path: Path) -> bool:
        """Whether the first line is a whole object, and no operation of an Optuna journal."""
        with contextlib.suppress(OSError), opening.file(path) as file:
            row = decoded(file.readline(_FIRST))
            return isinstance(row, dict) and "op_code" not in row
        return False

    def home(self, path: Path) -> Path:
        """Each file for itself."""
        return path

    def open(self, path: Path, start: Start = BEGINNING) -> "JsonReader":
        """A reader of PATH, from START on."""
        return JsonReader(path, start)


class JsonReader(LineReader):
    """Reads one file of JSON lines. NaN and Infinity, which Python writes and JSON does not know, are read."""

    kind = "jsonl"

    def line(self, line: bytes, batch: Batch) -> None:
        """Takes one LINE."""
        if not line.strip():
            return
        row = decoded(line)
        if not isinstance(row, dict):
            row = _behind(line)
            self.say(batch, "a line that is no JSON object is passed over")
        if row is None:
            return
        for key in _CONFIG:
            if isinstance(row.get(key), dict):
                batch.config.update(row.pop(key))
        take(flat(row), batch)


def _behind(line: bytes) -> dict[str, Any] | None:
    """The object that LINE ends with: a program that was killed left half a line, and the next one wrote on there."""
    at = line.find(b"{", 1)
    for _ in range(_TRIES):
        if at < 0:
            return None
        row = decoded(line[at:])
        if isinstance(row, dict):
            return row
        at = line.find(b"{", at + 1)
    return None


def decoded(line: bytes) -> Any:
    """What LINE says in JSON, with the NaN and Infinity that Python writes; None where it is none."""
    try:
        return msgspec.json.decode(line)
    except (ValueError, RecursionError):
        pass
    import json

    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
