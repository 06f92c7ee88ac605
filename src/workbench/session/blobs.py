"""Content-addressed files: what is too large for a line of the journal. A blob's id is the SHA-256 of its bytes."""

import hashlib
import re
from pathlib import Path

from workbench.session.files import write_whole

_ID = re.compile(r"[0-9a-f]{64}")


class BlobError(LookupError):
    """There is no such blob, or the id is none."""


class Blobs:
    """The blobs of one session, in FOLDER (made on the first `put`). Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes, *, sync: bool = False) -> str:
        """Keeps DATA and returns its id; the same bytes are kept once. With SYNC they are on the disk then.

        The file appears whole or not at all. Raises OSError (a full disk).
        """
        blob = hashlib.sha256(data).hexdigest()
        path = self._path(blob)
        if path.exists() and path.stat().st_size == len(data):
            return blob
        for folder in (self.folder, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, data, sync=sync)
        return blob

    def get(self, blob: str, offset: int = 0, size: int | None = None) -> bytes:
        """The bytes of BLOB from OFFSET, SIZE at most (None: all). Raises BlobError where there is no such blob."""
        try:
            with self._path(blob).open("rb") as file:
                file.seek(max(0, offset))
                return file.read() if size is None else file.read(max(0, size))
        except FileNotFoundError:
            raise BlobError(f"there is no blob {blob}") from None

    def size(self, blob: str) -> int:
        """Bytes of BLOB. Raises BlobError where there is no such blob."""
        try:
            return self._path(blob).stat().st_size
        except FileNotFoundError:
            raise BlobError(f"there is no blob {blob}") from None

    def total(self) -> int:
        """Bytes of all blobs together."""
        return sum(path.stat().st_size for path in self.folder.glob("??/*") if _ID.fullmatch(path.name))

    def _path(self, blob: str) -> Path:
        # An id comes from clients and from journals: only the form that `put` makes becomes a path.
        if not _ID.fullmatch(blob):
            raise BlobError(f"{blob[:80]!r} is no blob id")
        return self.folder / blob[:2] / blob
