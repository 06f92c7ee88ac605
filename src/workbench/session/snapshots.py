"""Snapshots of a session's files, at each prompt and before an answer writes, so that a rewind can bring them back.

`docs/rewind.md` tells what is kept where, and what is not.
"""

import asyncio
import math
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from workbench.protocol import events as e
from workbench.session.blobs import Blobs
from workbench.session.changes import Changes, shown
from workbench.session.files import write_whole
from workbench.session.journal import SessionBusyError, take_lock
from workbench.session.snapshots_git import STAGE, GitStore
from workbench.session.snapshots_git import usage as bytes_below
from workbench.session.snapshots_held import Delta, Held, SnapshotError
from workbench.session.snapshots_plain import PlainStore
from workbench.session.snapshots_write import Writer

P = ParamSpec("P")
T = TypeVar("T")
FOLDER = "snapshots"
FILE_LIMIT = 10_000_000  # bytes: a larger file is left out
MAX_BYTES = 2_000_000_000  # of one session's snapshots
MAX_SIZE = 5_000_000_000  # of all sessions' together
_DAY_S = 86_400.0
MAX_AGE_S = 30 * _DAY_S
STAMP = ".pruned"  # beside the sessions: when they were last looked through
_LOOK_EVERY = 50  # snapshots between two looks at how much they take


class Record(msgspec.Struct, kw_only=True):
    """A snapshot as it lies in the session's folder."""

    number: int
    at: float
    reason: str
    turn: int
    held: Held


class Difference(msgspec.Struct, kw_only=True):
    """What a restore changed, or would undo. `notes` say what it cannot bring back."""

    deltas: tuple[Delta, ...] = ()
    notes: tuple[str, ...] = ()


