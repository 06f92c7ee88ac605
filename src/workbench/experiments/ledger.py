"""The ledger: one folder a run below `WORKSPACE/.mlwb/runs/`, its record in `run.json`.

A run's record is replaced as a whole, under a lock of that run: a reader sees the old one or the new one. Numbers of
runs are never used twice, not even after a removal, so that a reference stays one.
"""

import contextlib
import errno
import os
import re
import secrets
import shlex
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from workbench.experiments.alone import alone
from workbench.experiments.types import Run

RUNS = Path(".mlwb") / "runs"
RECORD, OUTPUT = "run.json", "output.log"
ID = re.compile(r"r-[1-9]\d{0,8}")
_GONE = ".gone-"  # folders that are on their way out
_decoder = msgspec.json.Decoder(Run)


class LedgerError(Exception):
    """No such run, or a record that cannot be read or written; the message says which and why."""


class Ledger:
    """The runs of one workspace. Nothing is created before the first run is."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.folder = workspace / RUNS

    def path(self, run: str) -> Path:
        """The folder of RUN. Raises LedgerError for what is no run's name: a name never becomes a path by itself."""
        if not ID.fullmatch(run):
            raise LedgerError(f"{run!r} is no run; runs are called r-1, r-2, …")
        return self.folder / run

    def begin(self, make: Callable[[str], Run]) -> Run:
        """A new run: its number taken, its folder made, the record that MAKE gives for its id written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with alone(self.folder / ".lock"):
                number = self._next()
                while True:
                    with contextlib.suppress(FileExistsError):
                        (self.folder / f"r-{number}").mkdir(mode=0o755)
                        break
                    number += 1
                _replace(self.folder / ".last", f"{number}\n".encode())
            run = make(f"r-{number}")
            self._write(run)
        except OSError as error:
            why = self._others(error) or error.strerror or error
            raise LedgerError(f"no run can be recorded in {self.folder}: {why}") from None
        return run

    def _others(self, error: OSError) -> str:
        """Whose the ledger is, and what to do, where ERROR is that another user's folders or files are not writable."""
        if error.errno not in (errno.EACCES, errno.EPERM):
            return ""
        near = next(str(one) for one in (self.folder, *self.folder.parents) if os.path.exists(one))  # noqa: PTH110
        shut = [one for one in (near, f"{self.folder}/.lock") if os.path.lexists(one) and not os.access(one, os.W_OK)]
        if not shut or (uid := os.lstat(shut[0]).st_uid) == os.geteuid():  # a sandbox, or one's own to change
            return ""
        whose = f"{'it' if shut[0] == str(self.folder) else shut[0]} belongs to {_name(uid)}"
        told = f"{whose}, and you may not write there. Work in a clone or a folder of your own"
        if near != str(self.folder):
            return told
        names = " ".join("." if one == near else ".lock" for one in shut)
        go = f"cd {shlex.quote(near)}"
        return (
            f"{told}, or have them open it to a GROUP of you both: {go} && chgrp GROUP {names} && chmod g+rwX {names}"
        )

    def _next(self) -> int:
        numbers = [int(entry.name[2:]) for entry in self.folder.iterdir() if ID.fullmatch(entry.name)]
        with contextlib.suppress(OSError, ValueError):
            numbers.append(int((self.folder / ".last").read_text()))
        return max(numbers, default=0) + 1

    def get(self, run: str) -> Run:
        """The record of RUN. Raises LedgerError."""
        path = self.path(run) / RECORD
        try:
            return _decoder.decode(_content(path))
        except FileNotFoundError:
            if path.parent.is_dir():  # its record was removed, or who began it was killed at once
                raise LedgerError(f"{run} has no record: {path} is gone; remove {path.parent} to forget it") from None
            raise LedgerError(f"there is no run {run} in {self.folder}; `mlwb exp list` shows them") from None
        except OSError as error:
            raise LedgerError(f"{path} cannot be read: {error.strerror or error}") from None
        except (UnicodeDecodeError, msgspec.DecodeError) as error:
            raise LedgerError(f"{path} is not the record of a run: {error}") from None

    def ids(self) -> list[str]:
        """The ids of all runs, the oldest first."""
        try:
            names = [name for name in os.listdir(self.folder) if ID.fullmatch(name)]  # noqa: PTH208 - names only
        except OSError:
            return []
        return sorted(names, key=lambda name: int(name[2:]))

    def runs(self) -> tuple[list[Run], list[str]]:
        """All runs, the oldest first, and words about records that cannot be read."""
        found, problems = [], []
        for run in self.ids():
            with contextlib.suppress(LedgerError):
                found.append(self.get(run))
                continue
            if being_made(self.path(run)):
                continue
            try:
                found.append(self.get(run))  # its record came between the two looks
            except LedgerError as error:
                problems.append(str(error))
        return found, problems

    def update(self, run: str, change: Callable[[Run], Run]) -> Run:
        """Replaces the record of RUN by what CHANGE makes of it, no other change lost. Raises LedgerError."""
        folder = self.path(run)
        try:
            with alone(folder / ".lock"):
                changed = change(self.get(run))
                self._write(changed)
        except OSError as error:
            if not folder.is_dir():  # also one that was removed meanwhile
                raise LedgerError(f"there is no run {run} in {self.folder}; `mlwb exp list` shows them") from None
            raise LedgerError(f"the record of {run} cannot be written: {error.strerror or error}") from None
        return changed

    def remove(self, run: str) -> None:
        """Removes RUN with all that is kept of it. Raises LedgerError, also for one that still runs."""
        if self.get(run).status in ("queued", "running"):
            raise LedgerError(f"{run} still runs; `mlwb exp stop {run}` first")
        folder = self.path(run)
        # First out of sight, so that no half of it is ever listed.
        gone = self.folder / f"{_GONE}{secrets.token_hex(6)}"
        try:
            folder.rename(gone)
            with contextlib.suppress(FileNotFoundError):  # another removal clears it away as well
                shutil.rmtree(gone)
        except OSError as error:
            raise LedgerError(f"{run} cannot be removed: {error.strerror or error}") from None
        for left in self.folder.glob(f"{_GONE}*"):  # of removals that were killed
            shutil.rmtree(left, ignore_errors=True)

    def _write(self, run: Run) -> None:
        _replace(self.path(run.id) / RECORD, msgspec.json.format(_encoded(run), indent=1) + b"\n")


