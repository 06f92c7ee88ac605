"""Rows in columns, of which only those on the screen are drawn; the least important columns leave first."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.tui.safe import content, safe
from workbench.tui.widgets.painted import painted

_GAP = 2  # cells between two columns


class Column(NamedTuple):
    """A column: its heading, the cells that it takes at most, and its RANK: the highest leave first.

    With a SHARE it takes that part of the room that is left, and no less than LEAST.
    """

    title: str
    most: int = 12
    rank: int = 0
    share: int = 0
    least: int = 12


class Cell(NamedTuple):
    """TEXT in STYLE."""

    text: str
    style: str = ""


class Table(ScrollView, can_focus=True):
    """A heading and rows. One of them is the cursor's."""

    DEFAULT_CSS = """
    Table {
        height: 1fr; scrollbar-size-vertical: 1; scrollbar-gutter: stable; background: $surface; overflow-x: hidden;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "by(1)", show=False),
        Binding("up,k", "by(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("pageup,b", "page(-1)", show=False),
        Binding("home,g", "by(-1000000000)", show=False),
        Binding("end,G", "by(1000000000)", show=False),
        Binding("enter", "choose", show=False),
    ]
    cursor = reactive(0)

    class Moved(Message):
        """The cursor stands on another row."""

    class Chosen(Message):
        """Enter, or a click on the cursor's row."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self._columns = tuple(columns)
        self._rows: Sequence[Sequence[Cell]] = ()
        self._widths: list[tuple[int, int]] = []  # (column, cells)

    def put(self, rows: Sequence[Sequence[Cell]], cursor: int = 0) -> None:
        """Shows ROWS, each a cell a column, with the CURSOR on one of them."""
        self._rows = rows
        self._fit()
        self.set_reactive(Table.cursor, min(max(0, cursor), max(0, len(rows) - 1)))
        self.call_after_refresh(self._reveal)
        self.post_message(self.Moved())

    def on_resize(self) -> None:
        """Other columns fit."""
        self._fit()

    def notify_style_update(self) -> None:
        """Colours are the theme's."""
        super().notify_style_update()
        self.refresh()

    # --- where columns are -----------------------------------------------------------------------------------

    def _fit(self) -> None:
        width = max(20, (self.size.width or self.app.size.width) - 2)  # the scrollbar, and a blank before it
        used = [max((cell_len(safe(row[at].text[:200])) for row in self._sample()), default=0)
                for at in range(len(self._columns))]  # fmt: skip
        wanted = [
            column.least if column.share else min(column.most, max(cell_len(column.title), used[at]))
            for at, column in enumerate(self._columns)
        ]
        kept = [at for at in range(len(self._columns)) if used[at] or self._columns[at].rank == 0]
        while (over := sum(wanted[at] + _GAP for at in kept) - _GAP - width) > 0:
            leaving = max(kept, key=lambda at: self._columns[at].rank)
            if self._columns[leaving].rank == 0:
                break
            kept.remove(leaving)
        shares = sum(self._columns[at].share for at in kept)
        self._widths = [
            (at, max(1, wanted[at] + (-over * self._columns[at].share // shares if shares else 0))) for at in kept
        ]
        self.virtual_size = Size(width, len(self._rows) + 1)
        self.refresh()

    def _sample(self) -> Sequence[Sequence[Cell]]:
        """Rows that tell how wide a column is: of very many, some."""
        return self._rows[:: max(1, len(self._rows) // 500)]

    # --- cursor ----------------------------------------------------------------------------------------------

    def watch_cursor(self) -> None:
        """Shows the row."""
        self._reveal()
        self.refresh()
        self.post_message(self.Moved())

    def _reveal(self) -> None:
        if self._rows:
            # the heading stands over the first row of the screen
            self.scroll_to_region(Region(0, self.cursor, 1, 2), animate=False, force=True, x_axis=False)

    def action_by(self, rows: int) -> None:
        """The cursor ROWS further down."""
        self.cursor = min(max(0, self.cursor + rows), max(0, len(self._rows) - 1))

    def action_page(self, pages: int) -> None:
        """The cursor PAGES further down."""
        self.action_by(pages * max(1, self.size.height - 2))

    def action_choose(self) -> None:
        """Takes the cursor's row."""
        if self._rows:
            self.post_message(self.Chosen())

    def on_click(self, event: events.Click) -> None:
        """The first click goes there, another one takes it."""
        row = event.y - 1 + self.scroll_offset.y
        if event.y == 0 or not 0 <= row < len(self._rows):
            return
        if row == self.cursor:
            self.action_choose()
        else:
            self.cursor = row

    # --- drawing ---------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """The heading, then the rows from where it is scrolled to."""
        width, row = self.size.width, y - 1 + self.scroll_offset.y
        if y == 0:
            cells = [Cell(column.title, "$muted-2") for column in self._columns]
        elif row < len(self._rows):
            cells = list(self._rows[row])
        else:
            return Strip.blank(width, self.rich_style)
        line = self._line(cells)
        if y and row == self.cursor:
            line = self._chosen(line.pad_right(max(0, width - line.cell_length)))
        return painted(line, self, width)

    def _chosen(self, line: Content) -> Content:
        """The cursor's LINE: on a ground of its own, or, where there is only one, reversed: hues would be blocks."""
        if not self.has_focus:
            return line.stylize("bold")
        return content(line.plain, "reverse") if self.app.current_theme.ansi else line.stylize("on $panel")

    def _line(self, cells: Sequence[Cell]) -> Content:
        pieces = []
        for at, width in self._widths:
            text = safe(cells[at].text[:1_000])
            if cell_len(text) > width:
                text = set_cell_size(text, width - 1) + "…"
            pieces.append(content(set_cell_size(text, width), cells[at].style) + Content(" " * _GAP))
        return Content("").join(pieces)
