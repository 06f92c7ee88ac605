"""Where things of a change stand in one long page: blocks of rows, found by bisection, built without drawing a line."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from workbench.protocol.words import counted
from workbench.tui.widgets.hunks import Changeset, DiffFile, Laid
from workbench.tui.widgets.hunks_review import Comment, Review


class Block(NamedTuple):
    """Rows of one kind. kind: file, note, hunk (its head), rows (of a hunk, from `first` on), comment, gap."""

    kind: str
    height: int
    file: DiffFile
    laid: Laid | None = None
    first: int = 0
    text: str = ""


class Anchor(NamedTuple):
    """A row by what stands in it, so that it is found again after the page has changed around it."""

    path: str = ""
    digest: str = ""
    kind: str = "file"
    row: int = 0
    ordinal: int = 0  # of the hunk in its file, for when the digest is gone


class Page:
    """All blocks of a change, one below the other."""

    def __init__(self, changes: Changeset | None = None, review: Review | None = None, side: bool = False) -> None:
        self.side = side
        self.blocks: list[Block] = []
        self.starts: list[int] = []
        self.height = 0
        self.digits = 3
        for file in changes.files if changes else ():
            for block in _file_blocks(file, review or Review(), side):
                self.starts.append(self.height)
                self.blocks.append(block)
                self.height += block.height
            if file.hunks:
                last = file.hunks[-1].hunk
                highest = max(last.old + last.old_count, last.new + last.new_count)
                self.digits = max(self.digits, len(str(highest)))

    def at(self, y: int) -> tuple[Block, int]:
        """The block in row Y, and how far into it."""
        place = bisect_right(self.starts, y) - 1
        return self.blocks[place], y - self.starts[place]

    def start_of_file(self, path: str) -> int | None:
        """The row of the head of the file PATH."""
        for start, block in zip(self.starts, self.blocks, strict=True):
            if block.kind == "file" and block.file.path == path:
                return start
        return None

    def anchor(self, y: int) -> Anchor:
        """What stands in row Y."""
        if not self.blocks:
            return Anchor()
        block, offset = self.at(min(y, self.height - 1))
        if not block.laid:
            return Anchor(block.file.path, "", block.kind, offset)
        ordinal = next((n for n, laid in enumerate(block.file.hunks) if laid is block.laid), 0)
        row = block.first + offset
        if self.side and block.kind == "rows":
            old, new = block.laid.pairs[row]
            row = new if new >= 0 else old
        return Anchor(block.file.path, block.laid.digest, block.kind, row, ordinal)

    def find(self, anchor: Anchor) -> int:
        """The row of ANCHOR, or the nearest that is left of it: its hunk, the hunk in its place, its file, the top."""
        best, rank = 0, 0
        ordinal = -1
        for start, block in zip(self.starts, self.blocks, strict=True):
            if block.file.path != anchor.path:
                continue
            if block.kind == "file":
                best, rank, ordinal = (start, 1, -1) if rank < 1 else (best, rank, -1)
            ordinal += block.kind == "hunk"
            found = self._rank(block, anchor, ordinal)
            if found > rank:
                row = self._row(block, anchor.row) if block.kind == "rows" and found > 2 else 0
                best, rank = start + row, found
        return best

    def _rank(self, block: Block, anchor: Anchor, ordinal: int) -> int:
        if not block.laid or not anchor.digest:
            return 0
        if block.laid.digest == anchor.digest:
            if block.kind != anchor.kind:
                return 3 if block.kind == "hunk" else 0
            if block.kind != "rows":
                return 5
            return 5 if block.first <= self._place(block.laid, anchor.row) < block.first + block.height else 0
        return 2 if block.kind == "hunk" and ordinal <= anchor.ordinal else 0

    def _row(self, block: Block, row: int) -> int:
        return max(0, min(self._place(block.laid, row) - block.first, block.height - 1)) if block.laid else 0

    def _place(self, laid: Laid, row: int) -> int:
        """The row of the page, counted from the hunk's first, in which its line ROW stands."""
        return _pair_of(laid, row) if self.side else row

    def stops(self) -> Iterator[int]:
        """The rows of the heads of hunks, and of files without hunks to stop at."""
        for start, block in zip(self.starts, self.blocks, strict=True):
            bare = block.kind == "file" and (block.file.folded or not block.file.hunks)
            if bare or block.kind == "hunk":
                yield start

    def hunk_at(self, y: int) -> tuple[DiffFile, Laid] | None:
        """The hunk that row Y belongs to."""
        if not self.blocks:
            return None
        block, _ = self.at(min(y, self.height - 1))
        return (block.file, block.laid) if block.laid else None

    def file_at(self, y: int) -> DiffFile | None:
        """The file that row Y belongs to."""
        return self.at(min(y, self.height - 1))[0].file if self.blocks else None

    def span(self, laid: Laid) -> tuple[int, int]:
        """First row and the row after the last of a hunk, its head included."""
        rows = [at for at, block in enumerate(self.blocks) if block.laid is laid]
        return self.starts[rows[0]], self.starts[rows[-1]] + self.blocks[rows[-1]].height


def _file_blocks(file: DiffFile, review: Review, side: bool) -> Iterator[Block]:
    yield Block("file", 1, file)
    if not file.folded:
        for note in _notes(file, review):
            yield Block("note", 1, file, text=note)
        for laid in file.hunks:
            yield Block("hunk", 1, file, laid)
            yield from _hunk_blocks(file, laid, review, side)
        if file.missing:
            yield Block("note", 1, file, text=f"{counted(file.missing, 'more line')} of this diff not shown")
    yield Block("gap", 1, file)


def _hunk_blocks(file: DiffFile, laid: Laid, review: Review, side: bool) -> Iterator[Block]:
    height = laid.side if side else laid.unified
    said = sorted(
        (_pair_of(laid, one.row) if side else one.row, one.text)
        for one in review.comments
        if one.digest == laid.digest and one.path == file.path
    )
    first = 0
    for row, text in said:
        end = min(row + 1, height)
        if end > first:
            yield Block("rows", end - first, file, laid, first)
        yield Block("comment", 1, file, laid, row, text)
        first = max(first, end)
    if height > first:
        yield Block("rows", height - first, file, laid, first)


def _pair_of(laid: Laid, row: int) -> int:
    return next((at for at, pair in enumerate(laid.pairs) if row in pair), 0)


def _notes(file: DiffFile, review: Review) -> Iterator[str]:
    digests = {laid.digest for laid in file.hunks}
    for one in review.comments:
        if one.path == file.path and one.digest not in digests:
            yield f"✎ {_where(one)}{one.text}"
    if file.renamed:
        yield f"renamed from {file.renamed}"
    if modes := [line for line in file.head if line.startswith(("old mode", "new mode"))]:
        yield ", ".join(modes)
    if file.error:
        yield file.error
    elif not file.loaded:
        yield "reading…"
    elif not file.hunks and not file.renamed and not modes:
        yield _nothing(file)


def _where(comment: Comment) -> str:
    return f"line {comment.line}, changed since: " if comment.line else ""


def _nothing(file: DiffFile) -> str:
    if any(line.startswith("Binary files") for line in file.head) or file.change.added is None:
        return "binary, or too large to compare: no lines to show"
    return "an empty file" if file.change.change != "modified" else "no line of text differs"
