"""The numbers that a run's files tell: one series per key, whatever its source, kept up to date with bounded work."""

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from workbench.experiments.points import Series
from workbench.experiments.readers.base import BEGINNING, Batch, Kind, Reader, Start
from workbench.experiments.readers.kinds import KINDS, PRIORITY, STDOUT
from workbench.experiments.readers.stdout import StdoutReader
from workbench.experiments.types import Goal, Metric, Source

_KEYS = 10_000  # series of a run at most
_NOTES = 100
_POLLS = 2000  # of a last pass: it ends also where something writes for ever
_CONFIG_KEYS, _CONFIG_TEXT, _DEPTH = 2000, 4000, 20
_SPLITS = frozenset(("train", "training", "val", "valid", "validation", "eval", "evaluation", "test"))
SECRET = re.compile(
    r"password|passwd|secret|credential|api_?key|access_?key|(?:hub|auth|access|api|hf)_?token", re.IGNORECASE
)
# Whose word counts where two tell the same key of a configuration, the first before the others.
_CONFIG_ORDER = ("hydra", "wandb", "mlflow", "mlruns", "trackio", "jsonl", "trainer", "tensorboard", "stdout")


class Feed:
    """The files of one home, read as one source: a series per key."""

    def __init__(self, kind: str, home: Path) -> None:
        self.kind, self.home = kind, home
        self.prefix = ""  # before every key of it
        self.label = (
            f"{home.parent.name}/{home.stem}" if home.suffix else home.name
        )  # before a key that another feed of its kind has, too
        self.readers: dict[Path, Reader] = {}
        self.series: dict[str, Series] = {}
        self.config: dict[str, Any] = {}
        self._open: dict[Path, Callable[[], Reader]] = {}
        self._failed: set[Path] = set()  # files whose reader gave up
        self._anew: set[Path] = set()  # files that were begun anew and have told no number since

    def add(self, path: Path, reader: Callable[[], Reader]) -> None:
        """One more file, read by what READER makes."""
        self._open[path] = reader
        self.readers[path] = reader()

    def poll(self, now: float, last: bool) -> list[Batch]:
        """What its files have told since the last time; points are in `series` then."""
        batches = []
        for path in sorted(self.readers):
            if batch := self._polled(path, last):
                if batch.restart:
                    self._anew.add(path)
                if batch.columns and path in self._anew:
                    self._anew.remove(path)
                    if not self._goes_on(batch):
                        self._again(path)
                batches.append(batch)
                self.config |= batch.config
                for raw, column in batch.columns.items():
                    key = raw if raw.isascii() else raw.encode(errors="replace").decode()  # JSON may hold no characters
                    found = self.series.get(key)
                    if found is None:
                        if len(self.series) >= _KEYS:
                            continue
                        found = self.series[key] = Series()
                    found.take(column, now)
        return batches

    def _polled(self, path: Path, last: bool) -> Batch:
        """What the reader of PATH gives; one that fails against its promise takes no other numbers with it."""
        if path in self._failed:
            return Batch()
        try:
            return self.readers[path].poll(last)
        except Exception as error:
            self._failed.add(path)
            return Batch(notes=[f"{path.name} cannot be read: {error!r}"])

    def _goes_on(self, batch: Batch) -> bool:
        """Whether what a file tells after it was emptied goes on where it was: its beginning was put aside."""
        known = [(self.series[key], column) for key, column in batch.columns.items() if key in self.series]
        return bool(known) and all(len(one) and min(column.steps) > one.steps[-1] for one, column in known)

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


