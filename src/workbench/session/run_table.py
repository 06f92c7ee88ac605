"""The records of all runs, kept as rows: read anew only where a record was replaced."""

import os
import secrets
import shlex
import threading
from pathlib import Path
from typing import NamedTuple

import msgspec

from workbench.experiments.compare import telling
from workbench.experiments.goals import known
from workbench.experiments.launch.alive import truly
from workbench.experiments.ledger import RECORD, Ledger, LedgerError, being_made, ledger_for
from workbench.experiments.points import FILE
from workbench.experiments.types import Run
from workbench.protocol import queries as q
from workbench.session.run_against import defaults
from workbench.session.run_level import Levels

_KEYS = 200  # metrics of a row at most, the most telling ones
_TEXT = 2000  # characters of a command, a note, a reason
_ALERTS = 20  # of a row, the newest
_LEVELLED = 100  # newest runs, of which one that was stopped is compared at an equal step
GOES_ON = ("queued", "running")

Stamp = tuple[int, int, int]  # of a file: inode, time of change, size


class _Kept(NamedTuple):
    """A record as it was read: RUN, or the words why it cannot be."""

    stamp: Stamp
    run: Run | None
    problem: str = ""


class RunTable:
    """The runs of the ledger that a command in WORKSPACE writes to. All of it may be called from any thread."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._newer: dict[str, _Kept] = {}  # read since the last look at all
        self._standing: dict[str, Run] = {}  # as they stand: one whose supervisor is gone has failed
        self._rows: dict[str, q.RunRow] = {}  # without what it is compared with
        self._page = q.Runs()
        self._against: dict[str, str] = {}
        self._levels = Levels()
        self._token, self._version = secrets.token_hex(4), 0
        self.ledger = ledger_for(workspace)

    def listed(self, query: q.ListRuns) -> q.Runs:
        """All runs, the newest first."""
        with self._lock:
            self._look()
            if query.stamp and query.stamp == self._page.stamp:
                return q.Runs(stamp=query.stamp, same=True)
            return self._page

    def runs(self) -> list[Run]:
        """All runs that can be read, as they stand now, the oldest first."""
        with self._lock:
            self._look()
            return list(self._standing.values())

    def run(self, name: str) -> Run | None:
        """The run NAME as it stands now; None where there is none. Only its own record is looked at."""
        with self._lock:
            try:
                path = self.ledger.path(name) / RECORD
            except LedgerError:
                return None
            if (stamp := stamp_of(path)) is None:  # there may be a nearer ledger by now
                self.ledger = ledger_for(self._workspace)
                if (stamp := stamp_of(self.ledger.path(name) / RECORD)) is None:
                    return None
            kept = self._newer.get(name) or self._kept.get(name)
            if kept is None or kept.stamp != stamp:
                kept = self._newer[name] = _got(self.ledger, name, stamp)
            return _called(name, truly(self.ledger, kept.run)) if kept.run else None

    def against(self, run: str) -> str:
        """The run that RUN is compared with unless another is named; empty where there is none."""
        with self._lock:
            self._look()
            return self._against.get(run, "")

    # --- looking -------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Reads what was replaced since the last time."""
        ledger = self.ledger = ledger_for(self._workspace)
        changed = self._read(ledger)
        standing: dict[str, Run] = {}
        for name, kept in self._kept.items():
            if kept.run is None:
                continue
            run = kept.run
            if run.status in GOES_ON:
                run = _called(name, truly(ledger, run))
                row = self._rows.get(name)
                changed |= row is not None and (row.status != run.status or row.points_at != self._points_at(name))
            standing[name] = run
        self._standing = standing
        if changed or not self._version:
            self._version += 1
            self._page = self._paged()

    def _read(self, ledger: Ledger) -> bool:
        """Brings the records up to date; whether one of them is another."""
        names, folder = ledger.ids(), str(ledger.folder)
        changed = False
        kept: dict[str, _Kept] = {}
        for name in names:
            stamp = stamp_of(f"{folder}/{name}/{RECORD}")  # a Path costs more than the look
            before = self._kept.get(name)
            if before is not None and before.stamp == stamp:
                kept[name] = before
                continue
            if stamp is None:
                if being_made(ledger.folder / name):
                    continue
                stamp = (0, 0, 0)
                if before is not None and before.stamp == stamp:
                    kept[name] = before
                    continue
            kept[name] = _got(ledger, name, stamp)
            self._rows.pop(name, None)
            changed = True
        for name in self._kept.keys() - kept.keys():
            self._rows.pop(name, None)
            changed = True
        self._kept = kept
        self._newer.clear()
        return changed

    def _points_at(self, name: str) -> float:
        stamp = stamp_of(self.ledger.path(name) / FILE)
        return stamp[1] / 1e9 if stamp else 0.0

    def _paged(self) -> q.Runs:
        self._against = defaults(list(self._standing.values()))
        rows, newest = [], list(self._standing)[-_LEVELLED:]
        for name, run in self._standing.items():
            row = self._rows.get(name)
            if row is None or run.status in GOES_ON or row.status != run.status:
                row = self._rows[name] = row_of(run, self._points_at(name))
            if row.against != (against := self._against.get(name, "")):
                row = self._rows[name] = msgspec.structs.replace(row, against=against)
            if run.status in GOES_ON or (run.status == "stopped" and name in newest):
                row = self._levelled(row, run)
            rows.append(row)
        notes = tuple(kept.problem for kept in self._kept.values() if kept.problem)
        return q.Runs(rows=tuple(reversed(rows)), stamp=f"{self._token}-{self._version}", notes=notes)

    def _levelled(self, row: q.RunRow, run: Run) -> q.RunRow:
        """ROW of RUN with what it and the run that it is compared with have at the same step."""
        other = self._standing.get(row.against)
        if other is None:
            return row
        folder = self.ledger.path
        return msgspec.structs.replace(row, level=self._levels.of(run, folder(run.id), other, folder(other.id)))


