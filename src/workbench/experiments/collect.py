"""All numbers of a run, from whatever it writes: one series per key, kept up to date with bounded work."""

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from workbench.experiments.ledger import OUTPUT, RECORD
from workbench.experiments.points import Series, load
from workbench.experiments.readers.base import BEGINNING, Batch, Kind, Reader, Start
from workbench.experiments.readers.kinds import KINDS, PRIORITY, STDOUT
from workbench.experiments.readers.stdout import StdoutReader
from workbench.experiments.sources import Sources
from workbench.experiments.types import Goal, Metric, Run, Source

_KEYS = 10_000  # series of a run at most
_FILES = 500  # sources of a run at most
_NOTES = 100
_CONFIG_KEYS, _CONFIG_TEXT = 2000, 4000
_SPLITS = frozenset(("train", "training", "val", "valid", "validation", "eval", "evaluation", "test"))
_SECRET = re.compile(
    r"password|passwd|secret|credential|api_?key|access_?key|(?:hub|auth|access|api|hf)_?token", re.IGNORECASE
)
# Whose word counts where two tell the same key of a configuration, the first before the others.
_CONFIG_ORDER = ("hydra", "wandb", "mlflow", "mlruns", "trackio", "jsonl", "trainer", "tensorboard")


class Feed:
    """The files of one home, read as one source: a series per key."""

    def __init__(self, kind: str, home: Path) -> None:
        self.kind, self.home = kind, home
        self.prefix = ""  # before every key of it
        self.label = home.stem if home.suffix else home.name  # before a key that another feed of its kind has, too
        self.readers: dict[Path, Reader] = {}
        self.series: dict[str, Series] = {}
        self.config: dict[str, Any] = {}
        self._open: dict[Path, Callable[[], Reader]] = {}

    def add(self, path: Path, reader: Callable[[], Reader]) -> None:
        """One more file, read by what READER makes."""
        self._open[path] = reader
        self.readers[path] = reader()

    def poll(self, now: float) -> list[Batch]:
        """What its files have told since the last time; points are in `series` then."""
        batches = []
        for path in sorted(self.readers):
            if batch := self.readers[path].poll():
                if batch.restart:
                    self._again(path)
                batches.append(batch)
                self.config |= batch.config
                for key, column in batch.columns.items():
                    found = self.series.get(key)
                    if found is None:
                        if len(self.series) >= _KEYS:
                            continue
                        found = self.series[key] = Series()
                    found.take(column, now)
        return batches

    def _again(self, rewritten: Path) -> None:
        """A file was rewritten: what it gave is not told from what the others gave, so these are read anew."""
        self.series.clear()
        for path in self.readers:
            if path != rewritten:
                self.readers[path].close()
                self.readers[path] = self._open[path]()

    def close(self) -> None:
        """Lets go of files."""
        for reader in self.readers.values():
            reader.close()


