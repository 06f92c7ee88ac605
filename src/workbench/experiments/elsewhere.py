"""Runs that were made elsewhere, taken into the ledger: their files are read once, by the readers of live runs."""

import getpass
import math
import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec

from workbench.experiments.collect import of_folder
from workbench.experiments.goals import goal_of
from workbench.experiments.ledger import OUTPUT, Ledger, LedgerError
from workbench.experiments.numbers import Numbers, kind_of
from workbench.experiments.points import Series, save
from workbench.experiments.surroundings import seed
from workbench.experiments.types import Run


def taken_in(ledger: Ledger, path: Path, name: str = "", tags: tuple[str, ...] = ()) -> Run:
    """A new run of all that the folder, or the file, at PATH tells. Raises LedgerError: nothing there can be read."""
    path = path.absolute()
    numbers = _read(path)
    series = {key: one for key, one in numbers.series.items() if len(one)}
    if not series:
        raise LedgerError(f"{path}: no file there is in a format that is known (see docs/experiments.md)")
    began, ended = _span(series)
    failed = numbers.exit_code not in (None, 0)

    def make(run: str) -> Run:
        return Run(
            id=run,
            name=name or path.name,
            status="failed" if failed else "finished",
            argv=(),
            cwd=str(path if path.is_dir() else path.parent),
            workspace=str(ledger.workspace),
            created=began,
            started=began,
            ended=ended,
            exit_code=numbers.exit_code,
            origin="import",
            engine="",
            seed=_seed(numbers.config),
            tags=tags,
            host=socket.gethostname(),
            user=getpass.getuser(),
            config=numbers.config,
            sources=numbers.sources,
            metrics=numbers.metrics(goal_of),
            why="" if not failed else f"exit code {numbers.exit_code}",
        )

    run = ledger.begin(make)
    try:
        save(ledger.path(run.id), series)
    except OSError as error:
        why = f"its series were not kept: {error.strerror or error}"
        ledger.update(run.id, lambda old: msgspec.structs.replace(old, why=why))
    return run


def _read(path: Path) -> Numbers:
    if path.is_dir():
        return of_folder(path)
    if not path.exists():
        raise LedgerError(f"{path}: there is no such file or folder")
    printed = kind_of(path) is None
    numbers = Numbers(path if printed else path.parent / OUTPUT, path.parent)
    if not printed:
        numbers.add(path)
    numbers.read_all()
    return numbers


def _span(series: Mapping[str, Series]) -> tuple[float, float]:
    times = [time for one in series.values() for time in (min(one.times), max(one.times)) if math.isfinite(time)]
    return min(times, default=0.0), max(times, default=0.0)


def _seed(config: Mapping[str, object]) -> int | None:
    words = [""] + [f"{key}={value}" for key, value in config.items() if isinstance(value, int | str)]
    return seed(words, {})
