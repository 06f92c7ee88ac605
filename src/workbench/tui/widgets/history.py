"""What was asked before, in whatever session: one line of JSON a prompt, kept for this user alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

KEPT = 1_000  # prompts
_SLACK = 100  # lines more than that before the file is rewritten
_ENTRY_BYTES = 65_536
_READ_BYTES = 8_000_000


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A prompt as it was typed, and the pastes behind its chips while they are short enough to keep."""

    text: str
    pastes: dict[str, str] = {}


class History:
    """The prompts of all sessions, oldest first. `read` and `save` touch the disk: call them from a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entries: list[Entry] = []

    def read(self) -> list[Entry]:
        """What earlier sessions left; lines that make no sense are passed over; no file is an empty one."""
        return _tail(self._path)

    def before(self, entries: list[Entry]) -> None:
        """ENTRIES are older than those that were added."""
        self.entries = [*entries, *self.entries][-KEPT:]

    def add(self, entry: Entry) -> bool:
        """Takes ENTRY as the newest, unless it is what the newest says; whether it is to be saved."""
        if self.entries and self.entries[-1].text == entry.text:
            return False
        self.entries.append(entry)
        del self.entries[:-KEPT]
        return True

    def save(self, entry: Entry) -> None:
        """Appends ENTRY to the file, and shortens that now and then. Raises OSError."""
        line = msgspec.json.encode(entry) + b"\n"
        if len(line) > _ENTRY_BYTES:
            line = msgspec.json.encode(Entry(entry.text[: _ENTRY_BYTES // 8])) + b"\n"
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self._path) as file:
            os.write(file, line)
            self._shorten()

    def _shorten(self) -> None:
        with self._path.open("rb") as lines:
            count = sum(1 for _ in lines)
        if count <= KEPT + _SLACK and self._path.stat().st_size <= _READ_BYTES:
            return
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(msgspec.json.encode(entry) + b"\n" for entry in _tail(self._path))
        fresh.replace(self._path)


def _tail(path: Path) -> list[Entry]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _READ_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return []
    entries = []
    for line in lines[-KEPT:]:
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            entries.append(msgspec.json.decode(line, type=Entry))
    return entries


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file at PATH, opened to append and locked; one that was replaced meanwhile is opened again."""
    import fcntl

    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            with suppress(OSError):  # some network file systems lock nothing
                fcntl.flock(file, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.fstat(file).st_ino == path.stat().st_ino:
                    yield file
                    return
        finally:
            os.close(file)


class Recall:
    """A walk through the entries that hold what was typed, from the newest back; past the newest lies the draft."""

    def __init__(self, entries: list[Entry], draft: str) -> None:
        typed = draft.strip().casefold()
        self._found = [entry for entry in _once(entries) if typed in entry.text.casefold() and entry.text != draft]
        self._at = len(self._found)
        self.draft = draft

    def earlier(self) -> Entry | None:
        """The next older entry; None where there is none."""
        if self._at == 0:
            return None
        self._at -= 1
        return self._found[self._at]

    def later(self) -> Entry | None:
        """The next newer entry, at last the draft; None where one is there already."""
        if self._at >= len(self._found):
            return None
        self._at += 1
        return self._found[self._at] if self._at < len(self._found) else Entry(self.draft)


def _once(entries: list[Entry]) -> list[Entry]:
    """ENTRIES with each text at its newest place alone."""
    newest = {entry.text: place for place, entry in enumerate(entries)}
    return [entry for place, entry in enumerate(entries) if newest[entry.text] == place]
