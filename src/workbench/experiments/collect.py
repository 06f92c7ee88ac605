"""All numbers of a run, from whatever it writes: its files found while it goes on, or read at once afterwards."""

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from workbench.experiments.ledger import OUTPUT, RECORD
from workbench.experiments.numbers import Numbers, kind_of
from workbench.experiments.points import Series, load
from workbench.experiments.readers.base import Start
from workbench.experiments.sources import Sources, matching
from workbench.experiments.types import Run

_FILES = 500  # sources of a run at most
_AGAIN = 10.0  # seconds before a file that was of no format is looked at again
_LATE = 2.0  # seconds after a run's end that a file's time may lie: some file systems keep whole ones


class Collector(Numbers):
    """The numbers of one run while it goes on.

    RUN_FOLDER is the run's own (its `output.log` is read), CWD and ROOTS are where its files are looked for, STARTED is
    when it began (Unix), PIDS gives its processes now, ALIVE tells whether the run of a folder goes on. Make it as the
    run begins: what lies there by then is not of this run.
    """

    def __init__(
        self,
        run_folder: Path,
        cwd: Path,
        roots: tuple[Path, ...],
        started: float,
        pids: Callable[[], list[int]],
        alive: Callable[[Path], bool] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(run_folder / OUTPUT, cwd)
        self.started = started
        self._taken: set[Path] = {run_folder / OUTPUT}
        self._refused: dict[Path, float] = {}  # file of no format, or nobody's, and when it is looked at again
        self._sources = Sources(run_folder, self.cwd, roots, started, pids, alive or _alive, clock)

    def poll(self, thorough: bool = False) -> bool:
        """Looks for files and reads what is new, with bounded work; whether there was something.

        THOROUGH: looks for files even if it did so a moment ago.
        """
        for path, sure in self._sources.candidates(thorough).items():
            if path not in self._taken and (thorough or sure or self._refused.get(path, 0.0) <= time.monotonic()):
                self._consider(path, sure)
        return self.read()

    def finish(self) -> None:
        """Reads all that is there, for the last time, and lets go of files."""
        for path, sure in self._sources.candidates(thorough=True).items():
            if path not in self._taken and self._consider(path, sure) is None:
                self.say(
                    [f"{path} may be of this run or of one beside it; it is not read. Give each a folder of its own"]
                )
        self.read_all()

    def _consider(self, path: Path, sure: bool) -> bool | None:
        """Takes PATH where it is this run's; None where that cannot be told."""
        if len(self._taken) > _FILES:
            self.say([f"more than {_FILES} files tell of this run; the others are not read"])
            return False
        with contextlib.suppress(OSError):
            kind = kind_of(path) if path.stat().st_size else None  # an empty one is of any format
            if kind is None:
                self._refused[path] = time.monotonic() + _AGAIN
                return False
            claimed = self._sources.claim(path, sure)
            if claimed is None:
                self._refused[path] = time.monotonic() + _AGAIN
                return None
            self._taken.add(path)
            if claimed:
                self.add(path, Start(self._sources.since, self._sources.offset(path)))
            return claimed
        return False


def of_run(run: Run, folder: Path) -> Numbers:
    """All numbers of a RUN that has ended, from the files that it is known to have; FOLDER is its own.

    What was written to since is left out: a later run has its numbers there.
    """
    begun = run.started or run.created
    numbers = Numbers(folder / OUTPUT, Path(run.cwd))
    for source in run.sources:
        path = Path(run.cwd) / source.path
        if _written_since(path, run):
            numbers.say([f"{path} was written to after the run had ended; it is not read"])
        else:
            numbers.add(path, Start(begun))
    numbers.read_all()
    return numbers


def _written_since(path: Path, run: Run) -> bool:
    """Whether PATH changed after RUN had ended; of one that was made elsewhere nobody knows."""
    if run.ended is None or run.origin == "import":
        return False
    with contextlib.suppress(OSError):
        return path.stat().st_mtime > run.ended + _LATE
    return False


def of_folder(folder: Path) -> Numbers:
    """All that the files below FOLDER tell (a run made elsewhere). Nothing is written there."""
    numbers = Numbers(folder / OUTPUT, folder)
    take_files(numbers, set())
    numbers.read_all()
    return numbers


def take_files(numbers: Numbers, known: set[Path]) -> None:
    """Takes all files of a known format below the folder of NUMBERS, whoever wrote them, but those that are KNOWN."""
    for path, _ in list(matching(numbers.cwd))[:_FILES]:
        if path not in known and numbers.add(path):
            known.add(path)


def series_of(run: Run, folder: Path) -> Mapping[str, Series]:
    """The series of a RUN: as they were kept in its FOLDER (`points.save`), else read from its files."""
    kept = load(folder)
    return of_run(run, folder).series if kept is None else kept


class _Status(msgspec.Struct):
    status: str = ""


def _alive(folder: Path) -> bool:
    """Whether the run in FOLDER goes on, by its record."""
    with contextlib.suppress(OSError, UnicodeDecodeError, msgspec.DecodeError):
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=_Status).status in ("queued", "running")
    return False
