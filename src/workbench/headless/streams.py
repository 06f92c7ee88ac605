"""Standard output and standard error, whatever state they are in: full, stalled, a terminal or a pipe."""

import asyncio
import fcntl
import os
import select
import stat

from workbench.protocol.visible import visible

_PIECE = select.PIPE_BUF  # a pipe that takes anything at all takes this much without blocking


class Stdout:
    """Standard output. Writing waits for a slow reader without holding up anything else."""

    fd = 1

    def __init__(self) -> None:
        self.terminal = os.isatty(self.fd)
        self.stalled = False  # it waits for its reader, or was given up while it did

    async def write(self, data: bytes) -> None:
        """Writes all of DATA; raises OSError (BrokenPipeError where the reader has gone)."""
        view = memoryview(data)
        while view:
            self.stalled = not _ready(self.fd)
            if self.stalled:
                await self._writable()
                self.stalled = False
            view = view[os.write(self.fd, view[:_PIECE]) :]

    async def own_line(self) -> None:
        """Ends the line that a writer before left unfinished in the file, so that what comes begins a line of its own.

        Nothing is written to a pipe or a terminal, nor where the file may not be read. Raises OSError as `write` does.
        """
        if _unfinished(self.fd):
            await self.write(b"\n")

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(self.fd, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self.fd)


class Console:
    """Standard error: whole lines, and a status line below them where it is a terminal.

    What cannot be written at once is dropped: words about the work must never hold the work up.
    """

    fd = 2

    def __init__(self) -> None:
        self.live = os.isatty(self.fd) and os.environ.get("TERM", "dumb") != "dumb"
        self._status = ""

    def say(self, text: str) -> None:
        """A line of its own, whatever TEXT holds."""
        self._write(f"{self._erased()}mlwb run: {one_line(text)}\n{self._status}")

    def status(self, text: str) -> None:
        """Replaces the status line; nothing where standard error is no terminal."""
        if not self.live:
            return
        before, self._status = self._erased(), _fitted(one_line(text), self._columns())
        self._write(before + self._status)

    def clear(self) -> None:
        """Takes the status line away."""
        before, self._status = self._erased(), ""
        if before:
            self._write(before)

    def _erased(self) -> str:
        return "\r\x1b[K" if self._status else ""

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self.fd).columns or 80
        except OSError:
            return 80

    def _write(self, text: str) -> None:
        data = memoryview(text.encode("utf-8", "replace"))
        try:
            while data and _ready(self.fd):
                data = data[os.write(self.fd, data[:_PIECE]) :]
        except OSError:
            return  # nobody is left to be told


def one_line(text: str) -> str:
    """TEXT on one line, with nothing in it that a terminal would obey."""
    return visible(" ".join(text.split()))


def _ready(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


def _unfinished(fd: int) -> bool:
    """Whether FD stands in a regular file behind a byte that ends no line; False where that cannot be told."""
    try:
        told = os.fstat(fd)
        if not stat.S_ISREG(told.st_mode):
            return False
        appends = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
        at = told.st_size if appends else os.lseek(fd, 0, os.SEEK_CUR)
        # The shell opened it for writing alone; elsewhere than on Linux there may be no second way in.
        with open(f"/proc/self/fd/{fd}", "rb", buffering=0) as file:  # noqa: PTH123 - no path, an open file
            return at > 0 and os.pread(file.fileno(), 1, at - 1) not in (b"\n", b"")
    except OSError:
        return False


def _fitted(text: str, columns: int) -> str:
    """As much of TEXT as fits one row, wide characters counted as two."""
    import unicodedata

    room, kept = columns - 1, []
    for letter in text:
        room -= 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if room < 0:
            break
        kept.append(letter)
    return "".join(kept)
