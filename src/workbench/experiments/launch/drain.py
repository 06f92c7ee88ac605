"""The output of a command, from its terminal to a file, as fast as the command writes."""

import fcntl
import os
import struct
import termios
import threading
import time
from pathlib import Path

_CHUNK = 1 << 16
_GATHER_S = 0.001  # after a read: what comes line by line is taken together, and wakes nobody a line


def terminal(size: tuple[int, int]) -> tuple[int, int]:
    """A terminal of SIZE (columns, rows): our end, the command's end. It changes no byte and echoes none.

    Raises OSError.
    """
    ours, theirs = os.openpty()
    for end in (ours, theirs):
        os.set_inheritable(end, False)
    modes = termios.tcgetattr(theirs)
    modes[1] &= ~termios.OPOST
    modes[3] &= ~(termios.ECHO | termios.ECHOE | termios.ECHOK | termios.ECHONL)
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    return ours, theirs


class Drain(threading.Thread):
    """Reads OURS until every process has closed the other end, and appends to the file at PATH.

    OURS is its own from then on. Where the file cannot be written (a full disk), it reads on, so that the command goes
    on: `lost` counts the bytes that are not kept, `why` says what the system said.
    """

    def __init__(self, ours: int, path: Path) -> None:
        super().__init__(name="drain", daemon=True)
        self.lost, self.why = 0, ""
        self._ours = ours
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def run(self) -> None:
        """The thread's work."""
        try:
            while data := self._read():
                self._write(data)
                if len(data) < _CHUNK:
                    time.sleep(_GATHER_S)
        finally:
            os.close(self._file)
            os.close(self._ours)

    def _read(self) -> bytes:
        """What is there, up to a chunk; waits for the first of it. Empty at the end."""
        try:
            data = os.read(self._ours, _CHUNK)
            if not data:
                return b""
            parts, size = [data], len(data)
            os.set_blocking(self._ours, False)
            try:
                while size < _CHUNK and (data := os.read(self._ours, _CHUNK)):
                    parts.append(data)
                    size += len(data)
            except OSError:  # nothing more now, or the end: the next read tells
                pass
            finally:
                os.set_blocking(self._ours, True)
        except OSError:  # EIO: every process has closed it
            return b""
        return b"".join(parts)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self.lost += len(rest)
            self.why = error.strerror or str(error)
