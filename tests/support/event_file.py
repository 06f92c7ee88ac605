"""Writes TensorBoard event files record by record, torn where a test wants them torn."""

import struct

Fields = list[tuple[int, int | float | bytes]]


def varint(value: int) -> bytes:
    """VALUE as protobuf writes it."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def message(fields: Fields) -> bytes:
    """A message of FIELDS: an int as a varint, a float as a double, bytes with their length."""
    out = b""
    for number, value in fields:
        if isinstance(value, bytes):
            out += varint(number << 3 | 2) + varint(len(value)) + value
        elif isinstance(value, float):
            out += varint(number << 3 | 1) + struct.pack("<d", value)
        else:
            out += varint(number << 3) + varint(value)
    return out


def record(data: bytes) -> bytes:
    """A TFRecord around DATA; its checksums are zeros, which no reader here looks at."""
    return struct.pack("<QI", len(data), 0) + data + b"\0\0\0\0"


def simple(tag: str, value: float, step: int, time: float) -> bytes:
    """An event with one scalar, as SummaryWriter writes it."""
    inner = message([(1, tag.encode())]) + b"\x15" + struct.pack("<f", value)
    steps: Fields = [(2, step)] if step else []
    return record(message([(1, time), *steps, (5, message([(1, inner)]))]))


def tensor(tag: str, value: float, step: int, time: float) -> bytes:
    """An event with one scalar as a tensor, as TensorFlow 2 writes it."""
    held = message([(1, 1), (2, b""), (4, struct.pack("<f", value))])
    plugin = message([(1, message([(1, b"scalars")]))])
    inner = message([(1, tag.encode()), (8, held), (9, plugin)])
    return record(message([(1, time), (2, step), (5, message([(1, inner)]))]))


def text(tag: str, words: str, time: float) -> bytes:
    """An event with a text."""
    plugin = message([(1, message([(1, b"text")]))])
    inner = message([(1, tag.encode()), (8, message([(1, 7), (8, words.encode())])), (9, plugin)])
    return record(message([(1, time), (5, message([(1, inner)]))]))
