"""Reads a file as it grows, by offset: rotated, truncated, rewritten and deleted files included."""

import contextlib
import os
from pathlib import Path

import msgspec

from workbench.experiments.readers import opening

CHUNK = 16 << 20  # bytes of one read at most: what a poll may take stays bounded
_TAIL = 64  # bytes before the offset that must still be there, else the file was rewritten in place


class News(msgspec.Struct, frozen=True):
    """New bytes of a file. `restart`: they are from its beginning, what was read before does not count.

    `rotated`: they are from the beginning of a file that goes on where the one before ended.
    """

    data: bytes = b""
    restart: bool = False
    rotated: bool = False


class Follower:
    """Follows the file at PATH. Its descriptor is held, so that a file which is deleted is still read to its end.

    A file that was renamed and begun anew (rotation) goes on; one that was truncated, rewritten or replaced restarts.
    OWN: it is the program's own, see `opening`.
    """

    def __init__(self, path: Path, own: bool = False) -> None:
        self.path, self._own = path, own
        self._fd: int | None = None
        self._offset = 0
        self._tail = b""
        self._anew = False  # it was closed after something had been read

    def read(self, limit: int = CHUNK) -> News:
        """Up to LIMIT new bytes; none where there is nothing new, or no file. Raises OSError for an unreadable one."""
        if self._fd is None and not self._open():
            return News()
        restart = self._rewritten() or self._anew
        if restart:
            self._offset, self._tail, self._anew = 0, b"", False
        data = self._more(limit)
        if not data and (rotated := self._moved()) is not None:
            if data := self._more(limit):  # written between the two looks, before the file was moved away
                return News(data, restart)
            self._let_go()
            if self._open():
                return News(self._more(limit), restart=not rotated, rotated=rotated)
        return News(data, restart)

    def close(self) -> None:
        """Lets go of the file; the next read begins it anew, and says so."""
        self._anew = self._anew or self._offset > 0
        self._let_go()

    def _let_go(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self._offset, self._tail = None, 0, b""

    def _open(self) -> bool:
        try:
            self._fd = opening.opened(self.path, self._own)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _more(self, limit: int) -> bytes:
        assert self._fd is not None
        parts: list[bytes] = []
        while limit > 0 and (part := os.pread(self._fd, limit, self._offset)):
            parts.append(part)
            self._offset += len(part)
            limit -= len(part)
        data = b"".join(parts)
        self._tail = (self._tail + data[-_TAIL:])[-_TAIL:]
        return data

    def _rewritten(self) -> bool:
        """Whether the open file no longer holds what was read of it."""
        assert self._fd is not None
        if not self._offset:
            return False
        start = self._offset - len(self._tail)
        return os.fstat(self._fd).st_size < self._offset or os.pread(self._fd, len(self._tail), start) != self._tail

    def _moved(self) -> bool | None:
        """None where the path still leads to the open file, or to none; else whether that one lives on elsewhere."""
        assert self._fd is not None
        mine = os.fstat(self._fd)
        with contextlib.suppress(OSError):
            now = self.path.stat()
            if (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino):
                return mine.st_nlink > 0
        return None
