"""What a diff pane shows, as data: the files that differ, their hunks, and how tall each is when drawn."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from workbench.protocol.hunks import FileDiff, Hunk, HunkError, Row, hunk_digest, parse
from workbench.protocol.result import FileChange

MODES = ("start", "turn", "head")
SINCE = {"start": "since start", "turn": "last turn", "head": "against HEAD"}
NOTHING = {
    "start": "no file differs from what it was at the start",
    "turn": "nothing changed since the last prompt",
    "head": "no file differs from HEAD",
}
LETTERS = {"created": "A", "modified": "M", "deleted": "D", "renamed": "R"}


@dataclass
class Laid:
    """A hunk with what drawing it needs: its name, its height either way, and its lines once asked for."""

    hunk: Hunk
    digest: str
    added: int = 0
    removed: int = 0
    unified: int = 0  # rows
    side: int = 0  # rows
    _rows: list[Row] = field(default_factory=list)
    _pairs: list[tuple[int, int]] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """Its lines with their numbers."""
        if not self._rows:
            self._rows = list(self.hunk.rows())
        return self._rows

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Places of the lines that stand side by side; -1 where a side has none."""
        if not self._pairs:
            self._pairs = list(pair_up(self.rows))
        return self._pairs

    @property
    def first_change(self) -> int:
        """The place of its first line that is not context."""
        return next((at for at, row in enumerate(self.rows) if row.sign != " "), 0)


def lay(path: str, hunk: Hunk) -> Laid:
    """HUNK of PATH, measured in one pass over its lines."""
    laid = Laid(hunk, hunk_digest(path, hunk))
    minus = plus = 0
    for line in hunk.lines:
        sign = line[:1]
        if sign == "-":
            if plus:
                laid.side, minus, plus = laid.side + max(minus, plus), 0, 0
            minus += 1
            laid.removed += 1
        elif sign == "+":
            plus += 1
            laid.added += 1
        elif sign != "\\":
            laid.side, minus, plus = laid.side + max(minus, plus) + 1, 0, 0
            laid.unified += 1
    laid.side += max(minus, plus)
    laid.unified += laid.added + laid.removed
    return laid


def pair_up(rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """Places of old and new lines that stand beside each other: the n-th removed of a stretch by the n-th added."""
    minus: list[int] = []
    plus: list[int] = []
    for at, row in enumerate(rows):
        if row.sign == "+":
            plus.append(at)
            continue
        if plus or row.sign == " ":
            yield from _abreast(minus, plus)
            minus, plus = [], []
        if row.sign == "-":
            minus.append(at)
        else:
            yield at, at
    yield from _abreast(minus, plus)


def _abreast(minus: list[int], plus: list[int]) -> Iterator[tuple[int, int]]:
    for at in range(max(len(minus), len(plus))):
        yield minus[at] if at < len(minus) else -1, plus[at] if at < len(plus) else -1


@dataclass
class DiffFile:
    """A file that differs. `asked`: its lines are under way; `stale`: they may not be the newest."""

    change: FileChange
    hunks: list[Laid] = field(default_factory=list)
    head: tuple[str, ...] = ()
    loaded: bool = False
    stale: bool = True
    asked: bool = False
    error: str = ""
    renamed: str = ""  # the path it had
    missing: int = 0  # lines of the diff that were not asked for
    folded: bool = False

    @property
    def path(self) -> str:
        """As the session tells it: relative to the workspace where it lies inside."""
        return self.change.path

    @property
    def added(self) -> int | None:
        """Lines added; None where lines cannot be told."""
        return self.change.added if self.change.added is not None else self._sum("added")

    @property
    def removed(self) -> int | None:
        """Lines removed; None where lines cannot be told."""
        return self.change.removed if self.change.removed is not None else self._sum("removed")

    @property
    def letter(self) -> str:
        """What happened to it, as git abbreviates it."""
        return "R" if self.renamed else LETTERS.get(self.change.change, "M")

    @property
    def crlf(self) -> bool:
        """Whether all lines shown end in CR LF, so that it can be said once."""
        return bool(self.hunks) and all(
            line.endswith("\r") for laid in self.hunks for line in laid.hunk.lines if not line.startswith("\\")
        )

    def take(self, lines: Iterable[str], missing: int = 0) -> None:
        """Makes LINES of its unified diff what it shows; MISSING more were left behind."""
        try:
            found = parse(lines)
        except HunkError as error:
            self.hunks, self.head, self.error = [], (), str(error)
        else:
            self._take(found)
        self.loaded, self.stale, self.missing = True, False, missing

    def _take(self, found: FileDiff) -> None:
        self.hunks, self.head, self.error = [lay(self.path, hunk) for hunk in found.hunks], found.head, ""
        self.renamed = next((line[12:] for line in found.head if line.startswith("rename from ")), "")

    def _sum(self, what: str) -> int | None:
        return sum(getattr(laid, what) for laid in self.hunks) if self.hunks else None


@dataclass
class Changeset:
    """All files that differ since one moment, in the order of their paths."""

    since: str
    files: list[DiffFile] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    known: bool = False  # whether the session has told it, not only single calls

    def file(self, path: str) -> DiffFile | None:
        """The file PATH, None where it does not differ."""
        return next((file for file in self.files if file.path == path), None)

    @property
    def added(self) -> int:
        """Lines added in all files."""
        return sum(file.added or 0 for file in self.files)

    @property
    def removed(self) -> int:
        """Lines removed in all files."""
        return sum(file.removed or 0 for file in self.files)

    def update(self, changes: Iterable[FileChange], notes: tuple[str, ...], touched: set[str] | None) -> None:
        """Takes the session's list. Files whose name is TOUCHED (None: any) or whose counts differ become stale."""
        before = {file.path: file for file in self.files}
        files = []
        for change in sorted(changes, key=lambda change: change.path):
            file = before.get(change.path) or DiffFile(change)
            if file.change != change or touched is None or name_of(change.path) in touched:
                file.change, file.stale = change, True
            files.append(file)
        self.files, self.notes, self.known = files, notes, True

    def show_fast(self, path: str, lines: Iterable[str], created: bool, counts: tuple[int, int]) -> None:
        """Shows what one call said that it changed, until the session tells the whole."""
        if self.file(path):
            return
        change = FileChange(path=path, change="created" if created else "modified", added=counts[0], removed=counts[1])
        file = DiffFile(change)
        file.take(lines)
        self.files = sorted([*self.files, file], key=lambda file: file.path)

    def match_renames(self) -> None:
        """Marks a created file whose text is that of a deleted one as renamed from it."""
        gone = {_text(file, "-"): file.path for file in self.files if _whole(file, "deleted")}
        for file in self.files:
            if gone and _whole(file, "created") and (old := gone.get(_text(file, "+"))):
                file.renamed = old


def name_of(path: str) -> str:
    """The last part of PATH."""
    return path.rpartition("/")[2]


def _whole(file: DiffFile, change: str) -> bool:
    return file.change.change == change and file.loaded and not file.missing and len(file.hunks) == 1


def _text(file: DiffFile, sign: str) -> int:
    return hash(tuple(line[1:] for line in file.hunks[0].hunk.lines if line.startswith(sign)))
