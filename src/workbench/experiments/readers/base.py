"""What every reader of metrics is: incremental, patient with a torn tail, never in the way of the writer."""

import math
from array import array
from pathlib import Path
from typing import Any, Protocol

import msgspec


class Column:
    """New points of one key, in the order in which they were read: steps, times (Unix), values.

    A step or a time that the source does not tell is NaN; the collector counts and dates such points itself.
    """

    __slots__ = ("steps", "times", "values")

    def __init__(self) -> None:
        self.steps, self.times, self.values = array("d"), array("d"), array("d")

    def __len__(self) -> int:
        return len(self.values)

    def add(self, value: float, step: float = math.nan, time: float = math.nan) -> None:
        """One more point."""
        self.steps.append(step)
        self.times.append(time)
        self.values.append(value)


class Batch(msgspec.Struct, kw_only=True):
    """What a reader found since it was last asked.

    `columns`: key -> new points. `config`: configuration and hyperparameters, flat or nested, as the source has them.
    `restart`: keys start anew, because the source was rewritten: what this reader gave before does not count.
    `notes`: words for the person (a line that cannot be read, an alert that the program itself logged).
    `progress`: (done, total) of the steps, where the source tells; `eta_s`: seconds left, by the source's own word.
    `more`: the reader stopped at its bound; the source has more already.
    `exit_code`: how the program ended, where the source tells (runs made elsewhere).
    """

    columns: dict[str, Column] = {}
    config: dict[str, Any] = {}
    restart: bool = False
    notes: list[str] = []
    progress: tuple[float, float] | None = None
    eta_s: float | None = None
    exit_code: int | None = None
    more: bool = False

    def column(self, key: str) -> Column:
        """The column of KEY, made where there is none yet."""
        found = self.columns.get(key)
        if found is None:
            found = self.columns[key] = Column()
        return found

    def __bool__(self) -> bool:
        told = (self.columns, self.config, self.restart, self.notes, self.progress, self.more)
        return any(map(bool, told)) or self.exit_code is not None


class Start(msgspec.Struct, frozen=True):
    """From where on a source counts for a run: what is older than `time` (Unix), or lies before the byte `offset` of
    a file that is appended to, belongs to runs before it."""

    time: float = 0.0
    offset: int = 0


BEGINNING = Start()


class Reader(Protocol):
    """Reads one source of a run by offset. A torn tail waits for its rest; a source that went away gives nothing."""

    @property
    def path(self) -> Path:
        """The file that is read."""

    def poll(self, last: bool = False) -> Batch:
        """What is new since the last time; bounded work (a few tens of MB), never blocks on the writer, never raises.

        LAST: nobody writes any more, so that a line without its end is one.
        Whatever cannot be read is passed over and said once in the batch's notes.
        """

    def close(self) -> None:
        """Lets go of files."""


class Kind(Protocol):
    """A format: how its files are recognised among those that a run wrote, and its reader.

    To add one: a file with its Kind and its Reader, an entry in `readers.kinds`, and a contract test with the real
    library.
    """

    @property
    def name(self) -> str:
        """What the format is called in a run's sources."""

    @property
    def globs(self) -> tuple[str, ...]:
        """Names of files, in any folder; cheap to test."""

    def recognises(self, path: Path) -> bool:
        """Whether the file at PATH, whose name matches, is of this format by its first bytes. Never raises."""

    def home(self, path: Path) -> Path:
        """What PATH is a part of: files with one home are one source, and equal keys in them one series."""

    def open(self, path: Path, start: Start = BEGINNING) -> Reader:
        """A reader of PATH, of what counts from START on."""
