"""TensorBoard event files: scalars, hyperparameters and configurations written as text.

The framing is TFRecord's (length u64, its checksum u32, data, checksum u32), the records are `Event` messages of
tensorflow/core/util/event.proto. Checksums are not tested: a record is accepted when its length and its fields fit.
"""

import contextlib
import math
import struct
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from workbench.experiments.readers import opening
from workbench.experiments.readers.base import BEGINNING, Batch, Start
from workbench.experiments.readers.follow import CHUNK, Follower
from workbench.experiments.readers.jsonl import decoded

_HEAD = struct.Struct("<QIBdB")  # length, its checksum, tag of wall_time, wall_time, tag of what follows
_FLOAT = struct.Struct("<f")
_LARGEST = 256 << 20  # bytes of a record; a longer one is no record
_WALL, _STEP, _SUMMARY, _VALUE, _NAME, _SIMPLE = 0x09, 0x10, 0x2A, 0x0A, 0x0A, 0x15
_TENSORS = {1: "f", 2: "d", 3: "i", 9: "q"}  # DataType -> type code of array, of those that scalars come in
_TEXT = 7  # DT_STRING
# What reading a message raises where it is not of the kind that is expected.
MISFITS = (IndexError, ValueError, TypeError, AttributeError, OverflowError, struct.error)
_Adders = tuple[Callable[[float], None], Callable[[float], None], Callable[[float], None]]


class EventFiles:
    """The format; see `readers.base.Kind`."""

    name = "tensorboard"
    globs = ("*tfevents*",)

    def recognises(self, path: Path) -> bool:
        """Whether the first record looks like one."""
        with contextlib.suppress(OSError), opening.file(path) as file:
            head = file.read(13)
            return len(head) < 13 or (head[12] == _WALL and int.from_bytes(head[:8], "little") < _LARGEST)
        return False

    def home(self, path: Path) -> Path:
        """The folder: a writer that was restarted makes another file in it."""
        return path.parent

    def open(self, path: Path, start: Start = BEGINNING) -> "EventReader":
        """A reader of PATH; no run goes on with the file of another."""
        return EventReader(path)


class EventReader:
    """Reads one event file. A restarted writer makes another file, so this one only grows."""

    kind = "tensorboard"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = Follower(path)
        self._rest = b""
        self._broken = False
        self._said: set[str] = set()

    def poll(self, last: bool = False) -> Batch:
        """What is new since the last time; see `readers.base.Reader`."""
        batch = Batch()
        try:
            news = self._file.read()
        except OSError as error:
            self._say(batch, f"cannot be read: {error.strerror}")
            return batch
        if news.restart:
            self._rest, self._broken, batch.restart = b"", False, True
        if self._broken or not news.data:
            return batch
        batch.more = len(news.data) >= CHUNK
        data = self._rest + news.data
        used = self._walk(data, batch)
        self._rest = data[used:]
        return batch

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _walk(self, data: bytes, batch: Batch) -> int:
        """Takes the whole records of DATA; returns how many bytes they are."""
        at, size, adders = 0, len(data), dict[bytes, _Adders]()
        head, simple = _HEAD.unpack_from, _FLOAT.unpack_from
        while size - at >= _HEAD.size:
            length, _, wall, time, tag = head(data, at)
            begin, end = at + 12, at + 12 + length
            if length > _LARGEST or wall != _WALL:
                self._broken = True
                self._say(batch, "what follows its last event is none; reading ends there")
                return size
            if end + 4 > size:
                break
            at = end + 4
            try:
                # The way almost all records go: a step, then a summary of one simple value; else the long way.
                place, step = begin + 10, 0
                if tag == _STEP:
                    step, place = _varint(data, place) if data[place] & 0x80 else (data[place], place + 1)
                    tag = data[place]
                    place += 1
                if tag == _SUMMARY and end - place < 128 and data[place + 1] == _VALUE and data[place + 3] == _NAME:
                    name_at = place + 5
                    value_at = name_at + data[place + 4]
                    if value_at + 5 == end and data[value_at] == _SIMPLE:
                        name = data[name_at:value_at]
                        found = adders.get(name)
                        if found is None:
                            found = adders[name] = _adders(name, batch)
                        found[0](step)
                        found[1](time)
                        found[2](simple(data, value_at + 1)[0])
                        continue
                _long_way(data[begin:end], batch)
            except MISFITS:
                self._say(batch, "a record cannot be read; passed over")
        return at

    def _say(self, batch: Batch, text: str) -> None:
        """A note for the person, each once."""
        if text not in self._said:
            self._said.add(text)
            batch.notes.append(f"{self.path.name}: {text}")


