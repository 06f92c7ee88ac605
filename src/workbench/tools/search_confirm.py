"""What a search printed, held against the files themselves.

ripgrep opens files by their paths, so whoever swaps a folder for a link while it searches makes it read elsewhere. What
is shown is therefore looked for again in the file beneath the folder that is held open, where no link is followed.
"""

import errno
import os
from collections.abc import Iterable, Iterator

from workbench.tools import beneath

_COMPARED = 3_500  # bytes of a line: ripgrep cuts longer ones, and says so at their end
_CHUNK = 1 << 20
_DECODED = 10_000_000  # bytes of a file in UTF-16, which is read whole
_BOM = b"\xef\xbb\xbf"
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY


def is_there(held: int, path: str) -> bool:
    """Whether PATH is a file beneath the folder HELD, and no part of it a link. What cannot be opened cannot be shown
    either."""
    try:
        os.close(beneath.open_at(held, path, getattr(os, "O_PATH", _READ)))
    except OSError as error:
        return error.errno == errno.EACCES
    return True


def has_lines(held: int, path: str, wanted: dict[int, bytes]) -> bool:
    """Whether the file at PATH beneath HELD has these lines (from 1)."""
    try:
        fd = beneath.open_at(held, path, _READ)
    except OSError:
        return False
    try:
        return _found(fd, wanted)
    except OSError:
        return False
    finally:
        os.close(fd)


def _found(fd: int, wanted: dict[int, bytes]) -> bool:
    missing = set(wanted)
    for number, line in _lines(fd):
        if number in missing:
            if _start(line) != _start(wanted[number]):
                return False
            missing.discard(number)
            if not missing:
                return True
    return False


def _start(line: bytes) -> bytes:
    return line.removeprefix(_BOM)[:_COMPARED]


def _lines(fd: int) -> Iterator[tuple[int, bytes]]:
    if os.pread(fd, 2, 0) in (b"\xff\xfe", b"\xfe\xff"):
        text = os.pread(fd, _DECODED, 0).decode("utf-16", "replace").encode()
        return enumerate(text.split(b"\n"), 1)
    return enumerate(_split(_chunks(fd)), 1)


def _chunks(fd: int) -> Iterator[bytes]:
    while chunk := os.read(fd, _CHUNK):
        yield chunk


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines, of which only the beginning is kept."""
    rest = b""
    for chunk in chunks:
        first, *more = chunk.split(b"\n")
        rest = (rest + first)[: _COMPARED + len(_BOM)]
        if more:
            yield rest
            yield from more[:-1]
            rest = more[-1]
    yield rest