class Snapshots:
    """The snapshots of one session. Async functions work in a thread, one at a time."""

    def __init__(
        self,
        folder: Path,
        session: str,
        roots: tuple[Path, ...],
        changes: Changes,
        blobs: Blobs,
        clock: Callable[[], float],
        limit: int = FILE_LIMIT,
        total: int = MAX_BYTES,
    ) -> None:
        self._folder, self._session, self._clock, self._total = folder / FOLDER, session, clock, total
        self._roots = tuple(dict.fromkeys(os.fsencode(os.path.realpath(root)) for root in roots))
        self._store: GitStore | PlainStore
        if GitStore.possible():
            self._store = GitStore(self._folder, session, roots, limit, total)
        else:
            self._store = PlainStore(changes, blobs, self._roots)
        self._last: Record | None = None
        self._recalled = False
        self._busy = threading.Lock()

    @property
    def notes(self) -> list[str]:
        """Words for the person about what snapshots do not hold. They may become more with each snapshot."""
        return self._store.notes

    async def take(self, reason: str, turn: int) -> e.SnapshotTaken:
        """A snapshot of the files as they are; the last one again where nothing changed. Raises SnapshotError.

        reason: prompt, answer, rewind. `turn` is the one that begins.
        """
        record = await self._away(self._take, reason, turn)
        return e.SnapshotTaken(snapshot=self._name(record.number), turn=turn, reason=reason)

    async def preview(self, snapshot: str) -> Difference:
        """What changed since SNAPSHOT, told from then to now. Raises SnapshotError where it is not there any more."""
        return await self._away(self._preview, snapshot)

    async def restore(self, snapshot: str) -> Difference:
        """Makes the files what they were at SNAPSHOT, and tells what that changed. Raises SnapshotError.

        Take a snapshot first: a file that no snapshot holds is neither replaced nor removed.
        """
        return await self._away(self._restore, snapshot)

    async def head(self) -> tuple[list[Delta], list[str]]:
        """What differs from the commits that are checked out, and roots that are in no repository."""
        return await self._away(self._head)

    async def _away(self, work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """What WORK gives, done in a thread, alone."""
        try:
            return await asyncio.to_thread(self._alone, lambda: work(*args, **more))
        except OSError as error:
            raise SnapshotError(f"{error.filename or self._folder}: {error.strerror or error}") from None

    def _alone(self, work: Callable[[], T]) -> T:
        with self._busy:
            return work()

    def content(self, oid: str) -> bytes:
        """A file's content by the id that a delta has of it. Blocks. Raises SnapshotError."""
        return next(iter(self._store.read([oid])))

    # --- all of it in threads ---

    def _take(self, reason: str, turn: int) -> Record:
        self._recall()
        held, last = self._store.now(), self._last
        if last is not None and _same(last.held, held):
            return last
        record = Record(number=last.number + 1 if last else 1, at=self._clock(), reason=reason, turn=turn, held=held)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._store.keep(record.number, held)
        write_whole(self._path(record.number), msgspec.msgpack.encode(record))
        self._last = record
        if record.number % _LOOK_EVERY == 0 and bytes_below(self._folder) > self._total:
            self._drop_half()
        return record

    def _recall(self) -> None:
        if self._recalled:
            return
        self._recalled = True
        if numbers := _numbers(self._folder):
            self._last = self._read(numbers[-1])
            self._store.recall(self._last.held)

    def _drop_half(self) -> None:
        numbers = _numbers(self._folder)[:-1]
        _forget(self._folder, numbers[: len(numbers) // 2 + 1])
        self._store.drop(numbers[: len(numbers) // 2 + 1])

    def _preview(self, snapshot: str) -> Difference:
        then, now = self._read(self._number(snapshot)), self._now()
        deltas, notes = self._restorable(self._store.compare(then.held, now), then.held, now)
        return Difference(deltas=tuple(deltas), notes=tuple(notes))

    def _restorable(self, deltas: list[Delta], then: Held, now: Held) -> tuple[list[Delta], list[str]]:
        """The DELTAS that a restore may carry out, and words about files that one of the two does not hold."""
        unheld = {one.path for one in (*then.left_out, *now.left_out)}
        return [one for one in deltas if one.path not in unheld], self._lost(then, now)

    def _head(self) -> tuple[list[Delta], list[str]]:
        if isinstance(self._store, PlainStore):
            return [], []
        now = self._now()
        heads, without = self._store.heads(now)
        now.trees = tuple(tree for tree in now.trees if any(one.root == tree.root for one in heads.trees))
        return self._store.compare(heads, now), without

    def _now(self) -> Held:
        self._recall()
        return self._store.now()

    def _restore(self, snapshot: str) -> Difference:
        then, now = self._read(self._number(snapshot)), self._now()
        deltas, notes = self._restorable(self._store.compare(now, then.held), then.held, now)
        done: list[Delta] = []
        for root in sorted(self._roots, key=len, reverse=True):
            inside: list[Delta] = []
            outside: list[Delta] = []
            for one in deltas:
                (inside if one.path.startswith(root.rstrip(b"/") + b"/") else outside).append(one)
            done += self._put_back(root, inside, then.held, notes) if inside else []
            deltas = outside
        return Difference(deltas=tuple(sorted(done)), notes=tuple(notes))

    def _put_back(self, root: bytes, deltas: list[Delta], held: Held, notes: list[str]) -> list[Delta]:
        """Carries DELTAS out below ROOT; returns those that were. NOTES get the others."""
        new = [one for one in deltas if one.new]
        contents = self._store.read([one.new.oid for one in new if one.new])
        try:
            with Writer(root, f"{STAGE}{self._session}", held) as writer:
                for delta, content in zip(new, contents, strict=True):
                    writer.stage(delta, content)
                # The rules of then decide what is ignored: a file that they leave out was there, and nobody kept it.
                writer.place_early(b".gitignore")
                gone = [one.path for one in deltas if one.new is None]
                spared = self._store.ignored() & set(gone) if gone else set()
                writer.remove([path for path in gone if path not in spared])
                writer.place()
        except OSError as error:
            raise SnapshotError(f"{os.fsdecode(root)}: nothing was put back: {error.strerror or error}") from None
        notes += [f"{self.shown(path)} could not be put back: {why}" for path, why in writer.failed]
        if spared:
            notes.append(f"{len(spared)} file(s) stay because the ignore rules of then leave them out")
        bad = spared | {path for path, _ in writer.failed}
        return [one for one in deltas if one.path not in bad]

    # --- words and names ---

    def _lost(self, then: Held, now: Held) -> list[str]:
        """What is not kept and yet changed between the two."""
        before, here = ({one.path: one for one in held.left_out} for held in (then, now))
        notes = []
        for path in sorted(before.keys() | here.keys()):
            if before.get(path) == here.get(path):
                continue
            size = f"{(here.get(path) or before[path]).size / 1e6:,.1f} MB"
            if path in here:
                word = "changed" if path in before else "came or grew"
                notes.append(f"{self.shown(path)} ({size}) {word} since and stays as it is: not kept in snapshots")
            elif os.path.lexists(path):
                notes.append(f"{self.shown(path)} was {size} then, not kept in snapshots, and stays as it is")
            else:
                notes.append(f"{self.shown(path)} ({size}) is gone and cannot come back: not kept in snapshots")
        return notes

    def shown(self, path: bytes) -> str:
        """PATH for people: relative where it lies in the workspace."""
        return shown(path, self._roots[0])

    def _name(self, number: int) -> str:
        return f"refs/mlwb/{self._session}/{number}"

    def _number(self, snapshot: str) -> int:
        number = snapshot.rpartition("/")[2]
        if not snapshot.startswith("refs/mlwb/") or not number.isdecimal():
            raise SnapshotError(f"{snapshot[:80]!r} names no snapshot")
        return int(number)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.msgpack"

    def _read(self, number: int) -> Record:
        try:
            return msgspec.msgpack.decode(self._path(number).read_bytes(), type=Record)
        except FileNotFoundError:
            raise SnapshotError("that snapshot is not kept any more") from None
        except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
            raise SnapshotError(f"{self._path(number)} cannot be read: {error}") from None


def _same(one: Held, two: Held) -> bool:
    return (one.trees, one.files, one.left_out, one.modes) == (two.trees, two.files, two.left_out, two.modes)


def _numbers(folder: Path) -> list[int]:
    """The numbers of the snapshots in FOLDER, the oldest first."""
    return sorted(int(path.stem) for path in folder.glob("*.msgpack") if path.stem.isdecimal())


def _forget(folder: Path, numbers: list[int]) -> None:
    for number in numbers:
        (folder / f"{number}.msgpack").unlink(missing_ok=True)


# --- age and size, of sessions that nobody has open -----------------------------------------------------------


def usage(session: Path) -> int:
    """Bytes that the snapshots of the session in folder SESSION take."""
    return bytes_below(session / FOLDER)


def prune(session: Path, before: float, most: int = MAX_BYTES) -> int:
    """Gives up the snapshots of SESSION's folder taken before BEFORE (Unix time), all where more than MOST bytes stay.

    Returns the bytes that became free; 0 for a session that is open, and nobody can open it meanwhile. Blocks.
    """
    folder = session / FOLDER
    if not folder.is_dir():
        return 0
    try:
        lock = take_lock(session)
    except (OSError, SessionBusyError):
        return 0
    try:
        return _prune(folder, before, most)
    finally:
        os.close(lock)


def _prune(folder: Path, before: float, most: int) -> int:
    bytes_before, numbers = bytes_below(folder), _numbers(folder)
    old = [number for number in numbers if (folder / f"{number}.msgpack").stat().st_mtime < before]
    if len(old) < len(numbers):
        if old:
            _forget(folder, old)
            GitStore(folder, folder.parent.name, (), 0, 0).drop(old)
        if bytes_below(folder) <= most:
            return bytes_before - bytes_below(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return bytes_before - bytes_below(folder)


def prune_all(sessions: Path, now: float, max_age_s: float = MAX_AGE_S, max_size: int = MAX_SIZE) -> int:
    """Gives up what is older than MAX_AGE_S in all sessions of the folder SESSIONS, then whole sessions' snapshots.

    Those go, the longest unused first, while more than MAX_SIZE bytes are kept. Returns bytes freed. Blocks.
    """
    # A name with a dot is a session that is being made or removed.
    found = [one.parent for one in sessions.glob(f"*/{FOLDER}") if not one.parent.name.startswith(".")]
    freed = sum(_pruned(session, now - max_age_s) for session in found)
    left = sorted((_used(session), session) for session in found)
    total = sum(usage(session) for _, session in left)
    for _, session in left:
        if total <= max_size:
            break
        gone = _pruned(session, math.inf)
        total, freed = total - gone, freed + gone
    return freed


def prune_daily(sessions: Path, now: float, max_age_s: float, max_size: int) -> int:
    """`prune_all`, unless it was done in the last day. Blocks."""
    stamp = sessions / STAMP
    try:
        if stamp.exists() and abs(now - stamp.stat().st_mtime) < _DAY_S:
            return 0
        stamp.touch(mode=0o600)
        os.utime(stamp, (now, now))
    except OSError:
        return 0
    return prune_all(sessions, now, max_age_s, max_size)


def _pruned(session: Path, before: float) -> int:
    """What `prune` gives; 0 where the snapshots cannot be given up now. The next day comes."""
    try:
        return prune(session, before)
    except (OSError, SnapshotError):
        return 0


def _used(session: Path) -> float:
    """When the last snapshot of SESSION was taken."""
    numbers = _numbers(session / FOLDER)
    try:
        return (session / FOLDER / f"{numbers[-1]}.msgpack").stat().st_mtime if numbers else 0.0
    except OSError:
        return 0.0
