"""What a snapshot holds, and how two of them differ: the words that its stores and its users share."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import msgspec

from workbench.protocol.result import FileChange

LINK = 0o120000
EXECUTABLE = 0o100755
PLAIN = 0o100644


class SnapshotError(Exception):
    """A snapshot that cannot be taken, read or put back; the words are for a person."""


class Side(NamedTuple):
    """A file as a snapshot has it: git's mode of it, and the id of its content."""

    mode: int
    oid: str


class Delta(NamedTuple):
    """A file that differs between two snapshots. Line counts are None for what is no text."""

    path: bytes
    old: Side | None
    new: Side | None
    added: int | None = None
    removed: int | None = None


def change_of(delta: Delta, name: str) -> FileChange:
    """DELTA for people and clients."""
    kind = "created" if delta.old is None else "deleted" if delta.new is None else "modified"
    return FileChange(path=name, change=kind, added=delta.added, removed=delta.removed)


class Tree(msgspec.Struct, frozen=True, array_like=True):
    """The files below ROOT as git's tree OID; paths in it are relative to TOP, which holds ROOT."""

    root: bytes
    top: bytes
    oid: str


class LeftOut(msgspec.Struct, frozen=True, array_like=True):
    """A file that is there and not kept: too large, or not to be read."""

    path: bytes
    size: int
    mtime_ns: int


class Held(msgspec.Struct, kw_only=True):
    """The files of one moment. `files` is filled where there is no git; None: no such file.

    `usual` are the permissions of a plain file, `modes` those of files that differ from it in more than "executable".
    """

    trees: tuple[Tree, ...] = ()
    files: dict[bytes, Side | None] = {}
    left_out: tuple[LeftOut, ...] = ()
    usual: int = 0o644
    modes: dict[bytes, int] = {}


class Store(Protocol):
    """Where snapshots lie. All of it blocks and may raise SnapshotError."""

    notes: list[str]

    def now(self) -> Held:
        """The files as they are, kept."""

    def ignored(self) -> set[bytes]:
        """The held files that the ignore rules, as they are now, would leave out."""

    def keep(self, number: int, held: Held) -> None:
        """Protects what HELD names until `drop`."""

    def drop(self, numbers: Iterable[int]) -> None:
        """Gives up what was kept under NUMBERS."""

    def compare(self, old: Held, new: Held) -> list[Delta]:
        """The files that differ, by path."""

    def read(self, oids: Iterable[str]) -> Iterator[bytes]:
        """The contents of OIDS, in their order."""
