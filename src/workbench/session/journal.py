"""The journal: one append-only file of JSON lines, the only truth of a session.

A line is in the file, whole, before `append` returns; it is on the disk after `sync`. `docs/journal.md` tells the
format and what survives which failure.
"""

import contextlib
import errno
import fcntl
import os
import re
import socket
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from workbench.protocol.codec import MalformedError, decode_envelope, encode
from workbench.protocol.events import CallStarted, Envelope, JournalEvent, RequestStarted, SnapshotTaken
from workbench.protocol.version import PROTOCOL, readable
from workbench.session.redact import Redactor

EVENTS = "events.jsonl"
LOCK = "lock"
FULL = "the disk is full; make room and resume the session"
_CHUNK = 1 << 20
_LOCK_TRIES = 6
_WORDLESS = (RequestStarted, CallStarted, SnapshotTaken)  # nothing in them is anybody's text
# macOS has no fdatasync.
_datasync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class JournalError(Exception):
    """A journal that cannot be read or written; the message names the file and the reason."""


class JournalVersionError(JournalError):
    """The journal was written by a newer major version."""


class SessionBusyError(JournalError):
    """Another process has the session open."""


class _Head(msgspec.Struct):
    """As much of a first line as every version must have."""

    class Event(msgspec.Struct):
        protocol: str

    event: Event


@cache
def head_of(kind: str) -> re.Pattern[bytes]:
    """Matches a line, from its first byte on, whose event is of type KIND, as `encode` writes it.

    Not to be searched for: what a model wrote may hold the same words further on.
    """
    return re.compile(rb'\{"seq":\d+,"session":"[^"\\]*","at":[^,"]*,"event":\{"type":"%b"' % kind.encode())


