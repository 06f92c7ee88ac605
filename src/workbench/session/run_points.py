"""Columns of a run's kept points, one key at a time; of what grew at its end, only the end need be read."""

import os
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from workbench.experiments.points import FILE

_CHUNK = 1 << 20


class Place(NamedTuple):
    """Where the columns of one key lie in the file: byte offsets, and how many points there are."""

    points: int
    steps: int
    times: int
    values: int


class PointsFile:
    """The points of a run as they lie in its folder, opened and looked through. Raises OSError, ValueError.

    The file is that of `experiments.points.save`: MessagePack, [version, order, {key: [steps, times, values]}]. Only
    the heads of its parts are read here, so that one key of many costs what that key costs.
    """

    def __init__(self, folder: Path) -> None:
        self._file: BinaryIO = (folder / FILE).open("rb")
        try:
            found = os.fstat(self._file.fileno())
            self.stamp = found.st_ino, found.st_mtime_ns, found.st_size
            heads = _Heads(self._file, found.st_size)
            if heads.array() != 3 or heads.byte() != 1:
                raise ValueError("of another version")
            self._swapped = heads.text() != sys.byteorder
            self.places = dict(_place(heads) for _ in range(heads.map()))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "PointsFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def column(self, offset: int, start: int, count: int) -> "array[float]":
        """COUNT numbers from number START on of the column at OFFSET. Raises OSError, ValueError where some lack."""
        found = array("d", bytes(8 * count))
        view = memoryview(found).cast("B")
        self._file.seek(offset + 8 * start)
        if self._file.readinto(view) != len(view):  # type: ignore[attr-defined]
            raise ValueError("the file ends too early")
        view.release()
        if self._swapped:
            found.byteswap()
        return found

    def check(self, offset: int, count: int) -> int:
        """A sum over the first COUNT numbers of the column at OFFSET, as they lie there."""
        return check_of(self._parts(offset, 8 * count))

    def _parts(self, offset: int, size: int) -> Iterator[bytes]:
        self._file.seek(offset)
        while size > 0 and (part := self._file.read(min(size, _CHUNK))):
            size -= len(part)
            yield part


def check_of(parts: Iterator[bytes], before: int = 0) -> int:
    """CRC-32 of PARTS, gone on from BEFORE."""
    for part in parts:
        before = zlib.crc32(part, before)
    return before


def _place(heads: "_Heads") -> tuple[str, Place]:
    key = heads.text()
    if heads.array() != 3:
        raise ValueError("a series has three columns")
    (steps, one), (times, two), (values, three) = heads.skip(), heads.skip(), heads.skip()
    if not one == two == three or one % 8:
        raise ValueError("columns of different lengths")
    return key, Place(one // 8, steps, times, values)


class _Heads:
    """Reads the heads of MessagePack's parts; https://github.com/msgpack/msgpack/blob/master/spec.md"""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size

    def byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        found = self._file.read(count)
        if len(found) != count:
            raise ValueError("the file ends too early")
        return found

    def _number(self, width: int) -> int:
        found: int = struct.unpack(f">{' BH I'[width]}", self._bytes(width))[0]
        return found

    def _length(self, small: range, wide: dict[int, int], what: str) -> int:
        """The length that the next byte tells: by itself where it is in SMALL, else by the bytes that follow."""
        first = self.byte()
        if first in small:
            return first - small.start
        if first not in wide:
            raise ValueError(f"no {what} where one should be")
        return self._number(wide[first])

    def array(self) -> int:
        return self._length(range(0x90, 0xA0), {0xDC: 2, 0xDD: 4}, "array")

    def map(self) -> int:
        return self._length(range(0x80, 0x90), {0xDE: 2, 0xDF: 4}, "map")

    def text(self) -> str:
        return self._bytes(self._length(range(0xA0, 0xC0), {0xD9: 1, 0xDA: 2, 0xDB: 4}, "text")).decode()

    def skip(self) -> tuple[int, int]:
        """Goes over some bytes: (where they lie, how many they are)."""
        length = self._length(range(0), {0xC4: 1, 0xC5: 2, 0xC6: 4}, "column")
        at = self._file.tell()
        if at + length > self._size:
            raise ValueError("the file ends too early")
        self._file.seek(at + length)
        return at, length
