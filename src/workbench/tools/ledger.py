"""Which version of a file the model has seen, so that an edit never lands on a text it did not read."""

from pathlib import Path

import msgspec


class Seen(msgspec.Struct, frozen=True):
    """A file as it was when the model last saw or wrote it."""

    mtime_ns: int
    size: int
    digest: bytes


class FileLedger:
    """What was seen, by resolved path."""

    def __init__(self) -> None:
        self._seen: dict[Path, Seen] = {}

    def saw(self, path: Path, seen: Seen) -> None:
        """The model now knows PATH as SEEN."""
        self._seen.pop(path, None)  # the latest goes to the end
        self._seen[path] = seen

    def get(self, path: Path) -> Seen | None:
        """How the model last saw PATH, None where it never did."""
        return self._seen.get(path)

    def forget(self, path: Path) -> None:
        """PATH is gone."""
        self._seen.pop(path, None)

    def paths(self) -> list[Path]:
        """Files that the model has in hand, the latest last."""
        return list(self._seen)