class Collector:
    """The numbers of one run, live or afterwards.

    RUN_FOLDER is the run's own (its `output.log` is read), CWD and ROOTS are where its files are looked for, STARTED is
    when it began (Unix), PIDS gives its processes now, ALIVE tells whether the run of a folder goes on.
    Files win over what is printed for the same key; what is printed goes on where the files are behind.
    """

    def __init__(
        self,
        run_folder: Path,
        cwd: Path,
        roots: tuple[Path, ...] = (),
        started: float = 0.0,
        pids: Callable[[], list[int]] = list,
        alive: "Callable[[Path], bool] | None" = None,
    ) -> None:
        self.cwd = cwd.absolute()
        self.started = started
        self.notes: list[str] = []
        self.progress: tuple[float, float] | None = None
        self.exit_code: int | None = None  # as a source tells it
        self._told_eta: float | None = None
        self._first: tuple[float, float] | None = None  # when progress was first seen, and how far it was
        self._feeds: dict[tuple[str, Path], Feed] = {}
        self._taken: set[Path] = set()
        self._refused: dict[Path, float] = {}  # file that is of no format, and its size then
        self._merged: dict[str, Series] | None = None
        self._clock = time.time() - time.monotonic()  # held, so that a clock that is set back changes nothing
        self._sources = Sources(run_folder, self.cwd, roots, started, pids, alive or _alive)
        output = run_folder / OUTPUT
        self._feed(STDOUT, output).add(output, lambda: StdoutReader(output))
        self._taken.add(output)

    # --- reading ---

    def poll(self, thorough: bool = False) -> bool:
        """Reads what is new: tens of MB at most, so after a long pause call it again; whether there was something.

        THOROUGH: looks for files even if it did so a moment ago.
        """
        for path in self._sources.candidates(thorough):
            self._consider(path)
        now = self._clock + time.monotonic()
        news = False
        for feed in self._feeds.values():
            for batch in feed.poll(now):
                news = True
                self._note(batch.notes)
                self._advance(batch, now)
        if news:
            self._merged = None
        return news

    def finish(self) -> None:
        """Reads all that is there, for the last time, and lets go of files."""
        self.poll(thorough=True)
        while self.poll():
            pass
        self.close()

    def close(self) -> None:
        """Lets go of files; what was read stays."""
        for feed in self._feeds.values():
            feed.close()

    def add(self, path: Path, start: Start = BEGINNING) -> bool:
        """Takes PATH as a source, whoever wrote it (import); whether it is of a known format."""
        kind = next((kind for kind in KINDS if _named(kind, path) and kind.recognises(path)), None)
        if kind is None:
            return False
        self._taken.add(path)
        feed = self._feed(kind.name, kind.home(path))
        feed.add(path, lambda: kind.open(path, start))
        return True

    def _consider(self, path: Path) -> None:
        if path in self._taken or path.name == OUTPUT:
            return
        with contextlib.suppress(OSError):
            size = path.stat().st_size
            if not size or self._refused.get(path) == size:
                return  # nothing to tell it by yet
            if len(self._taken) > _FILES:
                self._note([f"more than {_FILES} files tell of this run; the others are not read"])
                return
            kind = next((kind for kind in KINDS if _named(kind, path) and kind.recognises(path)), None)
            if kind is None:
                self._refused[path] = size
            elif self._sources.claim(path):
                self.add(path, Start(self.started, self._sources.before.get(path, 0)))
            else:
                self._taken.add(path)

    def _feed(self, kind: str, home: Path) -> Feed:
        feed = self._feeds.get((kind, home))
        if feed is None:
            feed = self._feeds[kind, home] = Feed(kind, home)
            if kind == "tensorboard":
                feed.prefix = self._below(home)
        return feed

    def _below(self, home: Path) -> str:
        """What names a writer's folder beside others: its path below another's, or the split that it is for."""
        outer = [other for kind, other in self._feeds if kind == "tensorboard" and other in home.parents]
        if outer:
            return f"{home.relative_to(max(outer, key=lambda path: len(path.parts))).as_posix()}/"
        return f"{home.name}/" if home.name.lower() in _SPLITS else ""

    def _note(self, notes: Iterable[str]) -> None:
        for note in notes:
            if note not in self.notes and len(self.notes) < _NOTES:
                self.notes.append(note)

    def _advance(self, batch: Batch, now: float) -> None:
        if batch.exit_code is not None:
            self.exit_code = batch.exit_code
        if batch.progress is not None:
            self.progress, self._told_eta = batch.progress, None
            if self._first is None or batch.progress[0] < self._first[1]:
                self._first = now, batch.progress[0]
        if batch.eta_s is not None:
            self._told_eta = batch.eta_s

    # --- what is known ---

    @property
    def series(self) -> Mapping[str, Series]:
        """One series per key, the best source's, with what others have beyond it."""
        if self._merged is None:
            told: dict[str, list[Series]] = {}
            for kind in sorted({kind for kind, _ in self._feeds}, key=PRIORITY.__getitem__):
                for key, one in self._of_kind(kind).items():
                    told.setdefault(key, []).append(one)
            self._merged = {}
            for key, candidates in told.items():
                best = candidates[0]
                for other in candidates[1:]:
                    best = best.with_tail(other)
                self._merged[key] = best
        return self._merged

    def _of_kind(self, kind: str) -> dict[str, Series]:
        found: dict[str, Series] = {}
        for (name, _), feed in self._feeds.items():
            if name == kind:
                for raw, one in feed.series.items():
                    key = feed.prefix + raw
                    if key in found:
                        key = f"{feed.label}/{key}"
                    if len(one) and len(found) < _KEYS:
                        found.setdefault(key, one)
        return found

    def metrics(self, goal: Callable[[str], Goal]) -> dict[str, Metric]:
        """Each series in short; GOAL says of a key whether less or more is better."""
        return {key: one.metric(goal(key)) for key, one in self.series.items()}

    @property
    def config(self) -> dict[str, Any]:
        """Configuration and hyperparameters of all sources, the best one's word first; without secrets."""
        found: dict[str, Any] = {}
        for kind in reversed(_CONFIG_ORDER):
            for (name, _), feed in self._feeds.items():
                if name == kind:
                    found = {**found, **feed.config}
        left = [_CONFIG_KEYS]
        return {key: _bounded(key, value, left) for key, value in list(found.items())[:_CONFIG_KEYS]}

    @property
    def sources(self) -> tuple[Source, ...]:
        """The files that numbers come from, those in the run's own folder not told."""
        return tuple(
            Source(kind=kind, path=str(path.relative_to(self.cwd) if path.is_relative_to(self.cwd) else path))
            for (kind, _), feed in self._feeds.items()
            for path in feed.readers
            if kind != STDOUT
        )

    @property
    def eta_s(self) -> float | None:
        """Seconds left: as the program tells, else by its progress since that was first seen; None where unknown."""
        if self._told_eta is not None:
            return self._told_eta
        if self.progress is None or self._first is None:
            return None
        (begun, first), (done, total) = self._first, self.progress
        elapsed = self._clock + time.monotonic() - begun
        return elapsed * (total - done) / (done - first) if total > done > first else None


