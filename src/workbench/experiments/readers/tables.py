"""Tables: CSV as Lightning's CSVLogger, Keras and Ray Tune write it, and DVCLive's tab-separated files."""

import contextlib
import csv
from pathlib import Path

from workbench.experiments.readers import opening
from workbench.experiments.readers.base import BEGINNING, Batch, Start
from workbench.experiments.readers.lines import LineReader
from workbench.experiments.readers.rows import EPOCHS, STEPS, number, take


class Tables:
    """The format; see `readers.base.Kind`."""

    name = "csv"
    globs = ("*.csv", "training.log")

    def recognises(self, path: Path) -> bool:
        """Whether the header names a step or an epoch: a table of anything else is data, not metrics."""
        with contextlib.suppress(OSError), opening.file(path) as file:
            names = _cells(file.readline(1 << 16), ",")
            return not names or any(name.strip().lower() in (*STEPS, *EPOCHS) for name in names)
        return False

    def home(self, path: Path) -> Path:
        """Each file for itself."""
        return path

    def open(self, path: Path, start: Start = BEGINNING) -> "TableReader":
        """A reader of PATH, from START on."""
        return TableReader(path, ",", start=start)


class LiveTables:
    """DVCLive: `plots/metrics/…/NAME.tsv`, a table of its own for each metric."""

    name = "dvclive"
    globs = ("*.tsv",)

    def recognises(self, path: Path) -> bool:
        """Whether it lies where DVCLive writes and its header is a step and the file's own name."""
        with contextlib.suppress(OSError), opening.file(path) as file:
            names = _cells(file.readline(1 << 16), "\t")
            return "metrics" in path.parts and (not names or (names[0] == "step" and names[-1] == path.stem))
        return False

    def home(self, path: Path) -> Path:
        """The folder `metrics`, with a file for each metric."""
        return Path(*path.parts[: _below_metrics(path)])

    def open(self, path: Path, start: Start = BEGINNING) -> "TableReader":
        """A reader of PATH, from START on; a metric in a folder is called `folder/name`."""
        folders = path.parts[_below_metrics(path) : -1]
        return TableReader(path, "\t", "".join(f"{name}/" for name in folders), start)


def _below_metrics(path: Path) -> int:
    parts = path.parts
    return len(parts) - parts[::-1].index("metrics") if "metrics" in parts else len(parts) - 1


class TableReader(LineReader):
    """Reads one table whose first row names the columns. Blank cells are no points.

    When a new key appears, CSVLogger writes the whole file anew: it is read anew, and what was read does not count.
    """

    kind = "csv"
    endless = False

    def __init__(self, path: Path, separator: str, prefix: str = "", start: Start = BEGINNING) -> None:
        super().__init__(path, start)
        self._prefix = prefix
        self._separator = separator
        self._names: list[str] = []

    def begin(self) -> None:
        """The file starts anew, with a header."""
        self._names = []

    def older(self, line: bytes) -> None:
        """The header counts, whoever wrote it."""
        if not self._names:
            self._names = [name.strip() for name in _cells(line, self._separator)]

    def line(self, line: bytes, batch: Batch) -> None:
        """Takes one LINE: the header first, then rows."""
        cells = _cells(line, self._separator)
        if not cells:
            return
        if not self._names or self._another_header(cells):
            self._names = [name.strip() for name in cells]
            return
        if any(cell.strip() for cell in cells[len(self._names) :]):  # two rows in one: its numbers are not to be told
            self.say(batch, "a row that has more cells than the header names is passed over")
            return
        row = {
            name if name in STEPS else self._prefix + name: cell
            for name, cell in zip(self._names, cells, strict=False)
            if cell.strip()
        }
        take(row, batch)

    def _another_header(self, cells: list[str]) -> bool:
        """Whether CELLS are the header of a program that was begun again and writes on in the same file."""
        return cells[0].strip() in self._names and not any(number(cell) is not None for cell in cells)


def _cells(line: bytes, separator: str) -> list[str]:
    text = line.decode("utf-8-sig", errors="replace").rstrip("\r\n")
    if not text:
        return []
    try:
        return next(csv.reader([text], delimiter=separator), [])
    except csv.Error:
        return []