def ledger_for(folder: Path) -> Ledger:
    """The ledger that a command in FOLDER writes to: the nearest one above within its repository, else FOLDER's own."""
    above = [folder, *folder.parents]
    top = next((at for at, one in enumerate(above) if (one / ".git").exists()), 0)
    return Ledger(next((one for one in above[: top + 1] if (one / RUNS).is_dir()), folder))


def _name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a user that this machine does not know
        return f"the user number {uid}"


def _encoded(run: Run) -> bytes:
    """RUN as JSON. Raises LedgerError for what could not be read again, such as an infinity where a number has to be:
    better the record as it was than none.
    """
    try:
        try:
            data = msgspec.json.encode(run)
        except UnicodeEncodeError:  # a file's name, most of all
            data = msgspec.json.encode(_readable(msgspec.to_builtins(run)))
        _decoder.decode(data)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise LedgerError(f"the record of {run.id} could not be read again ({error}); it stays as it was") from None
    return data


def _readable(value: Any) -> Any:
    """VALUE with `?` in place of what in its texts is no character."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_readable(name): _readable(inner) for name, inner in value.items()}
    return [_readable(inner) for inner in value] if isinstance(value, list | tuple) else value


def being_made(folder: Path) -> bool:
    """Whether FOLDER is of a run whose record is not written yet, or that was removed: nothing of a run lies in it."""
    with contextlib.suppress(OSError):
        return all(name == "alive" or name.startswith(".") for name in os.listdir(folder))  # noqa: PTH208 - names only
    return True


def _content(path: Path) -> bytes:
    """What is in PATH, which in a clone may be anything: a pipe is not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no file of bytes", str(path))
        return file.read()


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