class Reader:
    """A journal as it is on the disk, for whoever only reads: takes no lock, changes nothing, leaves out a torn tail.

    Raises JournalError where there is no journal or nothing whole in it, JournalVersionError for a newer major version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / EVENTS
        self._offsets = array("Q", [0])  # where line n+1 starts; the last entry is the end of the last whole line
        self._fd = -1
        try:
            self._fd = self._open()
            self.refresh()
            self.session = self._check()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise JournalError(f"{self.path}: {error.strerror}") from error
            raise

    def _open(self) -> int:
        return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def seq(self) -> int:
        """The seq of the last whole line."""
        return len(self._offsets) - 1

    @property
    def size(self) -> int:
        """Bytes up to the end of the last whole line."""
        return self._offsets[-1]

    def refresh(self) -> None:
        """Takes in lines that were written since."""
        at = self.size
        while chunk := os.pread(self._fd, _CHUNK, at):
            found = chunk.find(b"\n")
            while found >= 0:
                self._offsets.append(at + found + 1)
                found = chunk.find(b"\n", found + 1)
            at += len(chunk)

    def _check(self) -> str:
        """The session's id, from a first line of a version that can be read."""
        if not self.seq:
            raise JournalError(f"{self.path}: holds no event; the session never began")
        line = self.line(1)
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            version = msgspec.json.decode(line, type=_Head).event.protocol
            if not readable(version):
                raise JournalVersionError(
                    f"{self.path}: written by a newer mlwb (protocol {version}, this one reads {PROTOCOL}); "
                    "update mlwb to open it"
                )
        return self._decode(line, 1).session

    def line(self, seq: int) -> bytes:
        """The bytes of line SEQ (from 1), without the newline."""
        start, end = self._offsets[seq - 1], self._offsets[seq]
        return os.pread(self._fd, end - start, start)[:-1]

    def read(self, after: int = 0, until: int | None = None) -> Iterator[Envelope]:
        """Envelopes with AFTER < seq <= UNTIL (None: to the last whole line as of this call).

        Raises JournalError, naming the line, at a line that is no envelope or out of order.
        """
        last = self.seq if until is None else min(until, self.seq)
        seq = max(0, after)
        while seq < last:
            upto = self._chunk_end(seq, last)
            start = self._offsets[seq]
            lines = os.pread(self._fd, self._offsets[upto] - start, start).split(b"\n")
            for line in lines[:-1]:
                seq += 1
                yield self._decode(line, seq)
            if seq < upto:
                raise JournalError(f"{self.path}: line {seq + 1}: the file became shorter while it was read")

    def _chunk_end(self, seq: int, last: int) -> int:
        """The last line to read in one go from line SEQ + 1 on."""
        upto = bisect_right(self._offsets, self._offsets[seq] + _CHUNK) - 1
        return min(last, max(seq + 1, upto))

    def find(self, kind: str, after: int = 0, until: int | None = None) -> Iterator[int]:
        """The seqs, AFTER < seq <= UNTIL, of the events of type KIND. No line is decoded."""
        wanted, last = head_of(kind).match, self.seq if until is None else min(until, self.seq)
        seq = max(0, after)
        while seq < last:
            upto = self._chunk_end(seq, last)
            start = self._offsets[seq]
            chunk = os.pread(self._fd, self._offsets[upto] - start, start)
            for line in range(seq, upto):
                if wanted(chunk, self._offsets[line] - start):
                    yield line + 1
            seq = upto

    def _decode(self, line: bytes, seq: int) -> Envelope:
        try:
            envelope = decode_envelope(line)
        except MalformedError as error:
            raise JournalError(f"{self.path}: line {seq} is damaged: {error}") from error
        if envelope.seq != seq:
            raise JournalError(f"{self.path}: line {seq} is out of order: it has seq {envelope.seq}")
        return envelope

    def close(self) -> None:
        """Lets go of the file. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Journal(Reader):
    """The one writer of a journal. Holds the session's lock until `close` or the end of the process."""

    def __init__(self, folder: Path, clock: Callable[[], float], lock: int, new: str | None = None) -> None:
        self.cut = 0  # bytes of a torn last line that opening cut off
        self._clock, self._lock, self._new = clock, lock, new
        self._failed = ""  # why nothing more can be written
        self.redactor = Redactor()  # what is written, and told from it, holds no secret that this knows
        super().__init__(folder)

    @classmethod
    def create(cls, folder: Path, session_id: str, clock: Callable[[], float]) -> "Journal":
        """A new, empty journal in FOLDER, which is made (0700). CLOCK gives Unix time in seconds.

        Raises JournalError where FOLDER has one already or cannot be written, SessionBusyError.
        """
        try:
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            lock = take_lock(folder)
            try:
                os.close(os.open(folder / EVENTS, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                _sync_folder(folder)
                _sync_folder(folder.parent)
            except BaseException:
                os.close(lock)
                raise
        except FileExistsError:
            raise JournalError(f"{folder / EVENTS}: there is a session of this name already") from None
        except OSError as error:
            raise JournalError(f"{folder}: a session cannot be kept here: {error.strerror}") from error
        return cls(folder, clock, lock, session_id)

    @classmethod
    def open(cls, folder: Path, clock: Callable[[], float]) -> "Journal":
        """The journal in FOLDER, to go on with; a torn last line is cut off (`cut` tells its bytes).

        Raises SessionBusyError while another process has it, JournalVersionError, JournalError. Lines in the middle
        are checked as they are read.
        """
        if not (folder / EVENTS).is_file():
            raise JournalError(f"{folder / EVENTS}: no such journal")
        try:
            return cls(folder, clock, take_lock(folder))
        except OSError as error:
            raise JournalError(f"{folder}: {error.strerror}") from error

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)

    def _check(self) -> str:
        if self._new is not None:
            return self._new
        if self.seq > 1 and not _whole(self.line(self.seq)):
            # After a power cut a line may have its newline and yet miss a block.
            self._offsets.pop()
        session = super()._check()
        self.cut = os.fstat(self._fd).st_size - self.size
        if self.cut:
            os.ftruncate(self._fd, self.size)
            os.fsync(self._fd)
        return session

    def append(self, event: JournalEvent, *, sync: bool = False) -> Envelope:
        """Writes EVENT as the next line, whole or not at all; with SYNC it is on the disk when this returns.

        The envelope holds the event as it was written: without secrets. Raises JournalError when it cannot be written
        (a full disk): the journal is then as it was before.
        """
        if self._failed:
            raise JournalError(self._failed)
        envelope = Envelope(seq=self.seq + 1, session=self.session, at=self._clock(), event=event)
        line = encode(envelope) + b"\n"
        if not isinstance(event, _WORDLESS) and (near := self.redactor.near(line)):
            envelope = msgspec.structs.replace(envelope, event=near.struct(event))
            line = encode(envelope) + b"\n"
        try:
            written = os.write(self._fd, line)
            while written < len(line):
                written += os.write(self._fd, line[written:])
            if sync:
                _datasync(self._fd)
        except OSError as error:
            raise self._undo(error) from error
        self._offsets.append(self.size + len(line))
        return envelope

    def sync(self) -> None:
        """Returns when all lines are on the disk. Raises JournalError."""
        if self._failed:
            raise JournalError(self._failed)
        try:
            _datasync(self._fd)
        except OSError as error:
            self._failed = f"{self.path}: the disk does not take the journal: {error.strerror}"
            raise JournalError(self._failed) from error

    def _undo(self, error: OSError) -> JournalError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = FULL if full else "nothing was written"
        message = f"{self.path}: {error.strerror}: {hint}"
        try:
            os.ftruncate(self._fd, self.size)
        except OSError:
            self._failed = message
        if error.errno == errno.EIO:
            self._failed = message
        return JournalError(message)

    def close(self) -> None:
        """Lets go of file and lock. Safe to call twice."""
        super().close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def is_live(folder: Path) -> bool:
    """Whether some process has the session in FOLDER open for writing."""
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def take_lock(folder: Path) -> int:
    """The file descriptor that holds FOLDER's lock, until it is closed or its process ends, however it ends.

    Raises SessionBusyError naming the holder, OSError.
    """
    fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(fd, folder)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
    except OSError as error:
        # The name of the holder is a courtesy: a full disk must not keep a session from being read and ended.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            os.close(fd)
            raise
    except BaseException:
        os.close(fd)
        raise
    return fd


def _take(fd: int, folder: Path) -> None:
    for attempt in range(_LOCK_TRIES):
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A listing looks at the lock for a moment (`is_live`): a real holder is still there a little later.
            if attempt < _LOCK_TRIES - 1:
                time.sleep(0.02)
    pid, _, host = os.pread(fd, 512, 0).decode("utf-8", "replace").strip().partition(" ")
    where = f"process {pid} on {host}" if pid else "another process"
    raise SessionBusyError(f"session {folder.name} is in use by {where}")


def _whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
