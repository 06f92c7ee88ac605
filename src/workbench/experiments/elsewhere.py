"""Runs that were made elsewhere, taken into the ledger: their files are read by the readers of live runs.

Once, or again and again while a program still writes there.
"""

import contextlib
import getpass
import math
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from workbench.experiments.collect import of_folder, take_files
from workbench.experiments.goals import goal_of
from workbench.experiments.launch.alive import hold, sign
from workbench.experiments.ledger import OUTPUT, Ledger, LedgerError
from workbench.experiments.numbers import Numbers, kind_of
from workbench.experiments.points import Series, save
from workbench.experiments.surroundings import seed
from workbench.experiments.types import Run

_LOOK_S = 1.0  # between two looks at what goes on


def taken_in(ledger: Ledger, path: Path, name: str = "", tags: tuple[str, ...] = ()) -> Run:
    """A new run of all that the folder, or the file, at PATH tells. Raises LedgerError: nothing there can be read."""
    path = path.absolute()
    if path.is_dir():
        numbers = of_folder(path)
    else:
        numbers = _opened(path)
        numbers.read_all()
    series = _told(numbers)
    if not series:
        raise LedgerError(f"{path}: no file there is in a format that is known (see docs/experiments.md)")
    run = ledger.begin(lambda run: _record(run, ledger, path, numbers, name, tags))
    try:
        save(ledger.path(run.id), series)
    except OSError as error:
        why = f"its series were not kept: {error.strerror or error}"
        ledger.update(run.id, lambda old: msgspec.structs.replace(old, why=why))
    return run


class Followed:
    """A run of what a program elsewhere writes to PATH, brought up to date by `poll` until `end`.

    It is in the ledger, as one that runs, once something can be read. Raises LedgerError where there is no PATH.
    """

    def __init__(self, ledger: Ledger, path: Path, name: str = "", tags: tuple[str, ...] = ()) -> None:
        self._ledger, self.path, self._name, self._tags = ledger, path.absolute(), name, tags
        self._numbers, self._known = _opened(self.path), set[Path]()
        self._next = 0.0
        self.run = ""

    def poll(self) -> None:
        """Reads what is new, and writes it down; what that takes stays a small part of the time.

        Raises LedgerError, most of all where the run was removed.
        """
        began = time.monotonic()
        if began < self._next:
            return
        if self.path.is_dir():
            take_files(self._numbers, self._known)
        news = False
        while self._numbers.read():
            news = True
            if time.monotonic() - began > _LOOK_S:
                break  # there is more, and the next look goes on with it
        if news and (series := _told(self._numbers)):
            self._write(series)
        self._next = time.monotonic() + max(_LOOK_S, 20 * (time.monotonic() - began))

    def _write(self, series: dict[str, Series]) -> None:
        numbers, ledger = self._numbers, self._ledger
        if not self.run:
            self.run = ledger.begin(self._begun).id
        with contextlib.suppress(OSError):  # a full disk; the next time may be better
            save(ledger.path(self.run), series)
        told = {
            "metrics": numbers.metrics(goal_of), "config": numbers.config, "sources": numbers.sources,
            "progress": numbers.progress, "notes": tuple(numbers.notes),
        }  # fmt: skip
        ledger.update(self.run, lambda old: msgspec.structs.replace(old, **told))

    def _begun(self, run: str) -> Run:
        sign(hold(self._ledger.path(run)))  # as long as this process lives
        return _record(run, self._ledger, self.path, self._numbers, self._name, self._tags, goes_on=True)

    def end(self) -> None:
        """Reads the rest and no more: the run has ended as its last words say, finished where they say nothing.

        Raises LedgerError.
        """
        self._numbers.read_all()
        if self.run:
            self._write(_told(self._numbers))
            code = self._numbers.exit_code
            done = {"status": "failed" if code else "finished", "ended": time.time(), "exit_code": code}
            self._ledger.update(self.run, lambda old: msgspec.structs.replace(old, **done))


def _record(
    run: str, ledger: Ledger, path: Path, numbers: Numbers, name: str, tags: tuple[str, ...], goes_on: bool = False
) -> Run:
    began, ended = _span(_told(numbers))
    failed = numbers.exit_code not in (None, 0)
    return Run(
        id=run,
        name=name or path.name,
        status="running" if goes_on else "failed" if failed else "finished",
        argv=(),
        cwd=str(path if path.is_dir() else path.parent),
        workspace=str(ledger.workspace),
        created=began,
        started=began,
        ended=None if goes_on else ended,
        exit_code=None if goes_on else numbers.exit_code,
        origin="import",
        engine="",
        seed=_seed(numbers.config),
        tags=tags,
        host=socket.gethostname(),
        user=getpass.getuser(),
        config=numbers.config,
        sources=numbers.sources,
        metrics=numbers.metrics(goal_of),
        why="" if goes_on or not failed else f"exit code {numbers.exit_code}",
    )


def _opened(path: Path) -> Numbers:
    """What is to be read of PATH; nothing is read yet, and of a folder the files are not looked for."""
    if path.is_dir():
        return Numbers(path / OUTPUT, path)
    if not path.exists():
        raise LedgerError(f"{path}: there is no such file or folder")
    printed = kind_of(path) is None
    numbers = Numbers(path if printed else path.parent / OUTPUT, path.parent)
    if not printed:
        numbers.add(path)
    return numbers


def _told(numbers: Numbers) -> dict[str, Series]:
    return {key: one for key, one in numbers.series.items() if len(one)}


def _span(series: Mapping[str, Series]) -> tuple[float, float]:
    times = [time for one in series.values() for time in (min(one.times), max(one.times)) if math.isfinite(time)]
    return min(times, default=0.0), max(times, default=0.0)


def _seed(config: Mapping[str, object]) -> int | None:
    words = [""] + [f"{key}={value}" for key, value in config.items() if isinstance(value, int | str)]
    return seed(words, {})
