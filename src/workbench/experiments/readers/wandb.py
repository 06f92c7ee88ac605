"""W&B offline: `run-ID.wandb`, a log of protobuf records in LevelDB's framing.

After a header of 7 bytes come blocks of 32 KiB, filled with pieces: checksum u32, length u16, type u8 (whole, first,
middle, last), data; the last bytes of a block that hold no piece are zeros (leveldb/doc/log_format.md). A record is a
`Record` of wandb/proto/wandb_internal.proto: history 2, config 5, run 17, exit 18. Checksums are not tested: a record
is taken when its fields fit.
"""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.experiments.readers import opening
from workbench.experiments.readers.base import BEGINNING, Batch, Start
from workbench.experiments.readers.follow import CHUNK, Follower
from workbench.experiments.readers.jsonl import decoded
from workbench.experiments.readers.rows import flat, take
from workbench.experiments.readers.tensorboard import MISFITS, fields

_HEADER = b":W&B\xe1\xbe\x00"
_BLOCK = 32 << 10
_PIECE = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_LARGEST = 64 << 20  # bytes of a record
_HISTORY, _CONFIG, _RUN, _EXIT = 2, 5, 17, 18


class WandbFiles:
    """The format; see `readers.base.Kind`."""

    name = "wandb"
    globs = ("run-*.wandb", "*.wandb")

    def recognises(self, path: Path) -> bool:
        """Whether it begins as such a file does, as far as it is written."""
        with contextlib.suppress(OSError), opening.file(path) as file:
            return _HEADER.startswith(file.read(len(_HEADER))[:4])
        return False

    def home(self, path: Path) -> Path:
        """Each file for itself."""
        return path

    def open(self, path: Path, start: Start = BEGINNING) -> "WandbReader":
        """A reader of PATH."""
        return WandbReader(path)


class WandbReader:
    """Reads one file of W&B as it grows."""

    kind = "wandb"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = Follower(path)
        self._begin()
        self._said = False

    def _begin(self) -> None:
        self._rest, self._at, self._record = b"", 0, bytearray()  # `_at`: where `_rest` lies in the file

    def poll(self, last: bool = False) -> Batch:
        """What is new since the last time; see `readers.base.Reader`."""
        batch = Batch()
        try:
            news = self._file.read()
        except OSError as error:
            batch.notes.append(f"{self.path.name} cannot be read: {error.strerror}")
            return batch
        if news.restart:
            self._begin()
            batch.restart = True
        if news.data:
            batch.more = len(news.data) >= CHUNK
            for record in self._records(self._rest + news.data):
                try:
                    _take(record, batch)
                except MISFITS:
                    self._say(batch)
        return batch

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _records(self, data: bytes) -> Iterator[bytes]:
        """The whole records that DATA, from `_at` on, ends or holds; what is torn is kept."""
        place, base, size = 0, self._at, len(data)
        if base == 0:
            if size < len(_HEADER):
                self._rest = data
                return
            place = len(_HEADER)
        while True:
            left = _BLOCK - (base + place) % _BLOCK
            if left < _PIECE.size:
                place += left
                continue
            if size - place < _PIECE.size:
                break
            _, length, kind = _PIECE.unpack_from(data, place)
            if kind == 0 or kind > _LAST or length > left - _PIECE.size:
                if length == kind == 0 and size - place < left:
                    break  # zeros that a writer may still fill
                place += left  # nothing to be read in the rest of this block
                self._record = bytearray()
                continue
            end = place + _PIECE.size + length
            if end > size:
                break
            piece, place = data[place + _PIECE.size : end], end
            if kind in (_WHOLE, _FIRST):
                self._record = bytearray()
            if len(self._record) <= _LARGEST:  # what is larger is none, and never ends well
                self._record += piece
            if kind in (_WHOLE, _LAST):
                yield bytes(self._record)
                self._record = bytearray()
        place = min(place, size)
        self._rest, self._at = data[place:], base + place

    def _say(self, batch: Batch) -> None:
        if not self._said:
            self._said = True
            batch.notes.append(f"{self.path.name}: a record cannot be read; passed over")


def _take(record: bytes, batch: Batch) -> None:
    for field, data in fields(record):
        if field == _HISTORY:
            row = _items(data)
            for inner, step in fields(data):
                if inner == 2:
                    row.setdefault("_step", next((number for name, number in fields(step) if name == 1), 0))
            row.pop("_runtime", None)
            take(flat(row), batch)
        elif field == _CONFIG:
            batch.config.update(_config(data))
        elif field == _RUN:
            for inner, config in fields(data):
                if inner == 4:
                    batch.config.update(_config(config))
        elif field == _EXIT:
            batch.exit_code = int(next((code for inner, code in fields(data) if inner == 1), 0))


def _config(data: bytes) -> dict[str, Any]:
    return {key: value for key, value in _items(data).items() if not key.startswith("_")}


def _items(data: bytes) -> dict[str, Any]:
    """The items of a HistoryRecord or a ConfigRecord: key, or path of keys, and its value in JSON."""
    found: dict[str, Any] = {}
    for field, item in fields(data):
        if field != 1:
            continue
        path: list[str] = []
        value = b""
        for inner, part in fields(item):
            if inner == 16:
                value = part
            elif inner in (1, 2) and part:
                path.append(part.decode(errors="replace"))
        found["/".join(path)] = decoded(value)
    return found
