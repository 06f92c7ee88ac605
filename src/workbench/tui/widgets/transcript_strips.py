"""Lines of blocks as strips of cells: gutter, cursor, marks of the search, the bar, what is new."""

import re

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip

from workbench.tui.widgets.blocks import Block, Line, wrap
from workbench.tui.widgets.transcript_looks import Looks

GUTTER = 2  # cells on the left, for the cursor's mark
RIGHT = 2  # cells on the right, for the bar
# A session is named in full, or by its beginning where a turn follows; a run may have a step.
_REFERENCE = re.compile(r"(?<![\w-])(?:s-[0-9a-z]{2,12}:t\d+|s-[0-9a-hjkmnp-tv-z]{8}|r-\d+(?:@\d+)?)(?![\w-])")


def referenced(text: str, style: str) -> Line:
    """TEXT in STYLE, with references to turns, sessions and runs as something to open."""
    if ("s-" not in text and "r-" not in text) or "@" in style or "~" in style:
        return [(text, style)]
    line: Line = []
    at = 0
    for found in _REFERENCE.finditer(text):
        line += [(text[at : found.start()], style), (found[0], f"{style} @{found[0]}".strip())]
        at = found.end()
    return [run for run in [*line, (text[at:], style)] if run[0]]


class Strips:
    """Strips of WIDTH cells in LOOKS. A block's own are kept with it, so that the same row is the same object."""

    def __init__(self, width: int, looks: Looks) -> None:
        self.width, self.looks = width, looks
        self.blank = Strip([Segment(" " * width, looks.base)], width)

    def line(self, runs: Line) -> Strip:
        """A strip of RUNS."""
        segments = [Segment(" " * GUTTER, self.looks.base)]
        segments += [Segment(text, self.looks(name)) for run in runs for text, name in referenced(*run)]
        return Strip(segments).simplify().adjust_cell_length(self.width, self.looks.base)

    def row(self, block: Block, lines: list[Line], at: int) -> Strip:
        """The strip of line AT of LINES, which BLOCK drew."""
        if block.strips is None or block.strips[0] is not self:
            block.strips = (self, [None] * len(lines))
        kept: list[Strip | None] = block.strips[1]
        if (strip := kept[at]) is None:
            strip = kept[at] = self.line(lines[at]) if lines[at] else self.blank
        return strip

    def chosen(self, strip: Strip) -> Strip:
        """STRIP with the cursor's mark."""
        mark = Segment("▌", self.looks("agent"))
        return Strip([mark, Segment(" ", self.looks.base), *strip.crop(GUTTER)], self.width)

    def found(self, strip: Strip, find: str) -> Strip:
        """STRIP with each place where FIND (in lower case) stands marked."""
        text = strip.text
        lower = text.lower()
        if find not in lower or len(lower) != len(text):
            return strip
        made: list[Segment] = []
        at = end = 0
        while (at := lower.find(find, end)) >= 0:
            start, stop = cell_len(text[:at]), cell_len(text[: at + len(find)])
            made += strip.crop(cell_len(text[:end]), start)
            made += [Segment(one.text, self.looks("found")) for one in strip.crop(start, stop)]
            end = at + len(find)
        return Strip([*made, *strip.crop(cell_len(text[:end]))], self.width)

    def news(self, strip: Strip, count: int) -> Strip:
        """STRIP with a word on what is new further down, at its right end."""
        text = f" ↓ {count} new " if count else " ↓ end "
        if self.width < 3 * len(text):
            return strip
        end = [Segment(text, self.looks("agent strong")), Segment(" ", self.looks.base)]
        return Strip([*strip.crop(0, self.width - len(text) - 1), *end], self.width)

    def bar(self, strip: Strip) -> Strip:
        """STRIP with the bar's thumb."""
        return Strip([*strip.crop(0, self.width - 1), Segment("▐", self.looks("muted-2"))], self.width)

    def empty(self, lines: list[Line], height: int) -> list[Strip]:
        """HEIGHT strips with LINES at the top, a row apart from it where there is room."""
        rows = [row for one in lines for row in wrap(one, max(8, self.width - GUTTER - RIGHT))][: max(0, height - 1)]
        above = int(height > len(rows))
        return [*([self.blank] * above), *map(self.line, rows), *([self.blank] * (height - above - len(rows)))]
