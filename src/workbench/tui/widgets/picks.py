"""A list to pick from: a line a row, of which only those on the screen are drawn. Headings are stepped over.

Textual's OptionList lays every row out as a text of any height, twice as a list opens: of 70 rows that is most of the
time between a key and the list.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.tui.widgets.painted import painted


class Pick(NamedTuple):
    """A row: what picking it gives, None for a heading."""

    id: str | None
    text: Content


class Picks(ScrollView, can_focus=True):
    """`at` is the cursor's row, None where no row can be picked. CAREFUL: a first click only puts it there."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"picks--cursor", "picks--hover"}
    DEFAULT_CSS = """
    Picks {
        height: auto; overflow-x: hidden; scrollbar-size: 0 1; scrollbar-gutter: stable; background: $surface;
        color: $foreground;
        & > .picks--cursor {
            color: $foreground; background: $block-cursor-blurred-background;
            text-style: $block-cursor-blurred-text-style;
        }
        & > .picks--hover { background: $block-hover-background; }
        &:focus > .picks--cursor {
            color: $block-cursor-foreground; background: $block-cursor-background; text-style: $block-cursor-text-style;
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "step(1)", show=False),
        Binding("up,k", "step(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("home", "edge(1)", show=False),
        Binding("end", "edge(-1)", show=False),
        Binding("enter", "choose", show=False),
    ]

    class Moved(Message):
        """The cursor stands on another row, or the rows are others."""

    class Chosen(Message):
        """Enter, or a click: the row ID."""

        def __init__(self, id: str) -> None:  # noqa: A002
            super().__init__()
            self.id = id

    def __init__(self, *, careful: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.rows: Sequence[Pick] = ()
        self.at: int | None = None
        self._careful = careful
        self._hover: int | None = None

    def put(self, rows: Sequence[Pick], at: int | None = None) -> None:
        """Shows ROWS with the cursor AT one of them, else on the first that can be picked."""
        same = len(rows) == len(self.rows)
        self.rows, self._hover = rows, None
        self.at = at if at is not None else next((n for n, row in enumerate(rows) if row.id is not None), None)
        self.virtual_size = Size(self.size.width, len(rows))
        self.refresh(layout=not same)
        self._reveal()
        self.call_after_refresh(self._reveal)  # once its height is known
        self.post_message(self.Moved())

    @property
    def current(self) -> str | None:
        """The id of the cursor's row."""
        return self.rows[self.at].id if self.at is not None else None

    def on_resize(self) -> None:
        """The cursor stays in sight."""
        self._reveal()

    # --- cursor ----------------------------------------------------------------------------------------------

    def action_step(self, by: int) -> None:
        """The next row (BY 1) or the one before (-1) that can be picked; beyond the end it goes on at the other one."""
        if self.at is None:
            return
        count = len(self.rows)
        around = ((self.at + by * n) % count for n in range(1, count + 1))
        self._move(next(at for at in around if self.rows[at].id is not None))

    def action_page(self, pages: int) -> None:
        """A screen of rows further, and no further than the end."""
        if self.at is not None:
            wanted = min(max(0, self.at + pages * max(1, self.size.height - 1)), len(self.rows) - 1)
            step = 1 if pages > 0 else -1
            beyond = [*range(wanted, len(self.rows) if step > 0 else -1, step), *range(wanted, self.at, -step)]
            self._move(next((at for at in beyond if self.rows[at].id is not None), self.at))

    def action_edge(self, step: int) -> None:
        """The first row (STEP 1) or the last one (-1)."""
        rows = range(len(self.rows))[::step]
        self._move(next((at for at in rows if self.rows[at].id is not None), None))

    def action_choose(self) -> None:
        """Takes the cursor's row."""
        if (id_ := self.current) is not None:
            self.post_message(self.Chosen(id_))

    def _move(self, at: int | None) -> None:
        if at is not None and at != self.at:
            self.at = at
            self._reveal()
            self.refresh()
            self.post_message(self.Moved())

    def _reveal(self) -> None:
        if self.at is not None and self.size.height:
            above = 0  # headings show with the first row under them
            while self.at > above and self.rows[self.at - above - 1].id is None:
                above += 1
            self.scroll_to_region(Region(0, self.at - above, 1, 1 + above), animate=False, force=True, x_axis=False)

    # --- mouse -----------------------------------------------------------------------------------------------

    def _row_at(self, y: int) -> int | None:
        at = y + self.scroll_offset.y
        return at if 0 <= at < len(self.rows) and self.rows[at].id is not None else None

    def on_click(self, event: events.Click) -> None:
        """Takes the row, or goes there first."""
        at = self._row_at(event.y)
        if at is None:
            return
        known = at == self.at
        self._move(at)
        if known or not self._careful:
            self.action_choose()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The row under the mouse."""
        self._hovered(self._row_at(event.y))

    def on_leave(self) -> None:
        """No row is under the mouse."""
        self._hovered(None)

    def _hovered(self, at: int | None) -> None:
        if at != self._hover:
            self._hover = at
            self.refresh()

    # --- drawing ---------------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        """Colours are the theme's."""
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """A row, cut where it is too long."""
        width, at = self.scrollable_content_region.width, y + self.scroll_offset.y
        if at >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        part = "picks--cursor" if at == self.at else "picks--hover" if at == self._hover else ""
        style = self.get_visual_style(part) if part else self.visual_style
        return painted(self.rows[at].text.truncate(width, ellipsis=True), self, width, style)
