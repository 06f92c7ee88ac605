"""What files held when the session began: from its blobs or from git's objects. The newest asked for stay in memory."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from workbench.session.blobs import BlobError, Blobs
from workbench.session.diffs import TEXT_LIMIT
from workbench.session.scan import Sign, git

KEPT_BYTES = 8 << 20


class Entry(msgspec.Struct, array_like=True):
    """A file as it was. `digest` is the SHA-256 of its bytes, which a blob may hold; `oid` is git's object of them."""

    sign: Sign
    digest: str = ""
    repository: bytes = b""
    oid: str = ""


class Originals:
    """The contents behind entries, for whichever thread asks."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()  # by object and the size it is checked out with
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, entries: Sequence[Entry | None]) -> list[bytes | None]:
        """What each of ENTRIES held; None where that is not known, too large for lines, or there is no entry."""
        contents = [self._blob(entry.digest) if entry and entry.digest else None for entry in entries]
        asked: dict[bytes, list[tuple[int, Entry]]] = {}
        for place, entry in enumerate(entries):
            if contents[place] is None and entry and entry.oid and entry.sign.size <= TEXT_LIMIT:
                contents[place] = self._recall(entry)
                if contents[place] is None:
                    asked.setdefault(entry.repository, []).append((place, entry))
        for repository, wanted in asked.items():
            objects = _objects(repository, [entry.oid for _, entry in wanted])
            for place, entry in wanted:
                contents[place] = _as_checked_out(objects.get(entry.oid), entry.sign.size)
                self._keep(entry, contents[place])
        return contents

    def _recall(self, entry: Entry) -> bytes | None:
        with self._lock:
            content = self._kept.get((entry.oid, entry.sign.size))
            if content is not None:
                self._kept.move_to_end((entry.oid, entry.sign.size))
            return content

    def _keep(self, entry: Entry, content: bytes | None) -> None:
        if content is None:
            return
        with self._lock:
            if (entry.oid, entry.sign.size) not in self._kept:
                self._kept[entry.oid, entry.sign.size] = content
                self._bytes += len(content)
            while self._bytes > KEPT_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])

    def _blob(self, digest: str) -> bytes | None:
        try:
            return self._blobs.get(digest)
        except BlobError:
            return None


def _objects(repository: bytes, oids: list[str]) -> dict[str, bytes]:
    """Contents of git objects."""
    output = git(repository, "cat-file", "--batch", stdin="\n".join([*oids, ""]).encode()) or b""
    found: dict[str, bytes] = {}
    at = 0
    while (end := output.find(b"\n", at)) >= 0:
        oid, *rest = output[at:end].decode("ascii", "replace").split()
        at = end + 1
        if len(rest) == 2:
            found[oid] = output[at : at + int(rest[1])]
            at += int(rest[1]) + 1
    return found


def _as_checked_out(content: bytes | None, size: int) -> bytes | None:
    """CONTENT as the file of SIZE bytes held it; None where a filter made something else of it."""
    if content is None or len(content) == size:
        return content
    content = content.replace(b"\n", b"\r\n")
    return content if len(content) == size else None