def _got(ledger: Ledger, name: str, stamp: Stamp) -> _Kept:
    try:
        return _Kept(stamp, _called(name, ledger.get(name)))
    except LedgerError as error:
        return _Kept(stamp, None, str(error))


def _called(name: str, run: Run) -> Run:
    """RUN under the name of its folder, also where that was copied or renamed."""
    return run if run.id == name else msgspec.structs.replace(run, id=name)


def stamp_of(path: Path | str) -> Stamp | None:
    """What tells a file from the one that replaces it; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a thousand of them
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


# --- rows --------------------------------------------------------------------------------------------------


def row_of(run: Run, points_at: float) -> q.RunRow:
    """RUN as a list shows it, what it is compared with left open."""
    goes_on = run.status == "running"
    return q.RunRow(
        id=run.id,
        name=run.name,
        status=run.status,
        command=shlex.join(run.argv)[:_TEXT],
        origin=run.origin,
        created=run.created,
        started=run.started,
        ended=run.ended,
        exit_code=run.exit_code,
        why=run.why[:_TEXT],
        group=run.group or "",
        seed=run.seed,
        session=run.session or "",
        turn=run.turn,
        gpus=tuple(card.uuid if card.index is None else str(card.index) for card in run.gpus),
        tags=run.tags,
        note=run.note[:_TEXT],
        metrics=_metrics(run),
        points_at=points_at,
        alerts=tuple(
            q.RunAlert(kind=one.kind, at=one.at, text=one.text[:_TEXT], step=one.step) for one in run.alerts[-_ALERTS:]
        ),
        progress=run.progress,
        eta_s=run.eta_s if goes_on else None,
        ready=run.standing == "ready",
    )


def _metrics(run: Run) -> dict[str, q.RunMetric]:
    """The most telling first."""
    return {
        key: q.RunMetric(
            last=one.last, best=one.best, step=one.step, count=one.count, goal=run.goal or known(key) or ""
        )
        for key in sorted(run.metrics, key=telling)[:_KEYS]
        for one in (run.metrics[key],)
    }
