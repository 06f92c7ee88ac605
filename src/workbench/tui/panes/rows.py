"""Rows of styled text that are drawn anew only where they changed: what the small panes stand on."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import ClassVar

from rich.cells import cell_len
from textual.app import App
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.visual import RenderOptions, Visual

from workbench.tui.safe import content, safe

Part = str | tuple[str, str]  # text, or text and style


def row(*parts: Part) -> Content:
    """One row of PARTS; nothing in their text can move the terminal or is taken for markup."""
    return Content.assemble(*(safe(part) if isinstance(part, str) else (safe(part[0]), part[1]) for part in parts))


def wrapped(text: str, width: int, style: str = "$muted") -> Iterator[Content]:
    """TEXT in as many rows as it takes."""
    for line in content(text).wrap(max(1, width)):
        yield row((line.plain.rstrip(), style))


def cut(text: str, width: int, left: bool = False) -> str:
    """TEXT in at most WIDTH cells, shortened at its end, or at its beginning if LEFT."""
    text = safe(text)
    if cell_len(text) <= width:
        return text
    if width <= 0:
        return ""
    while text and cell_len(text) >= width:
        over = max(1, (cell_len(text) - width) // 2)  # wide characters count twice
        text = text[over:] if left else text[:-over]
    return f"…{text}" if left else f"{text}…"


def chrome(app: "App[object]") -> None:
    """Has the lines around the panes drawn anew: what a pane says of itself changed without news of the session."""
    for screen in app.screen_stack:  # a list may lie over them
        if callable(draw := getattr(screen, "chrome", None)):
            draw()


class Rows(ScrollView, can_focus=True):
    """A pane of rows. A subclass makes them in `build` and calls `redraw` whenever they may have changed."""

    DEFAULT_CSS = """
    Rows { height: 1fr; width: 1fr; padding: 0 1; background: transparent; scrollbar-size: 1 1; overflow-x: hidden; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Content] = []
        self._strips: list[Strip | None] = []

    def build(self, width: int) -> Iterable[Content]:
        """The rows for WIDTH cells."""
        return ()

    def redraw(self) -> None:
        """Builds the rows anew and repaints the cells that differ from what is on the screen."""
        if not self.is_mounted or (width := self.scrollable_content_region.width) <= 0:
            return
        rows = [one.truncate(width, ellipsis=True) for one in self.build(width)]
        old_rows, old_strips = self._rows, self._strips
        self._rows, self._strips = rows, [None] * len(rows)
        changed: list[int] = []
        for at, (old, new) in enumerate(zip_longest(old_rows, rows)):
            if old is not None and new is not None and old.is_same(new):
                self._strips[at] = old_strips[at]
            else:
                changed.append(at)
        if len(rows) != len(old_rows):
            self.virtual_size = Size(width, len(rows))
        top = self.scroll_offset.y
        for at in changed:
            before = old_strips[at] if at < len(old_strips) else None
            first, last = _differing(before, self._strip(at), width)
            if first < last:
                self.refresh(Region(first, at - top, last - first, 1))

    def _strip(self, at: int) -> Strip:
        """The row AT as cells, blank behind the end of all rows."""
        width = self.scrollable_content_region.width
        if at >= len(self._rows):
            return Strip.blank(width, self.visual_style.rich_style)
        if (strip := self._strips[at]) is None:
            options = RenderOptions(self._get_style, {})
            content: Visual = self._rows[at]
            strips = content.render_strips(width, 1, self.visual_style, options)
            strip = (strips[0] if strips else Strip([])).adjust_cell_length(width, self.visual_style.rich_style)
            self._strips[at] = strip
        return strip

    def render_line(self, y: int) -> Strip:
        """The row that stands at line Y."""
        at = y + self.scroll_offset.y
        strip = self._strip(at)
        selection = self.text_selection
        if selection is not None and at < len(self._rows) and (span := selection.get_span(at)) is not None:
            start, end = span
            style = self.screen.get_component_rich_style("screen--selection")
            plain = self._rows[at].plain
            first, last = cell_len(plain[:start]), len(strip.text) if end == -1 else cell_len(plain[:end])
            left, middle, right = strip.divide([first, max(first, last), strip.cell_length])
            strip = Strip.join([left, middle.apply_style(style), right])
        return strip.apply_offsets(0, at)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text."""
        return selection.extract("\n".join(one.plain for one in self._rows)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """What is selected looks different."""
        self.refresh()

    def notify_style_update(self) -> None:
        """Another theme: every row has other colours."""
        super().notify_style_update()
        self._strips = [None] * len(self._rows)

    def on_resize(self) -> None:
        """Rows are made for a width."""
        self._strips = [None] * len(self._rows)
        self.redraw()

    def watch_show_vertical_scrollbar(self) -> None:
        """The bar takes a column of the rows, and the widget is as large as before: nothing else tells."""
        self.on_resize()


def _differing(old: Strip | None, new: Strip, width: int) -> tuple[int, int]:
    """The cells from the first to behind the last one that OLD and NEW do not share."""
    if old is None or old.cell_length != new.cell_length:
        return 0, width
    one, two = _cells(old), _cells(new)
    differing = [at for at, (was, now) in enumerate(zip(one, two, strict=False)) if was != now]
    if not differing:
        return (0, 0) if len(one) == len(two) else (0, width)
    # A wide character may begin one cell earlier.
    return max(0, differing[0] - 1), min(width, differing[-1] + 2)


def _cells(strip: Strip) -> Sequence[tuple[str, object]]:
    cells: list[tuple[str, object]] = []
    for text, style, _ in strip:
        for character in text:
            cells += [(character, style)] * cell_len(character)
    return cells
