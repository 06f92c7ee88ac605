"""Rows of a diff as strips of cells. Untrusted text is made visible here, a bounded stretch of each line."""

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from rich.cells import cell_len
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color, ColorParseError
from textual.strip import Strip

from workbench.protocol.hunks import Row
from workbench.tui.safe import safe
from workbench.tui.widgets.diffview_syntax import Spans
from workbench.tui.widgets.diffview_words import Ranges

TAB = 4
LONGEST = 2_000  # characters of a line that are ever drawn
_GROUND = {"+": "added", "-": "removed"}


class Palette:
    """Styles by role, of the theme that is worn, on GROUND. A role that it lacks is drawn in the terminal's own."""

    def __init__(self, variables: Mapping[str, str], ground: Color | None = None) -> None:
        self.ground = ground
        self._variables = variables
        self._styles: dict[tuple[str, str, str], Style] = {}
        self._flat = self._same("selected", "background")
        self._wordless = self._same("added-word", "added-ground")

    def style(self, front: str = "foreground", ground: str = "", marks: str = "") -> Style:
        """FRONT on GROUND; MARKS are words such as `bold`. Without grounds of their own, marks stand for them."""
        key = (front, ground, marks)
        if key not in self._styles:
            look = Style.parse(marks) if marks else Style()
            if ground.endswith("-word"):
                look += Style(bold=True, underline=self._wordless)
            if ground == "selected" and self._flat:  # reversed, hues would be blocks
                look, front = look + Style(reverse=True), "foreground"
            self._styles[key] = look + Style(color=self._color(front), bgcolor=self._color(ground))
        return self._styles[key]

    def _color(self, role: str) -> RichColor | None:
        value = self._variables.get(role, "")
        if not role and self.ground is not None:
            return self.ground.rich_color
        try:
            return Color.parse(value).rich_color if value else None
        except ColorParseError:
            return None

    def _same(self, one: str, other: str) -> bool:
        return self._variables.get(one, "") == self._variables.get(other, "")


class Side(NamedTuple):
    """One line to draw: the row, the roles of its words, and which of them differ from the line beside it."""

    row: Row
    spans: Spans = ()
    words: Ranges = ()


def text_cells(palette: Palette, side: Side, width: int, offset: int, crlf: bool, context: str = "") -> list[Segment]:
    """The text of a line, WIDTH cells of it from cell OFFSET, on the ground CONTEXT where it did not change.

    A mark says where it goes on. With CRLF a carriage return at its end is not shown: it was said of the whole file.
    """
    base = _GROUND.get(side.row.sign, "")
    ground = f"{base}-ground" if base else context
    text = side.row.text
    if crlf:
        text = text.removesuffix("\r")
    segments: list[Segment] = []
    column = 0
    for piece, role, word in _pieces(text[:LONGEST], side.spans, side.words):
        shown, marks = shown_from(piece, column), ""
        front = f"code-{role}" if role else "foreground"
        if shown != piece and "\t" not in piece:
            front = "warning"
        if role == "comment":
            marks = "italic"
        segments.append(Segment(shown, palette.style(front, f"{base}-word" if word and base else ground, marks)))
        column += cell_len(shown)
    if not side.row.newline:
        segments.append(Segment("  no newline at end", palette.style("muted-2", ground, "italic")))
        column += 19
    if len(text) > LONGEST:
        segments.append(Segment("…", palette.style("muted", ground)))
        column += 1
    return _window(segments, column, width, offset, palette.style("muted", ground))


def _window(segments: list[Segment], column: int, width: int, offset: int, fill: Style) -> list[Segment]:
    """WIDTH cells of SEGMENTS, which are COLUMN cells long, from OFFSET; a mark at the end where more follows."""
    if offset:
        segments = list(Strip(segments, column).crop(min(offset, column), column))
        column = max(0, column - offset)
    if column > width:
        return [*Strip(segments, column).crop(0, width - 1), Segment("…", fill)]
    return [*segments, Segment(" " * (width - column), fill)] if column < width else segments


def shown_from(piece: str, column: int) -> str:
    """PIECE made visible, its tabs filled up to the next stop, as it stands from COLUMN on."""
    if "\t" not in piece:
        return piece if piece.isascii() and piece.isprintable() else safe(piece)
    out = ""
    for at, part in enumerate(piece.split("\t")):
        if at:
            out += " " * (TAB - (column + cell_len(out)) % TAB)
        out += safe(part)
    return out


def _pieces(text: str, spans: Spans, words: Ranges) -> Sequence[tuple[str, str, bool]]:
    """TEXT cut wherever its role or its being changed changes."""
    if not spans and not words:
        return _apart(text, "", False)
    marks = {0, len(text)}
    marks.update(at for span in spans for at in span[:2])
    marks.update(at for word in words for at in word)
    cuts = sorted(at for at in marks if at <= len(text))
    found: list[tuple[str, str, bool]] = []
    span = word = 0
    for start, end in pairwise(cuts):
        while span < len(spans) and spans[span][1] <= start:
            span += 1
        while word < len(words) and words[word][1] <= start:
            word += 1
        role = spans[span][2] if span < len(spans) and spans[span][0] <= start else ""
        inside = word < len(words) and words[word][0] <= start
        found += _apart(text[start:end], role, inside)
    return found


def _apart(text: str, role: str, word: bool) -> list[tuple[str, str, bool]]:
    """TEXT, with what a terminal would obey or hide in pieces of its own."""
    if text.replace("\t", "").isprintable():
        return [(text, role, word)] if text else []
    return [("".join(run), role, word) for _, run in groupby(text, lambda character: character.isprintable())]


def number(value: int, digits: int) -> str:
    """A line number in its column; blank where the side has no such line."""
    return f"{value or '':>{digits}}"


def spread(left: list[Segment], right: list[Segment], width: int, fill: Style) -> Strip:
    """LEFT and RIGHT at the ends of a row of WIDTH cells; LEFT gives way."""
    room = width - sum(cell_len(part.text) for part in right)
    if room < 8:
        room, right = width, []
    return Strip([*_window(left, sum(cell_len(part.text) for part in left), room, 0, fill), *right], width)


def shorten(path: str, width: int) -> str:
    """PATH made visible in at most WIDTH cells, shortened from the left."""
    shown = safe(path)
    if cell_len(shown) <= width:
        return shown
    shown = shown[-2 * width :]  # bounds what follows; most characters take a cell or two
    while shown and cell_len(shown) > width - 1:
        shown = shown[1:]
    return "…" + shown
