"""PNG to a few pixels, in plain Python (PNG specification, third edition): run as a program, it holds nothing up.

    python -I -S card_png.py WIDTH HEIGHT < picture.png > pixels

It writes a line with the picture's width and height and those of the pixels, then the pixels as RGB bytes. It reads
no interlaced picture; what it cannot read it says on standard error, with exit code 1.
"""

import struct
import sys
import zlib
from collections.abc import Iterator
from itertools import accumulate

MOST = 24_000_000  # bytes of a picture that is unpacked
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_WHITE = 255


class Unreadable(ValueError):  # noqa: N818
    """What is not drawn, and why."""


class Png:
    """A decoded picture; `pixel` gives colours."""

    def __init__(self, data: bytes) -> None:
        chunks = dict(_chunks(data))
        self.width, self.height, self.depth, self.kind, _, _, laced = struct.unpack(">IIBBBBB", chunks[b"IHDR"][:13])
        if laced or self.kind not in _CHANNELS or self.depth not in (1, 2, 4, 8, 16):
            raise Unreadable("an interlaced or unknown kind of PNG")
        self._palette, self._clear = chunks.get(b"PLTE", b""), chunks.get(b"tRNS", b"")
        bits = self.depth * _CHANNELS[self.kind]
        self._row, self._step = (self.width * bits + 7) // 8, max(1, bits // 8)
        size = (self._row + 1) * self.height
        if not size or size > MOST:
            raise Unreadable(f"{self.width} x {self.height} pixels")
        self._rows = self._unfiltered(zlib.decompressobj().decompress(chunks[b"IDAT"], size))

    def _unfiltered(self, raw: bytes) -> list[bytes]:
        if len(raw) < (self._row + 1) * self.height:
            raise Unreadable("a PNG that is cut")
        rows, above = [], bytes(self._row)
        for at in range(self.height):
            start = at * (self._row + 1)
            above = _FILTERS[raw[start]](raw[start + 1 : start + 1 + self._row], above, self._step)
            rows.append(above)
        return rows

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """The colour at X, Y on white."""
        row = self._rows[y]
        if self.depth < 8:
            bit = x * self.depth
            value = row[bit // 8] >> (8 - self.depth - bit % 8) & ((1 << self.depth) - 1)
            value = value if self.kind == 3 else value * 255 // ((1 << self.depth) - 1)
            return self._colour((value,))
        wide = self.depth // 8
        at = x * self._step
        return self._colour(tuple(row[at : at + self._step : wide]))

    def _colour(self, parts: tuple[int, ...]) -> tuple[int, int, int]:
        alpha = 255
        if self.kind == 3:
            index = parts[0]
            alpha = self._clear[index] if index < len(self._clear) else 255
            red, green, blue = self._palette[3 * index : 3 * index + 3].ljust(3, b"\0")
        elif self.kind in (0, 4):
            red = green = blue = parts[0]
            alpha = parts[1] if self.kind == 4 else 255
        else:
            red, green, blue = parts[:3]
            alpha = parts[3] if self.kind == 6 else 255
        left = _WHITE * (255 - alpha)
        return (red * alpha + left) // 255, (green * alpha + left) // 255, (blue * alpha + left) // 255

    def small(self, width: int, height: int) -> tuple[int, int, bytes]:
        """The picture within WIDTH x HEIGHT square pixels: its size there, and RGB bytes."""
        scale = max(self.width / width, self.height / height, 1.0)
        wide, high = max(1, round(self.width / scale)), max(1, round(self.height / scale))
        out = bytearray()
        for y in range(high):
            for x in range(wide):
                out += self._mean(x * self.width / wide, y * self.height / high, scale)
        return wide, high, bytes(out)

    def _mean(self, x: float, y: float, scale: float) -> bytes:
        """The mean of a few pixels of the square at X, Y."""
        places = [scale * (2 * at + 1) / 6 for at in range(3)]
        found = [
            self.pixel(min(self.width - 1, int(x + dx)), min(self.height - 1, int(y + dy)))
            for dx in places for dy in places
        ]  # fmt: skip
        return bytes(sum(one[part] for one in found) // len(found) for part in range(3))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Chunks by their type; the parts of the picture as one."""
    if not data.startswith(_SIGNATURE):
        raise Unreadable("no PNG")
    at, picture = len(_SIGNATURE), []
    while at + 8 <= len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if kind == b"IDAT":
            picture.append(body)
        else:
            yield kind, body
        at += size + 12
    yield b"IDAT", b"".join(picture)


def _sub(line: bytes, above: bytes, step: int) -> bytes:
    out = bytearray(line)
    for part in range(step):
        out[part::step] = bytes(value & 255 for value in accumulate(line[part::step]))
    return bytes(out)


def _up(line: bytes, above: bytes, step: int) -> bytes:
    return bytes((one + two) & 255 for one, two in zip(line, above, strict=True))


def _average(line: bytes, above: bytes, step: int) -> bytes:
    out = bytearray(line)
    for at in range(len(out)):
        left = out[at - step] if at >= step else 0
        out[at] = (out[at] + (left + above[at]) // 2) & 255
    return bytes(out)


def _paeth(line: bytes, above: bytes, step: int) -> bytes:
    out = bytearray(line)
    for part in range(step):
        left = corner = 0
        for at in range(part, len(out), step):
            up = above[at]
            near_left, near_up, near_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
            if near_left <= near_up and near_left <= near_corner:
                guess = left
            else:
                guess = up if near_up <= near_corner else corner
            out[at] = left = (out[at] + guess) & 255
            corner = up
    return bytes(out)


def _none(line: bytes, above: bytes, step: int) -> bytes:
    return line


_FILTERS = [_none, _sub, _up, _average, _paeth]


def main() -> int:
    """Reads a picture, writes its pixels."""
    try:
        png = Png(sys.stdin.buffer.read())
        wide, high, pixels = png.small(int(sys.argv[1]), int(sys.argv[2]))
    except (Unreadable, KeyError, IndexError, struct.error, zlib.error) as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(f"{png.width} {png.height} {wide} {high}\n".encode() + pixels)
    return 0


if __name__ == "__main__":
    sys.exit(main())
