"""Snapshots where there is no git: only of files that tools wrote, from the copies that a session keeps of them."""

from collections.abc import Iterable, Iterator

from workbench.session.blobs import BlobError, Blobs
from workbench.session.changes import NOTED_LIMIT, Changes
from workbench.session.diffs import count, lines_of
from workbench.session.scan import Sign, content_of, sign_of
from workbench.session.snapshots_held import EXECUTABLE, LINK, PLAIN, Delta, Held, LeftOut, Side, SnapshotError

_WORDS = "there is no git: a rewind brings back only files that the agent's tools wrote, not what commands changed"


class PlainStore:
    """The store of a session on a machine without git."""

    def __init__(self, changes: Changes, blobs: Blobs, roots: tuple[bytes, ...]) -> None:
        self.notes = [_WORDS]
        self._changes, self._blobs, self._roots = changes, blobs, roots
        self._known: dict[bytes, tuple[Sign, Side]] = {}

    def recall(self, held: Held) -> None:
        """Nothing is remembered but what a snapshot holds."""

    def now(self) -> Held:
        """The noted files as they are. Raises SnapshotError."""
        files: dict[bytes, Side | None] = {}
        left: list[LeftOut] = []
        try:
            for path in filter(self._inside, self._changes.noted()):
                sign = sign_of(path)
                files[path] = self._side(path, sign) if sign else None
                if sign and files[path] is None:
                    left.append(LeftOut(path, sign.size, sign.mtime_ns))
        except OSError as error:
            raise SnapshotError(f"a copy could not be kept: {error.strerror or error}") from None
        return Held(files=files, left_out=tuple(left))

    def _inside(self, path: bytes) -> bool:
        return any(path.startswith(root.rstrip(b"/") + b"/") for root in self._roots)

    def _side(self, path: bytes, sign: Sign) -> Side | None:
        """The file at PATH, kept; None where it is too large or cannot be read."""
        known = self._known.get(path)
        if known is None or known[0] != sign:
            content = content_of(path, NOTED_LIMIT)
            if content is None:
                return None
            known = self._known[path] = sign, Side(_mode(sign), self._blobs.put(content))
        return known[1]

    def ignored(self) -> set[bytes]:
        """None: only what tools wrote is held."""
        return set()

    def keep(self, number: int, held: Held) -> None:
        """Blobs stay as long as the session."""

    def drop(self, numbers: Iterable[int]) -> None:
        """Blobs stay as long as the session."""

    def compare(self, old: Held, new: Held) -> list[Delta]:
        """The files that differ, by path."""
        found = []
        for path, entry in sorted(self._changes.noted().items()):
            first = Side(_mode(entry.sign), entry.digest) if entry else None  # before a tool first wrote it
            before, after = (held.files.get(path, first) for held in (old, new))
            if self._inside(path) and before != after:
                found.append(self._delta(path, before, after))
        return found

    def _delta(self, path: bytes, old: Side | None, new: Side | None) -> Delta:
        before, after = (lines_of(self._content(side)) for side in (old, new))
        if before is None or after is None:
            return Delta(path, old, new)
        return Delta(path, old, new, *count(before, after))

    def _content(self, side: Side | None) -> bytes:
        return next(self.read([side.oid])) if side else b""

    def read(self, oids: Iterable[str]) -> Iterator[bytes]:
        """The contents of OIDS, in their order. Raises SnapshotError."""
        for oid in oids:
            try:
                yield self._blobs.get(oid)
            except BlobError:
                raise SnapshotError("the content of a file was too large to be kept, or is gone") from None


def _mode(sign: Sign) -> int:
    if sign.mode & 0o170000 == LINK:
        return LINK
    return EXECUTABLE if sign.mode & 0o100 else PLAIN