def of_run(run: Run, folder: Path) -> Collector:
    """All numbers of a RUN that has ended, from the files that it is known to have; FOLDER is its own."""
    collector = Collector(folder, Path(run.cwd), started=run.started or run.created)
    for source in run.sources:
        collector.add(Path(run.cwd) / source.path, Start(run.started or run.created))
    while collector.poll():
        pass
    collector.close()
    return collector


def series_of(run: Run, folder: Path) -> Mapping[str, Series]:
    """The series of a RUN: as they were kept in its FOLDER, else read from its files."""
    return load(folder) or of_run(run, folder).series


def of_folder(folder: Path) -> Collector:
    """All that the files below FOLDER tell (a run made elsewhere)."""
    collector = Collector(folder, folder)
    collector.finish()
    return collector


def _named(kind: Kind, path: Path) -> bool:
    from fnmatch import fnmatch

    return any(fnmatch(path.name, glob) for glob in kind.globs)


class _Status(msgspec.Struct):
    status: str = ""


def _alive(folder: Path) -> bool:
    """Whether the run in FOLDER goes on, by its record."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=_Status).status in ("queued", "running")
    return False


def _bounded(key: str, value: Any, left: list[int]) -> Any:
    """VALUE with secrets hidden and its size held; LEFT counts down over all of the configuration."""
    left[0] -= 1
    if left[0] < 0:
        return "…"
    if isinstance(value, str):
        return "…" if value and _SECRET.search(key) else value[:_CONFIG_TEXT]
    if isinstance(value, Mapping):
        return {str(name): _bounded(str(name), inner, left) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_bounded(key, inner, left) for inner in value]
    return value if isinstance(value, int | float | bool | None) else str(value)[:_CONFIG_TEXT]
