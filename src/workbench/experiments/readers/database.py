"""SQLite databases, read as they grow: short reads through a connection of a moment, so that no writer waits."""

import contextlib
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from workbench.experiments.readers import opening
from workbench.experiments.readers.base import BEGINNING, Batch, Start

ROWS = 50_000  # of one table in one poll
SLACK = 1.0  # seconds by which what a run logged may be dated before it began
_MOST_S = 3.0  # of work that one look may take: a view can be made to never end
_LONGEST = 16 << 20  # bytes of a value; what has longer ones is none of these tools'
_MOST = 64 << 20  # bytes of values of one look: many rows may share one long value
_PATIENCE = 0.05  # seconds to wait for a writer's lock; then the next poll tries again
_FOR_NOW = ("locked", "busy", "no such", "schema has changed")  # errors while a writer writes, or makes its tables
_MAGIC = b"SQLite format 3\0"


def has_tables(path: Path, *names: str) -> bool:
    """Whether PATH is a database with tables called NAMES. Never raises; False also while a writer locks it."""
    with contextlib.suppress(OSError, sqlite3.Error):
        with opening.file(path) as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return False
        with connected(path) as database:
            there = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return there.issuperset(names)
    return False


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. Raises sqlite3.Error."""
    address = f"file:{quote(str(path))}?mode=ro"
    try:
        database = sqlite3.connect(address, uri=True, timeout=_PATIENCE)
        database.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        if "unable to open" not in str(error):
            raise
        # A WAL database in a folder that we may not write to: what has been checkpointed is there.
        database = sqlite3.connect(f"{address}&immutable=1", uri=True, timeout=_PATIENCE)
    try:
        until = time.thread_time() + _MOST_S
        database.set_progress_handler(lambda: time.thread_time() > until, 1_000)
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        database.execute("PRAGMA trusted_schema = OFF")
        database.text_factory = lambda data: data.decode(errors="replace")
        yield database
    finally:
        database.close()


class DatabaseReader:
    """Polls a database when it changed; what is read, and how, `_read` says.

    A database that holds several runs of a tool: the first one names its keys plainly, others are named before theirs.
    """

    kind = "sqlite"

    def __init__(self, path: Path, start: Start = BEGINNING) -> None:
        self.path = path
        self.since = start.time
        self._last: dict[str, int] = {}  # table -> the last row that was read
        self._state: tuple[Any, ...] = ()
        self._identity: tuple[int, int] | None = None
        self._said: set[str] = set()
        self._prefixes: dict[str, str] = {}  # run -> what stands before its keys

    def poll(self, last: bool = False) -> Batch:
        """What is new since the last time; see `readers.base.Reader`."""
        batch = Batch()
        state = self._now()
        if state is None or state == self._state:
            return batch
        if self._identity not in (None, state[0]):
            self._anew(batch)
        self._identity = state[0]
        before = dict(self._last)
        try:
            with connected(self.path) as database:
                self._read(database, batch)
        except sqlite3.Error as error:
            self._last = before
            if not any(word in str(error) for word in _FOR_NOW):
                self._state = state  # it is tried again when it has changed
                self._say(batch, f"cannot be read: {error}")
            return Batch(notes=batch.notes, restart=batch.restart)
        batch.more = before != self._last
        if not batch.more:
            self._state = state  # read to the end: nothing to do before it changes
        return batch

    def close(self) -> None:
        """Nothing is held between polls."""

    def prefix(self, run: str, name: str = "") -> str:
        """What stands before the keys of RUN, which is called NAME, else as it is."""
        return self._prefixes.setdefault(run, f"{name or run}/" if self._prefixes else "")

    def counts(self, time: float) -> bool:
        """Whether what is dated TIME (Unix) is not of a run before ours."""
        return time >= self.since - SLACK

    def new_rows(self, database: sqlite3.Connection, table: str, query: str, *values: Any) -> list[Any]:
        """Rows of QUERY, whose first column and first parameter are the row's number in TABLE."""
        rows, left = [], _MOST
        for row in database.execute(f"{query} LIMIT {ROWS}", (self._last.get(table, 0), *values)):
            rows.append(row)
            left -= sum(len(value) for value in row if isinstance(value, str | bytes))
            if left < 0:
                break
        if rows:
            self._last[table] = rows[-1][0]
        return rows

    def _read(self, database: sqlite3.Connection, batch: Batch) -> None:
        raise NotImplementedError

    def _anew(self, batch: Batch) -> None:
        self._last, self._prefixes, batch.restart = {}, {}, True

    def _now(self) -> tuple[Any, ...] | None:
        """What tells that something was written: identity, sizes and times of the database and its log."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        state: list[Any] = [(status.st_dev, status.st_ino), status.st_mtime_ns, status.st_size]
        with contextlib.suppress(OSError):
            log = self.path.with_name(f"{self.path.name}-wal").stat()
            state += [log.st_mtime_ns, log.st_size]
        return tuple(state)

    def _say(self, batch: Batch, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            batch.notes.append(f"{self.path.name}: {text}")
