"""What a run has printed, by line: from the end, from anywhere, by words. A log of millions of lines is read once.

Of a file its lines are counted by blocks; a page then reads what it shows. As on a terminal, a line is what stands
behind its last carriage return.
"""

import os
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from workbench.experiments.ledger import OUTPUT
from workbench.experiments.readers import opening
from workbench.protocol import queries as q
from workbench.session.run_table import RunTable

_BLOCK = 1 << 18  # bytes
_END = 64  # bytes before what is new that must still be there, else the file was rewritten in place
_LINES = 5_000  # of a page at most
_BYTES = 1 << 21  # of a page at most, about
LONG = 1 << 16  # bytes of a line at most: its end where a carriage return is in that, else its beginning
_PART = 1 << 20  # bytes that are looked through at once
_WORDS = 1_000  # characters of what is looked for
_LOGS = 32  # whose blocks are kept


class _Log:
    """The lines of one file, as far as they were counted. A file that shrank or was rewritten is counted anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        self._inode = 0
        self._size = 0  # bytes that were counted
        self._end = b""  # the last of these
        self._before = array("Q", [0])  # line ends before each block, and before the end
        self._open_end = False  # the last line has no end yet

    def page(self, query: q.RunLogPage) -> q.RunLog:
        """The page that QUERY asks for. Raises OSError."""
        with self.lock, opening.file(self.path, own=True) as file:
            self._count(file)
            total = self._before[-1] + self._open_end
            line = query.line
            if query.find and (line := self._find(file, query, total)) < 0:
                return q.RunLog(total=total)
            wanted = max(0, min(query.n, _LINES))
            first = max(0, total - wanted) if line < 0 else min(line, total)
            return self._lines(file, first, min(total, first + wanted), total, from_end=line < 0)

    def _count(self, file: BinaryIO) -> None:
        """Counts what is new."""
        found = os.fstat(file.fileno())
        end = self._read(file, self._size - len(self._end), len(self._end))
        if found.st_ino != self._inode or found.st_size < self._size or end != self._end:
            self._inode, self._size, self._end = found.st_ino, 0, b""
            self._before, self._open_end = array("Q", [0]), False
        if found.st_size == self._size:
            return
        at = self._size - self._size % _BLOCK
        if self._size % _BLOCK:
            self._before.pop()  # of a block that was not whole
        file.seek(at)
        last = b""
        while data := file.read(_BLOCK):
            self._before.append(self._before[-1] + data.count(b"\n"))
            at, last = at + len(data), data
        self._size, self._open_end = at, bool(last) and not last.endswith(b"\n")
        self._end = self._read(file, max(0, at - _END), min(at, _END))

    # --- places --------------------------------------------------------------------------------------------

    def _start_of(self, file: BinaryIO, line: int) -> int:
        """Where LINE begins; the end where there is none."""
        if line <= 0:
            return 0
        if line > self._before[-1]:
            return self._size
        block = bisect_left(self._before, line) - 1
        data, at = self._read(file, block * _BLOCK, _BLOCK), -1
        for _ in range(line - self._before[block]):
            at = data.index(b"\n", at + 1)
        return block * _BLOCK + at + 1

    def _line_at(self, file: BinaryIO, offset: int) -> int:
        """The line that byte OFFSET is of."""
        block = offset // _BLOCK
        return self._before[block] + self._read(file, block * _BLOCK, offset - block * _BLOCK).count(b"\n")

    @staticmethod
    def _read(file: BinaryIO, offset: int, size: int) -> bytes:
        file.seek(offset)
        return file.read(size)

    # --- lines ---------------------------------------------------------------------------------------------

    def _lines(self, file: BinaryIO, first: int, last: int, total: int, from_end: bool) -> q.RunLog:
        """Lines FIRST to LAST, fewer where they are too long together; FROM_END: the last of them."""
        starts = self._starts(file, first, last)
        spans = list(pairwise(starts))
        sizes = [min(end - start, LONG) for start, end in spans]
        while sum(sizes) > _BYTES and len(sizes) > 1:
            keep = max(1, len(sizes) // 2)
            spans, sizes = (spans[-keep:], sizes[-keep:]) if from_end else (spans[:keep], sizes[:keep])
        if from_end:
            first = last - len(spans)
        return q.RunLog(lines=tuple(self._line(file, *span) for span in spans), first=first, total=total)

    def _starts(self, file: BinaryIO, first: int, last: int) -> list[int]:
        """Where each line from FIRST to LAST begins, and where the last ends."""
        if first >= last:
            return []
        starts = [self._start_of(file, first)]
        at, end = starts[0], self._size
        while len(starts) <= last - first and at < end:
            data = self._read(file, at, min(_BLOCK, end - at))
            if not data:
                break
            here = -1
            while len(starts) <= last - first and (here := data.find(b"\n", here + 1)) >= 0:
                starts.append(at + here + 1)
            at += len(data)
        if len(starts) <= last - first:
            starts.append(end)
        return starts

    def _line(self, file: BinaryIO, start: int, end: int) -> str:
        if end - start <= LONG:
            return shown(self._read(file, start, end - start))
        tail = self._read(file, end - LONG, LONG)
        body = tail.removesuffix(b"\n").rstrip(b"\r")
        return shown(tail) if b"\r" in body else shown(self._read(file, start, LONG)) + "…"

    # --- words ---------------------------------------------------------------------------------------------

    def _find(self, file: BinaryIO, query: q.RunLogPage, total: int) -> int:
        """The line that QUERY looks for; -1 where there is none."""
        needle = _needle(query.find[:_WORDS])
        if query.backwards:
            end = self._start_of(file, query.line) if 0 <= query.line < total else self._size
            hits = self._backwards(file, needle, end)
        else:
            hits = self._forwards(file, needle, self._start_of(file, query.line))
        wanted = query.find[:_WORDS].lower()
        return next((line for line, text in hits if wanted in text.lower()), -1)

    def _forwards(self, file: BinaryIO, needle: bytes, at: int) -> Iterator[tuple[int, str]]:
        """Lines from byte AT on that may have NEEDLE in them."""
        while at < self._size and (data := self._read(file, at, min(_PART, self._size - at))):
            if (
                at + len(data) < self._size
            ):  # whole lines; of one that is longer a part, and what may lie across its end
                data = data[: data.rfind(b"\n") + 1] or data
            hay, here = data.lower(), 0
            while (hit := hay.find(needle, here)) >= 0:
                yield self._line_around(file, at + hit)
                here = data.find(b"\n", hit) + 1 or len(data)
            at += len(data) if data.endswith(b"\n") else max(1, len(data) - len(needle) + 1)

    def _backwards(self, file: BinaryIO, needle: bytes, end: int) -> Iterator[tuple[int, str]]:
        """Lines that end by byte END and may have NEEDLE in them, the last first."""
        while end > 0:
            start = max(0, end - _PART)
            data = self._read(file, start, end - start)
            if start and (cut := data.find(b"\n") + 1) < len(data):
                start, data = start + cut, data[cut:]
            hay, stop = data.lower(), len(data)
            while (hit := hay.rfind(needle, 0, stop)) >= 0:
                yield self._line_around(file, start + hit)
                stop = data.rfind(b"\n", 0, hit) + 1
            whole = start == 0 or self._read(file, start - 1, 1) == b"\n"
            end = start if whole else start + len(needle) - 1

    def _line_around(self, file: BinaryIO, offset: int) -> tuple[int, str]:
        line = self._line_at(file, offset)
        return line, self._line(file, self._start_of(file, line), self._start_of(file, line + 1))


def _needle(words: str) -> bytes:
    """What is looked for among bytes in lower case: of words with letters beyond ASCII, whose length may change with
    their case, the longest part without, or all as written."""
    plain = max("".join(letter if letter.isascii() else "\n" for letter in words).split("\n"), key=len)
    return (plain.lower() or words).encode("utf-8", "replace")


def shown(data: bytes) -> str:
    """A line as a terminal has it in the end: without its end, from behind the last carriage return."""
    parts = data.rstrip(b"\r\n").split(b"\r")
    return next((part for part in reversed(parts) if part), b"").decode("utf-8", "replace")


class RunLogs:
    """The output of the runs of TABLE. May be called from any thread."""

    def __init__(self, table: RunTable) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._logs: OrderedDict[str, _Log] = OrderedDict()

    def page(self, query: q.RunLogPage) -> q.RunLog:
        """The page that QUERY asks for; an empty one where the run, or its output, is gone."""
        if self._table.run(query.run) is None:
            return q.RunLog()
        path = self._table.ledger.path(query.run) / OUTPUT
        with self._lock:
            log = self._logs.get(query.run)
            if log is None or log.path != path:
                log = self._logs[query.run] = _Log(path)
            self._logs.move_to_end(query.run)
            while len(self._logs) > _LOGS:
                self._logs.popitem(last=False)
        try:
            return log.page(query)
        except (OSError, ValueError):  # it is gone, or was emptied while it was read
            return q.RunLog()
