"""What changed on disk since the session began, whoever changed it: tools, commands, people.

A baseline is taken when the session starts: which files there are, what tells that one changed, and what each held:
git's object where the file is clean, a blob for a small file that is not. It lies in the session's folder and is
the one of every later resume.
"""
# pathlib takes no bytes:
# ruff: noqa: PTH118

import asyncio
import contextlib
import hashlib
import os
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import msgspec

from workbench.protocol.result import FileChange
from workbench.session.blobs import Blobs
from workbench.session.diffs import TEXT_LIMIT, Version, Versions, count, file_diff, lines_of
from workbench.session.files import write_whole
from workbench.session.originals import Entry, Originals
from workbench.session.scan import MAX_FILES, Scan, Sign, content_of, git_object, sign_at, sign_of
from workbench.tools import beneath

BASELINE = "baseline.msgpack"
NOTED = "before.msgpack"
MAX_CHANGES = 5_000
KEPT_FILES = 5_000  # contents kept at the start
KEPT_BYTES = 32 << 20
READ_BYTES = 128 << 20  # read at the start at most
NOTED_LIMIT = 32 << 20  # a file that a tool writes is kept up to this size
COMPARED_LIMIT = 64 << 20  # a larger file differs when its sign does
_MOMENT_NS = 2_000_000_000  # the coarsest clock of a file system


class Baseline(msgspec.Struct):
    """All files as the session found them."""

    workspace: bytes
    roots: list[bytes]
    files: dict[bytes, Entry] = {}
    complete: bool = True


class Pair(msgspec.Struct, frozen=True):
    """A file before and now; None where there is none."""

    path: bytes
    before: Entry | None
    after: Sign | None


