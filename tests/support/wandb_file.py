"""Writes W&B's offline files, piece by piece, as its own writer does."""

import struct
import zlib

from support.event_file import message

HEADER = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
_BLOCK = 32 << 10


def written(records: list[bytes]) -> bytes:
    """A whole file of RECORDS, cut at the blocks' borders."""
    out = bytearray(HEADER)
    for record in records:
        first = True
        while True:
            left = _BLOCK - len(out) % _BLOCK
            if left < 7:
                out += bytes(left)
                left = _BLOCK
            part, record = record[: left - 7], record[left - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[first, not record]
            out += struct.pack("<IHB", zlib.crc32(part, zlib.crc32(bytes([kind]))), len(part), kind) + part
            first = False
            if not record:
                break
    return bytes(out)


def _items(items: dict[str, str]) -> list[tuple[int, int | float | bytes]]:
    return [(1, message([(1, key.encode()), (16, value.encode())])) for key, value in items.items()]


def history(step: int, items: dict[str, str]) -> bytes:
    """A row: key -> value as JSON."""
    return message([(1, step), (2, message([*_items(items), (2, message([(1, step)]))]))])


def config(items: dict[str, str]) -> bytes:
    """A change of the configuration."""
    return message([(5, message(_items(items)))])


def run(items: dict[str, str]) -> bytes:
    """The run, with its configuration."""
    return message([(17, message([(1, b"id"), (4, message(_items(items)))]))])


def ended(code: int) -> bytes:
    """The end of the run."""
    return message([(18, message([(1, code)] if code else []))])
