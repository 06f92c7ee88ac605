"""The table of runs: its heading sorts, and only what changed is drawn anew."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.content import Content
from textual.geometry import Region
from textual.message import Message

from workbench.tui.safe import content, safe
from workbench.tui.widgets.runs_sheet import Sheet, column_at
from workbench.tui.widgets.table import Cell, Column, Table

ROOMY = 64  # cells from which names get more of them than they need to be told apart


class RunsTable(Table):
    """Rows that are renewed every second: the cursor stays on its row, and what is looked at stays where it is."""

    DEFAULT_CSS = """
    RunsTable { background: transparent; height: auto; scrollbar-size: 1 1; }
    """

    class Sort(Message):
        """A heading was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    class Open(Message):
        """A row was clicked that had the cursor."""

    def __init__(self) -> None:
        super().__init__(())
        self._told: tuple[Column, ...] = ()  # the columns as they were given

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self._rows)

    def renew(self, sheet: Sheet, cursor: int) -> None:
        """The cells of SHEET, with the cursor on the row CURSOR, which is shown if it is another one."""
        old, widths, columns = self._rows, self._widths, self._told
        self._rows, self._columns, self._told = sheet.rows, sheet.columns, sheet.columns
        moved = cursor != self.cursor
        self.set_reactive(Table.cursor, min(max(0, cursor), max(0, len(sheet.rows) - 1)))
        if widths and len(old) == len(sheet.rows) and columns == sheet.columns and not moved:
            if old == sheet.rows:
                return
            if self._same_widths():
                self._repaint(old)
                return
        self._fit()
        if moved:
            self.call_after_refresh(self._reveal)

    def _fit(self) -> None:
        """Columns as wide as ever, but what takes the room that is left takes no more than it needs."""
        least = 16 if self.size.width >= ROOMY else 8
        self._columns = tuple(one._replace(least=least) if one.share else one for one in self._columns)
        super()._fit()
        self._widths = [(at, min(width, self._needs(at))) for at, width in self._widths]

    def _needs(self, at: int) -> int:
        column = self._columns[at]
        if not column.share:
            return 1 << 20
        return max(column.least, *(cell_len(safe(row[at].text[:200])) for row in self._sample()), 0)

    def _same_widths(self) -> bool:
        """Whether all still fits in the columns as they are."""
        return all(
            cell_len(safe(row[at].text[:200])) <= width or self._columns[at].share
            for row in self._sample()
            for at, width in self._widths
        )

    def _repaint(self, old: Sequence[Sequence[Cell]]) -> None:
        top = self.scroll_offset.y
        for at, (before, now) in enumerate(zip(old, self._rows, strict=True)):
            if before != now and 0 <= at - top < self.size.height:
                self.refresh(Region(0, at - top + 1, self.size.width, 1))

    def on_resize(self) -> None:
        """Other columns fit, and the cursor's row stays in sight."""
        self._fit()
        self.call_after_refresh(self._reveal)

    def on_click(self, event: events.Click) -> None:
        """A heading sorts; a row gets the cursor, and what has it opens."""
        row = event.y - 1 + self.scroll_offset.y
        event.prevent_default()  # the base class would take it as well
        if event.y == 0:
            if column := self._heading(event.x):
                self.post_message(self.Sort(column))
        elif 0 <= row < len(self._rows):
            if row == self.cursor:
                self.post_message(self.Open())
            else:
                self.cursor = row

    def _heading(self, x: int) -> str | None:
        at = 0
        for column, width in self._widths:
            gap = _gap(width)
            if at <= x < at + width + gap:
                return column_at(self._columns[column].title)
            at += width + gap
        return None

    def _line(self, cells: Sequence[Cell]) -> Content:
        pieces = []
        for at, width in self._widths:
            text = safe(cells[at].text[:1_000])
            if cell_len(text) > width:
                text = set_cell_size(text, max(0, width - 1)) + "…"
            pieces.append(content(set_cell_size(text, width), cells[at].style) + Content(" " * _gap(width)))
        return Content("").join(pieces)


def _gap(width: int) -> int:
    """Signs stand close to what they are of."""
    return 1 if width == 1 else 2
