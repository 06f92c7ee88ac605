"""JSON lines: one object a line, as Ray Tune's `result.json` and many loops of one's own write them."""

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from workbench.experiments.readers.base import Batch
from workbench.experiments.readers.lines import LineReader
from workbench.experiments.readers.rows import flat, take

_CONFIG = ("config", "hparams", "hyperparameters", "params", "args")


class JsonLines:
    """The format; see `readers.base.Kind`."""

    name = "jsonl"
    globs = ("*.jsonl", "*.ndjson", "result.json")

    def recognises(self, path: Path) -> bool:
        """Whether the first line is an object, as far as it is written."""
        with contextlib.suppress(OSError), path.open("rb") as file:
            return file.read(1) in (b"{", b"")
        return False

    def open(self, path: Path) -> "JsonReader":
        """A reader from the beginning of PATH."""
        return JsonReader(path)


class JsonReader(LineReader):
    """Reads one file of JSON lines. NaN and Infinity, which Python writes and JSON does not know, are read."""

    kind = "jsonl"

    def line(self, line: bytes, batch: Batch) -> None:
        """Takes one LINE."""
        if not line.strip():
            return
        row = _decoded(line)
        if not isinstance(row, dict):
            self.say(batch, "a line that is no JSON object is passed over")
            return
        for key in _CONFIG:
            if isinstance(row.get(key), dict):
                batch.config.update(row.pop(key))
        take(flat(row), batch)


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        pass
    import json

    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
