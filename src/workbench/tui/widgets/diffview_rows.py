"""Draws the rows of a page of changes: heads of files and hunks, lines in one column or two, comments."""

from textwrap import wrap
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from workbench.tui.widgets.diffview_layout import Block, Page
from workbench.tui.widgets.diffview_marks import Marks
from workbench.tui.widgets.diffview_paint import Palette, number, shorten, shown_from, spread, text_cells
from workbench.tui.widgets.hunks import DiffFile, Laid
from workbench.tui.widgets.hunks_review import Review

_BOTH = 56  # cells from which both numbers of a line are shown
_WORDS = 64  # cells from which a hunk's head says what can be done
_ACTS = (("accept", "a"), ("revert", "x"), ("stage", "+"), ("comment", "c"))


class Spot(NamedTuple):
    """Where a row is drawn: WIDTH cells, lines from cell `aside` on; `here`: the cursor's row, `within`: its hunk."""

    width: int
    aside: int = 0
    here: bool = False
    within: bool = False
    focus: bool = False

    @property
    def ground(self) -> str:
        """The role of the ground of what is not changed."""
        return "selected" if self.here else ""


class Rows:
    """Draws rows in a palette; `page`, `review` and `palette` are set anew when they are others."""

    def __init__(self, marks: Marks) -> None:
        self.marks = marks
        self.page, self.review, self.palette = Page(), Review(), Palette({})

    def draw(self, block: Block, offset: int, spot: Spot) -> Strip:
        """The row of BLOCK that lies OFFSET below its first."""
        if block.kind == "file":
            return self.file(block.file, spot)
        if block.kind == "hunk" and block.laid:
            return self._hunk(block.laid, spot)
        if block.kind == "rows" and block.laid:
            return self._code(block.file, block.laid, block.first + offset, spot)
        style, ground = self.palette.style, spot.ground
        if block.kind == "comment":
            said = Segment(f"✎ {shown_from(block.text, 5)}", style("agent", ground))
            return spread([Segment(" ┃ ", style("agent", ground)), said], [], spot.width, style("foreground", ground))
        text = Segment(f"   {shown_from(block.text, 3)}", style("muted", ground))
        return spread([text], [], spot.width, style("muted", ground))

    def words(self, words: tuple[str, ...], y: int, spot: Spot) -> Strip:
        """Row Y of WORDS, a line each, that stand where there is nothing to show."""
        lines = [line for one in words for line in wrap(shown_from(one, 0), max(10, spot.width - 2))]
        style = self.palette.style("muted")
        return spread([Segment(f" {lines[y]}", style)] if y < len(lines) else [], [], spot.width, style)

    def file(self, file: DiffFile, spot: Spot) -> Strip:
        """The head of a file."""
        style, ground = self.palette.style, spot.ground or "panel"
        done, of = self.review.counts([file])
        right = [Segment(text, style(role, ground)) for text, role in counts(file)]
        if done:
            mark = "● " if done < of else "✓ "
            right = [Segment(f"{mark}reviewed {done}/{of}  ", style("muted", ground)), *right]
        change = "" if file.letter == "M" else f"  {'renamed' if file.renamed else file.change.change}"
        change += "  CRLF" * file.crlf
        room = spot.width - sum(part.cell_length for part in right) - 6 - len(change)
        left = [
            Segment(" ▸ " if file.folded else " ▾ ", style("muted", ground)),
            Segment(shorten(file.path, max(8, room)), style("foreground", ground, "bold")),
            Segment(change, style("muted", ground)),
        ]
        right.append(Segment(" ", style("muted", ground)))
        return spread(left, right, spot.width, style("foreground", ground))

    def _hunk(self, laid: Laid, spot: Spot) -> Strip:
        style, ground, hunk = self.palette.style, spot.ground, laid.hunk
        first, count = (hunk.new, hunk.new_count) if hunk.new_count else (hunk.old, hunk.old_count)
        lines = f"line {first}" if count < 2 else f"lines {first}–{first + count - 1}"
        left = [self._bar(spot), Segment(f" {lines} ", style("muted", ground))]
        if hunk.section:
            left.append(Segment(f" {shown_from(hunk.section, 0)}", style("muted-2", ground)))
        marks = ["staged"] * (laid.digest in self.review.staged)
        marks += ["✓ reviewed"] * (laid.digest in self.review.accepted)
        right = [Segment("  ".join(marks), style("muted", ground))]
        acts = self._acts(ground) if spot.within and spot.focus else []
        if spot.width > max(_WORDS - 1, sum(part.cell_length for part in [*left, *acts, *right]) + 1):
            right = [*acts, *right]
        right.append(Segment(" ", style("muted", ground)))
        return spread(left, right, spot.width, style("muted", ground))

    def _acts(self, ground: str) -> list[Segment]:
        """Words to click, with the keys that do the same."""
        style = self.palette.style
        parts = []
        for word, key in _ACTS:
            act = Style(meta={"act": f"diff_{word}"})
            parts.append(Segment(key, style("foreground", ground) + act))
            parts.append(Segment(f" {word}", style("muted", ground) + act))
            parts.append(Segment("  ", style("muted", ground)))
        return parts

    def _bar(self, spot: Spot) -> Segment:
        role = "agent" if spot.focus else "border-dim"
        return Segment("▎" if spot.within else " ", self.palette.style(role, spot.ground))

    def _code(self, file: DiffFile, laid: Laid, at: int, spot: Spot) -> Strip:
        digits = self.page.digits
        if self.page.side:
            old, new = laid.pairs[at]
            half = (spot.width - 1) // 2
            left = self._line(file, laid, old, half, spot, _old(laid, old, digits))
            right = self._line(file, laid, new, spot.width - 1 - half, spot, _new(laid, new, digits))
            return Strip([self._bar(spot), *left, *right], spot.width)
        numbers = _new(laid, at, digits) or _old(laid, at, digits)
        if spot.width >= _BOTH:
            numbers = f"{_old(laid, at, digits):>{digits}} {_new(laid, at, digits):>{digits}}"
        return Strip([self._bar(spot), *self._line(file, laid, at, spot.width - 1, spot, numbers)], spot.width)

    def _line(self, file: DiffFile, laid: Laid, at: int, width: int, spot: Spot, numbers: str) -> list[Segment]:
        """WIDTH cells of a line: its numbers, its sign, its text; blank where a column has no such line."""
        style = self.palette.style
        if at < 0:
            return [Segment(" " * width, style("muted-2", spot.ground))]
        side = self.marks.line(file, laid, at)
        role = {"+": "added", "-": "removed"}.get(side.row.sign, "")
        look = ("foreground", spot.ground, "bold") if spot.here else ("muted-2", "", "")
        gutter = Segment(f"{numbers} ", style(*look))
        sign = Segment(f"{side.row.sign} ", style(role or "muted-2", f"{role}-ground" if role else spot.ground))
        room = max(1, width - len(numbers) - 3)
        text = text_cells(self.palette, side, room, spot.aside, file.crlf, spot.ground)
        return [gutter, sign, *text]


def _old(laid: Laid, at: int, digits: int) -> str:
    return number(laid.rows[at].old, digits) if at >= 0 else ""


def _new(laid: Laid, at: int, digits: int) -> str:
    return number(laid.rows[at].new, digits) if at >= 0 else ""


def counts(file: DiffFile) -> list[tuple[str, str]]:
    """Lines added and removed, each with the role of its colour; `binary` where they cannot be told."""
    if file.added is None and file.removed is None:
        return [("no lines" if file.loaded else "", "muted")]
    added = f"+{file.added:,}" if file.added else ""
    removed = f"−{file.removed:,}" if file.removed else ""
    return [(f"{added:>6}", "added"), (f" {removed:>6}", "removed")]
