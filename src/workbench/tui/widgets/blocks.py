"""What the transcript is made of: blocks that draw themselves as lines of styled runs, for one width at a time."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from rich.cells import cell_len, split_graphemes

from workbench.tui.safe import safe

Run = tuple[str, str]  # text that is safe to show, names of styles (see `transcript_looks.Looks`)
Line = list[Run]
Draw = Callable[[int], list[Line]]

_WORD = re.compile(r"\S+|\s+")
_SIGN = 64  # characters that one sign may have, accents upon accents among them
TAB = "    "
_NONE: list[Line] = []


class Block:
    """Some lines of the transcript. `gap`: blank lines above. `stop`: which stop of the cursor it belongs to.

    `code`: what is copied of it, in the language `info`.
    `lines` are kept for one width until `forget`; `strips` is the transcript's own cache of them.
    """

    __slots__ = ("_lines", "_width", "code", "draw", "gap", "info", "stop", "strips")

    def __init__(self, draw: Draw, *, gap: int = 0, stop: int = 0, code: str | None = None, info: str = "") -> None:
        self.draw, self.gap, self.stop, self.code, self.info = draw, gap, stop, code, info
        self._width, self._lines = -1, _NONE
        self.strips: Any = None

    def lines(self, width: int) -> list[Line]:
        """The lines for WIDTH cells, the gap above them included."""
        if width != self._width:
            self._lines = [*([[]] * self.gap), *self.draw(width)]
            self._width, self.strips = width, None
        return self._lines

    def forget(self) -> None:
        """Drops what can be drawn again."""
        self._width, self._lines, self.strips = -1, _NONE, None


def shown(text: str) -> str:
    """TEXT of one line through the door, tabs as blanks."""
    return safe(text.replace("\t", TAB) if "\t" in text else text)


def width_of(line: Line) -> int:
    """Cells of LINE."""
    return sum(cell_len(text) for text, _ in line)


def fit(text: str, width: int, *, left: bool = False) -> str:
    """TEXT (safe already) cut to WIDTH cells with an ellipsis, from the left for paths."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    if left:
        return "…" + text[_from_end(text, width - 1) :]
    return text[: _from_start(text, width - 1)] + "…"


def _from_start(text: str, width: int) -> int:
    """How many characters of TEXT fit WIDTH cells; what a terminal draws as one sign is not parted."""
    if text.isascii():
        return min(len(text), width)
    cells = 0
    for start, _, size in split_graphemes(text[: 8 * width + _SIGN])[0]:
        cells += size
        if cells > width:
            return start
    return len(text) if len(text) <= 8 * width + _SIGN else 8 * width


def _from_end(text: str, width: int) -> int:
    cells = 0
    first = max(0, len(text) - 8 * width - _SIGN)
    for _, end, size in reversed(split_graphemes(text[first:])[0]):
        cells += size
        if cells > width:
            return first + end
    return first


def _sign(text: str) -> int:
    """Characters of the first sign of TEXT, which is wider than there is room."""
    return split_graphemes(text[:_SIGN])[0][0][1]


def breaks(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Where TEXT is broken into rows of WIDTH cells: between words where it can, within them where it must."""
    start = end = cells = 0  # of the row: its first character, the end of its last word, cells up to here
    near = 8 * width + _SIGN + 1  # characters that are looked at for one row, however long a word is
    for found in _WORD.finditer(text):
        at, stop = found.span()
        size = cell_len(found[0])
        if text[at].isspace():
            cells += size
            continue
        if cells + size > width and (end > start or cells >= width):
            if end > start:
                yield start, end
            start, cells = at, 0
        while cells + size > width:
            word = text[at : min(stop, at + near)]
            taken = _from_start(word, width - cells)
            if not taken and cells:  # blanks before the first word leave no room for it
                start, cells = at, 0
                continue
            taken = taken or _sign(word)
            yield start, at + taken
            size = size - cell_len(word[:taken]) if stop - at > near else cell_len(word[taken:])
            at += taken
            start, cells = at, 0
        cells, end = cells + size, stop
    if end > start or not end:
        yield start, end


def cut(line: Line, start: int, end: int) -> Line:
    """The characters START to END of LINE."""
    piece: Line = []
    at = 0
    for text, style in line:
        if at >= end:
            break
        if at + len(text) > start:
            piece.append((text[max(0, start - at) : end - at], style))
        at += len(text)
    return piece


def wrap(line: Line, width: int) -> list[Line]:
    """LINE in rows of WIDTH cells."""
    text = plain(line)
    if cell_len(text) <= width:
        return [line]
    return [cut(line, start, end) for start, end in breaks(text, max(1, width))]


def paragraph(text: str, style: str, width: int, first: Line | None = None, most: int = 0) -> list[Line]:
    """Untrusted TEXT of several lines, wrapped; FIRST stands before the first row and its width before the others.

    MOST: rows that are shown, 0 for all.
    """
    indent = width_of(first) if first else 0
    rows: list[Line] = []
    for one in text.split("\n"):
        if most and len(rows) > most:
            break
        rows += wrap([(shown(one), style)], max(1, width - indent))
    if most and len(rows) > most:
        rows = [*rows[:most], [("…", "muted")]]
    if not first:
        return rows
    return [[*(first if not at else [(" " * indent, "")]), *row] for at, row in enumerate(rows)]


def indented(lines: list[Line], by: int) -> list[Line]:
    """LINES moved BY cells to the right."""
    pad = (" " * by, "")
    return [[pad, *line] if line else line for line in lines]


def moved(block: Block, by: int, style: str = "") -> Block:
    """BLOCK as one that stands BY cells to the right, with STYLE upon its own styles."""

    def draw(width: int) -> list[Line]:
        rows = indented(block.draw(max(4, width - by)), by)
        return [[(text, f"{own} {style}") for text, own in row] for row in rows] if style else rows

    return Block(draw, gap=block.gap, stop=block.stop, code=block.code, info=block.info)


def plain(line: Line) -> str:
    """The text of LINE."""
    return "".join(text for text, _ in line)