class Numbers:
    """What the files of one run tell, as far as they are read. OUTPUT is what it printed, CWD where it worked.

    Files win over what is printed for the same key; what is printed goes on where the files are behind.
    """

    def __init__(self, output: Path, cwd: Path) -> None:
        self.cwd = cwd.absolute()
        self.notes: list[str] = []
        self.progress: tuple[float, float] | None = None
        self.exit_code: int | None = None  # as a source tells it
        self._told_eta: float | None = None
        self._first: tuple[float, float] | None = None  # when progress was first seen, and how far it was
        self._feeds: dict[tuple[str, Path], Feed] = {}
        self._merged: dict[str, Series] | None = None
        self._clock = time.time() - time.monotonic()  # held, so that a clock that is set back changes nothing
        self._feed(STDOUT, output).add(output, lambda: StdoutReader(output))

    def add(self, path: Path, start: Start = BEGINNING) -> bool:
        """Takes PATH as a source, whoever wrote it (import); whether it is of a known format."""
        kind = kind_of(path)
        if kind is None:
            return False
        feed = self._feed(kind.name, kind.home(path))
        feed.add(path, lambda: kind.open(path, start))
        return True

    def read(self, last: bool = False) -> bool:
        """Reads what is new: tens of MB of a file at most, so after a long pause again; whether there was something.

        LAST: nobody writes any more.
        """
        now = self._clock + time.monotonic()
        news = False
        for feed in self._feeds.values():
            for batch in feed.poll(now, last):
                news = True
                self.say(batch.notes)
                self._advance(batch, now)
        if news:
            self._merged = None
        return news

    def read_all(self) -> None:
        """Reads all that is there and lets go of files."""
        for _ in range(_POLLS):
            if not self.read():
                break
        self.read(last=True)
        self.close()

    def close(self) -> None:
        """Lets go of files; what was read stays."""
        for feed in self._feeds.values():
            feed.close()

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

    def say(self, notes: Iterable[str]) -> None:
        """Words for the person, each once."""
        for note in notes:
            if note not in self.notes and len(self.notes) < _NOTES:
                self.notes.append(note)

    def _advance(self, batch: Batch, now: float) -> None:
        if batch.exit_code is not None:
            self.exit_code = batch.exit_code
        if batch.progress is not None and all(map(math.isfinite, batch.progress)):
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
            merged: dict[str, Series] = {}
            for kind in sorted({kind for kind, _ in self._feeds}, key=PRIORITY.__getitem__):
                for key, one in self._of_kind(kind).items():
                    merged[key] = self._joined(merged[key], one) if key in merged else one
            self._merged = merged
        return self._merged

    def _joined(self, best: Series, other: Series) -> Series:
        """BEST with what OTHER has beyond it; where that one is by epochs, as a Trainer prints, by its steps."""
        joined = best.with_tail(other)
        if joined is best and self._steps_an_epoch:
            joined = best.with_tail(other.scaled(self._steps_an_epoch))
        return joined

    @property
    def _steps_an_epoch(self) -> float:
        """As the state of a Trainer tells; 0 where there is none."""
        epochs = self._of_kind("trainer").get("epoch")
        return epochs.steps[-1] / epochs.values[-1] if epochs and epochs.values[-1] > 0 else 0.0

    def _of_kind(self, kind: str) -> dict[str, Series]:
        found: dict[str, Series] = {}
        for (name, _), feed in self._feeds.items():
            if name == kind:
                for raw, one in feed.series.items():
                    key = feed.prefix + raw
                    if key in found:
                        key = f"{feed.label}/{key}"
                    if key in found:
                        key = f"{feed.home}/{raw}"
                    if len(one) and len(found) < _KEYS:
                        found[key] = one
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


def kind_of(path: Path) -> Kind | None:
    """The format of PATH, by its name and first bytes; None for one that is not known."""
    named = (kind for kind in KINDS if any(fnmatch(path.name, glob) for glob in kind.globs))
    return next((kind for kind in named if kind.recognises(path)), None)


def _bounded(key: str, value: Any, left: list[int], depth: int = _DEPTH) -> Any:
    """VALUE with secrets hidden and its size held; LEFT counts down over all of the configuration, DEPTH within it."""
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        return "…"
    if isinstance(value, str):
        return "…" if value and SECRET.search(key) else value[:_CONFIG_TEXT]
    if isinstance(value, Mapping):
        return {str(name): _bounded(str(name), inner, left, depth - 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_bounded(key, inner, left, depth - 1) for inner in value]
    return value if isinstance(value, int | float | bool | None) else str(value)[:_CONFIG_TEXT]