def _adders(name: bytes, batch: Batch) -> _Adders:
    column = batch.column(name.decode(errors="replace"))
    return column.steps.append, column.times.append, column.values.append


# --- the long way: any event, field by field ---


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at AT, as a signed 64-bit one, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value - (1 << 64) if value >> 63 else value), at
        shift += 7
        if shift > 63:
            raise ValueError("no number")


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: number and value (int, or bytes for all but varints).

    Raises ValueError or IndexError where DATA is none.
    """
    at, size = 0, len(data)
    while at < size:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("no message")
        if not 0 <= length <= size - at:
            raise ValueError("a field that is longer than its message")
        yield key >> 3, data[at : at + length]
        at += length


def _long_way(event: bytes, batch: Batch) -> None:
    time, step, summaries = math.nan, 0, []
    for number, value in fields(event):
        if number == 1:
            (time,) = struct.unpack("<d", value)
        elif number == 2:
            step = value
        elif number == 5:
            summaries.append(value)
    for summary in summaries:
        for number, value in fields(summary):
            if number == 1:
                _value(value, step, time, batch)


def _value(message: bytes, step: int, time: float, batch: Batch) -> None:
    name, number, metadata, tensor = "", None, b"", b""
    for field, value in fields(message):
        if field == 1:
            name = value.decode(errors="replace")
        elif field == 2:
            (number,) = _FLOAT.unpack(value)
        elif field == 8:
            tensor = value
        elif field == 9:
            metadata = value
    plugin, content = _plugin(metadata)
    if plugin == "hparams":
        batch.config.update(_hparams(content))
    elif plugin == "text":
        _text(name, tensor, batch)
    elif number is None and tensor and plugin in ("", "scalars"):
        number = _scalar(tensor)
    if number is not None:
        batch.column(name).add(number, step, time)


def _plugin(metadata: bytes) -> tuple[str, bytes]:
    """The plugin that a value is for, and its data."""
    for field, data in fields(metadata):
        if field == 1:
            found = dict(fields(data))
            return _bytes(found, 1).decode(errors="replace"), _bytes(found, 2)
    return "", b""


def _scalar(tensor: bytes) -> float | None:
    """The one number of a TensorProto, None where it holds another kind, none, or several."""
    kind, content, numbers = 0, b"", list[float]()
    for field, value in fields(tensor):
        if field == 1:
            kind = value
        elif field == 4:
            content = value
        elif field == 5:
            numbers += array("f", value)
        elif field == 6:
            numbers += array("d", value)
        elif field in (7, 10):
            numbers += [value] if isinstance(value, int) else [_varint(value, 0)[0]]
    if content and kind in _TENSORS:
        numbers = list(array(_TENSORS[kind], content))
    return float(numbers[0]) if len(numbers) == 1 else None


def _hparams(content: bytes) -> dict[str, Any]:
    """Hyperparameters of a HParamsPluginData message (tensorboard/plugins/hparams/plugin_data.proto)."""
    found: dict[str, Any] = {}
    for field, start in fields(content):
        if field == 3:
            for inner, entry in fields(start):
                if inner == 1:
                    pair = dict(fields(entry))
                    found[_bytes(pair, 1).decode(errors="replace")] = _plain(_bytes(pair, 2))
    return found


def _bytes(message: dict[int, Any], field: int) -> bytes:
    """FIELD of MESSAGE, empty where it lacks. Raises ValueError for a number, which is none."""
    found = message.get(field, b"")
    if not isinstance(found, bytes):
        raise ValueError("a number in place of bytes")
    return found


def _plain(value: bytes) -> Any:
    """A google.protobuf.Value that is a number, a text or a truth value."""
    for field, data in fields(value):
        if field == 2:
            return struct.unpack("<d", data)[0]
        if field == 3:
            return data.decode(errors="replace")
        if field == 4:
            return bool(data)
    return None


def _text(name: str, tensor: bytes, batch: Batch) -> None:
    """A configuration written as text in JSON, as trainers do (`args/text_summary`); other texts are no config."""
    texts = [value for field, value in fields(tensor) if field == 8]
    found = decoded(b"".join(texts)) if texts[:1] and texts[0].lstrip()[:1] == b"{" else None
    if isinstance(found, dict):
        batch.config[name.removesuffix("/text_summary")] = found