class Changes:
    """The changes of one session. `notes` are words for the person about what cannot be told."""

    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self.notes: list[str] = []
        self._folder, self._blobs = folder, blobs
        self._ready: Future[Baseline] = Future()
        self._ready.set_running_or_notify_cancel()  # who waits for it may be cancelled, it may not
        self._noted: dict[bytes, Entry | None] = {}
        self._noting = threading.Lock()  # a call that was stopped may still note beside the next one
        self._originals = Originals(blobs)
        self._told: dict[str, Pair] = {}  # by path as told
        self._counted: dict[
            bytes, tuple[Pair, FileChange | None]
        ] = {}  # as of the last time; None: no change after all

    @classmethod
    def begin(cls, workspace: Path, roots: tuple[Path, ...], blobs: Blobs, folder: Path) -> "Changes":
        """Takes the baseline of WORKSPACE and ROOTS in a thread and returns at once. It is kept in FOLDER.

        Await `ready` before anything may change a file.
        """
        changes = cls(folder, blobs)
        paths = dict.fromkeys(os.fsencode(os.path.realpath(path)) for path in (workspace, *roots))
        baseline = Baseline(workspace=next(iter(paths)), roots=list(paths))
        threading.Thread(target=changes._take, args=(baseline,), name="baseline", daemon=True).start()
        return changes

    @classmethod
    def load(
        cls, workspace: Path, roots: tuple[Path, ...], blobs: Blobs, folder: Path, *, at_work: bool = True
    ) -> "Changes":
        """The changes of a session that is resumed, since its first start.

        Where its baseline was never written or cannot be read, they count from now, and `notes` says so: not where the
        session was never AT_WORK before.
        """
        try:
            baseline = msgspec.msgpack.decode((folder / BASELINE).read_bytes(), type=Baseline)
        except (OSError, UnicodeDecodeError, msgspec.DecodeError):
            changes = cls.begin(workspace, roots, blobs, folder)
            if at_work:
                changes.notes.append("what changed before this resume cannot be told: the session kept no baseline")
            return changes
        changes = cls(folder, blobs)
        changes._read_noted()
        changes._ready.set_result(baseline)
        return changes

    async def ready(self) -> None:
        """Returns once the baseline is taken."""
        await asyncio.wrap_future(self._ready)

    def note_before(self, path: Path, reached: Path | None = None) -> None:
        """A tool is about to write PATH, which leads to REACHED (default: where it leads now): keeps what that file
        holds, also where git ignores it or it lies outside all roots, and of a link at PATH where it points.

        Only REACHED is read, and through no link. Raises OSError when it cannot be kept: then it would be lost.
        """
        self._ready.result()
        target = os.fsencode(os.path.realpath(path) if reached is None else reached)
        link = _with_real_parent(os.fsencode(path))
        for real in dict.fromkeys((target, link) if stat.S_ISLNK(_mode(link)) else (target,)):
            if real in self._noted:
                continue
            sign, content = _held(real, NOTED_LIMIT)
            if real != target and sign is not None and not stat.S_ISLNK(sign.mode):
                continue  # swapped a moment ago: what took its place is not the tool's to touch
            entry = Entry(sign, "" if content is None else self._blobs.put(content)) if sign else None
            with self._noting:
                _append(self._folder / NOTED, msgspec.msgpack.encode((real, entry)))
                self._noted[real] = entry

    def noted(self) -> dict[bytes, Entry | None]:
        """The files that tools wrote up to now, as they were before the first time; None where there was none."""
        return dict(self._noted)

    async def finish(self) -> list[FileChange]:
        """All changes up to now, by path; a rename is a deletion and a creation. The session may go on meanwhile."""
        return await asyncio.to_thread(self._changes)

    async def diff(self, path: str) -> list[str]:
        """The change of the file that `finish` tells as PATH, as a unified diff; empty where it did not change."""
        file = await self.versions(path)
        return await asyncio.to_thread(file_diff, file) if file else []

    async def versions(self, path: str) -> Versions | None:
        """The file that `finish` tells as PATH, then and now; None where it did not change."""
        return await asyncio.to_thread(self._versions, path)

    # --- the baseline, in a thread ---

    def _take(self, baseline: Baseline) -> None:
        try:
            self._fill(baseline)
            write_whole(self._folder / BASELINE, msgspec.msgpack.encode(baseline), sync=True)
        except OSError as error:
            self._note(f"a resume of this session cannot tell what changed before it: {error}")
        finally:
            self._ready.set_result(baseline)

    def _fill(self, baseline: Baseline) -> None:
        scan = _scan(baseline)
        baseline.complete = scan.complete
        for path, sign in scan.files.items():
            baseline.files[path] = Entry(sign)
        files = kept = read = 0
        for path, entry in baseline.files.items():
            tracked = scan.tracked.get(path)
            if tracked and tracked.clean:
                entry.repository, entry.oid = tracked.repository, tracked.oid
                continue
            content = content_of(path, TEXT_LIMIT) if read < READ_BYTES else None
            if content is None:
                continue
            read += len(content)
            if tracked and git_object(content, tracked.oid) == tracked.oid:
                entry.repository, entry.oid = tracked.repository, tracked.oid
                continue
            entry.digest = hashlib.sha256(content).hexdigest()
            if b"\0" not in content and files < KEPT_FILES and kept + len(content) <= KEPT_BYTES:
                files, kept = files + 1, kept + len(content)
                self._blobs.put(content)

    def _read_noted(self) -> None:
        """What tools wrote before this resume. What a crash tore is cut off: what is noted from now on comes behind."""
        path, at = self._folder / NOTED, 0
        data = path.read_bytes() if path.exists() else b""
        with contextlib.suppress(UnicodeDecodeError, msgspec.DecodeError):
            while len(data) >= at + 4 and len(data) >= (end := at + 4 + int.from_bytes(data[at : at + 4], "big")):
                real, entry = msgspec.msgpack.decode(data[at + 4 : end], type=tuple[bytes, Entry | None])
                self._noted[real], at = entry, end
        if at < len(data):
            os.truncate(path, at)
            self._note("a crash tore what was kept of files that tools wrote last: their changes may not be told")

    # --- what is different, in a thread ---

    def _changes(self) -> list[FileChange]:
        baseline = self._ready.result()
        pairs = sorted(self._pairs(baseline), key=lambda pair: pair.path)
        if len(pairs) > MAX_CHANGES:
            self._note(f"{len(pairs)} files changed; the first {MAX_CHANGES} are listed")
            del pairs[MAX_CHANGES:]
        counted = {
            pair.path: counted for pair in pairs if (counted := self._counted.get(pair.path)) and counted[0] == pair
        }
        fresh = [pair for pair in pairs if pair.path not in counted]
        for pair, content in zip(fresh, self._originals.get([pair.before for pair in fresh]), strict=True):
            counted[pair.path] = (pair, _change(pair, content, shown(pair.path, baseline.workspace)))
        # What was written a moment ago may be written again without another sign: it is counted anew next time.
        settled = time.time_ns() - _MOMENT_NS
        self._counted = {
            path: one for path, one in counted.items() if not one[0].after or one[0].after.ctime_ns < settled
        }
        told = [(pair, change) for pair in pairs if (change := counted[pair.path][1])]
        self._told |= {change.path: pair for pair, change in told}
        return [change for _, change in told]

    def _versions(self, path: str) -> Versions | None:
        baseline = self._ready.result()
        told = self._told.get(path)
        real = told.path if told else os.path.normpath(os.path.join(baseline.workspace, os.fsencode(path)))
        # Only what the session covers: a page must not become a way to read any file of this machine.
        if real not in baseline.files and real not in self._noted and real not in _scan(baseline).files:
            return None
        pair = Pair(real, told.before if told else self._before(real, baseline), _still_there(real))
        if _same(real, pair.before, pair.after):
            return None
        before = Version(pair.before.sign.mode, self._originals.get([pair.before])[0]) if pair.before else None
        after = Version(pair.after.mode, content_of(real, COMPARED_LIMIT)) if pair.after else None
        return Versions(real, shown(real, baseline.workspace), before, after)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _before(self, path: bytes, baseline: Baseline) -> Entry | None:
        known, noted = baseline.files.get(path), self._noted.get(path)
        if known and noted and noted.digest and noted.sign == known.sign:
            return Entry(known.sign, noted.digest, known.repository, known.oid)
        return known or noted

    def _pairs(self, baseline: Baseline) -> Iterator[Pair]:
        scan = _scan(baseline)
        for path in baseline.files | dict(self._noted):
            before, after = self._before(path, baseline), scan.files.get(path) or _still_there(path)
            if path not in baseline.files and path in scan.files and baseline.complete:
                before = None  # a command made it after the start, before a tool wrote it
            if not _same(path, before, after):
                yield Pair(path, before, after)
        if not baseline.complete:
            self._note(f"the folders have more than {MAX_FILES} files: new ones that commands made are not told")
            return
        for path, after in scan.files.items():
            if path not in baseline.files and path not in self._noted:
                yield Pair(path, None, after)


def _scan(baseline: Baseline) -> Scan:
    scan = Scan()
    for root in baseline.roots:
        scan.add(root)
    return scan


def _append(path: Path, record: bytes) -> None:
    """Puts RECORD, with its length, at the end of the file at PATH: whole or, where OSError is raised, not at all."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab", 0) as file:
        size, data = os.fstat(file.fileno()).st_size, len(record).to_bytes(4, "big") + record
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            file.truncate(size)
            raise


def _mode(path: bytes) -> int:
    sign = sign_of(path)
    return sign.mode if sign else 0


def _held(path: bytes, most: int) -> tuple[Sign | None, bytes | None]:
    """Sign and content of the file, or the link, that lies at the resolved PATH: no part before it may be a link."""
    above, _, name = os.fsdecode(path).rpartition("/")
    try:
        with beneath.holding(above or "/") as folder:
            sign = sign_at(name, folder)
            if sign is None:
                return None, None
            if stat.S_ISLNK(sign.mode):
                return sign, os.fsencode(os.readlink(name, dir_fd=folder))
            fd = beneath.open_at(folder, name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(fd, "rb") as file:
                return sign, file.read(most) if os.fstat(fd).st_size <= most else None
    except OSError:
        return None, None


def _with_real_parent(path: bytes) -> bytes:
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def _still_there(path: bytes) -> Sign | None:
    """The sign of the file at PATH itself: not of one that a link put in the place of its folder."""
    return sign_of(path) if _with_real_parent(path) == path else None


def _same(path: bytes, before: Entry | None, after: Sign | None) -> bool:
    if before is None or after is None:
        return before is None and after is None
    if before.sign == after:
        return True
    if (before.sign.size, before.sign.mode) != (after.size, after.mode):
        return False
    content = content_of(path, COMPARED_LIMIT) if before.digest or before.oid else None
    if content is None:
        return False
    if before.digest:
        return hashlib.sha256(content).hexdigest() == before.digest
    return git_object(content, before.oid) == before.oid


def shown(path: bytes, workspace: bytes) -> str:
    """PATH for people and JSON: relative where it lies in WORKSPACE, with `\\xNN` for what is no text."""
    inside = path.startswith(workspace.rstrip(b"/") + b"/")
    name = path[len(workspace.rstrip(b"/")) + 1 :] if inside else path
    return name.decode("utf-8", "backslashreplace")


def _change(pair: Pair, content: bytes | None, name: str) -> FileChange | None:
    after = lines_of(content_of(pair.path, TEXT_LIMIT)) if pair.after else []
    before = lines_of(content) if pair.before else []
    kind = "deleted" if pair.after is None else "modified" if pair.before else "created"
    if before is None or after is None:
        return FileChange(path=name, change=kind)
    if pair.before and pair.after and before == after and pair.before.sign.mode == pair.after.mode:
        return None  # a filter of git's: the text is the same
    added, removed = count(before, after)
    return FileChange(path=name, change=kind, added=added, removed=removed)
