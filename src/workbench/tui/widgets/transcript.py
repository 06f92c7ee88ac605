"""The talk as rows: only what is near the screen is drawn, and only what changed is written to the terminal.

The position is a place in the content (entry, block, line), not a number of rows: so pages can come and go at both
ends, cards can open, and what is read stays where it is.
"""

from typing import ClassVar

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from workbench.tui.widgets import transcript_terminal
from workbench.tui.widgets.blocks import Line
from workbench.tui.widgets.transcript_entry import Entry
from workbench.tui.widgets.transcript_looks import CLASSES, CSS, Looks
from workbench.tui.widgets.transcript_rows import Place, Rows, Stop
from workbench.tui.widgets.transcript_strips import GUTTER, RIGHT, Strips
from workbench.tui.widgets.transcript_window import Window

WHEEL = 3  # rows a notch
NEAR = 30  # entries from an end of the window at which the next page is asked for


class Transcript(Widget, can_focus=True):
    """Rows of a window of entries. It follows the end unless scrolled away."""

    DEFAULT_CSS = (
        """
    Transcript { height: 1fr; width: 1fr; color: $foreground; background: $background; }
    """
        + CSS
    )
    COMPONENT_CLASSES: ClassVar[set[str]] = set(CLASSES)
    ALLOW_SELECT = False

    class Near(Message):
        """The rows on the screen come near an end of the window. `older`: its beginning."""

        def __init__(self, older: bool) -> None:
            super().__init__()
            self.older = older

    class Pressed(Message):
        """The entry under the mouse was clicked; `reference` is what stands there, if it is one."""

        def __init__(self, entry: Entry, reference: str) -> None:
            super().__init__()
            self.entry, self.reference = entry, reference

    class ToEnd(Message):
        """The mark of what is new was clicked."""

    class ToShare(Message):
        """The bar was clicked: the session's part at `share` (0 to 1) is wanted."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def __init__(self, window: Window, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.window, self.rows = window, Rows(window)
        self.empty: list[Line] = []  # what stands here while there is nothing to show
        self.follow = True
        self.cursor: Stop | None = None
        self.find = ""  # what to mark, in lower case
        self._top: Place = (0, 0, 0)
        self._shown: list[Strip] = []
        self._places: list[Place | None] = []
        self._kept: Strips | None = None
        self._seen = 0  # window.arrived while the end was last seen

    # --- moving -----------------------------------------------------------------------------------------------

    @property
    def top(self) -> Place:
        """The place of the first row on the screen."""
        return self.rows.last_top() if self.follow else self.rows.held(self._top)

    def scroll_rows(self, by: int) -> None:
        """Moves BY rows (up: negative)."""
        if by and not (self.follow and by > 0):
            self._set_top(self.rows.moved(self.top, by))

    def _set_top(self, top: Place) -> None:
        last = self.rows.last_top()
        self.follow = top >= last and self.window.live
        self._top = min(top, last)
        self.show()

    def scroll_pages(self, pages: float) -> None:
        """Moves by PAGES screens, two rows less so that the eye finds on."""
        self.scroll_rows(round(pages * max(1, self.size.height - 2)))

    def to_end(self) -> None:
        """Follows the end again. The window must be live."""
        self.follow, self.cursor = True, None
        self.show()

    def to_top(self) -> None:
        """The first row of the window."""
        self.cursor = None
        self._set_top((0, 0, 0))

    def stand(self, place: Place) -> None:
        """Brings PLACE on the screen, a third down if it is not there yet."""
        if place in self._places:
            self.show()
        else:
            self.follow = False
            self._set_top(self.rows.moved(place, -(self.size.height // 3)))

    def reset(self) -> None:
        """Another session: the end is followed, nothing is chosen."""
        self.follow, self.cursor, self.find, self._top, self._seen = True, None, "", (0, 0, 0), 0

    def shifted(self, entries: int) -> None:
        """ENTRIES came in above (negative: left): the same rows stay on the screen."""
        at = self._top[0] + entries
        self._top = (at, *self._top[1:]) if at >= 0 else (0, 0, 0)
        if self.cursor is not None:
            at = self.cursor[0] + entries
            self.cursor = (at, self.cursor[1]) if at >= 0 else None

    # --- the cursor -------------------------------------------------------------------------------------------

    def step(self, by: int) -> None:
        """Moves the cursor to the next stop (BY 1) or the one before (-1); through a tall one by rows."""
        shown = [place for place in self._places if place is not None]
        if not self.window.entries or not shown:
            return
        if self.cursor is None or self.cursor[0] >= len(self.window.entries):
            self._choose(self.rows.stop(shown[-1] if by < 0 or self.follow else shown[0]))
        elif self.rows.goes_on(self.cursor, shown[0] if by < 0 else shown[-1], by):
            self.scroll_rows(by * WHEEL)
        elif (stop := self.rows.next_stop(self.cursor, by)) is not None:
            self._choose(stop)

    def _choose(self, stop: Stop) -> None:
        self.cursor = stop
        self.reveal(stop)

    def reveal(self, stop: Stop) -> None:
        """Scrolls as little as needed until STOP is on the screen, from its first row on."""
        first, last = self.rows.span(stop)
        top = self.top
        if first < top:
            self._set_top(first)
        elif last > self.rows.moved(top, max(0, self.size.height - 1)):
            self._set_top(min(first, self.rows.moved(last, 1 - self.size.height)))
        else:
            self.show()

    # --- drawing --------------------------------------------------------------------------------------------

    @property
    def _strips(self) -> Strips:
        if self._kept is None or self._kept.width != self.size.width:
            self._kept = Strips(self.size.width, Looks(self))
        return self._kept

    def show(self) -> None:
        """Draws what is on the screen now; tells the terminal what differs from before."""
        width, height = self.size
        if height < 1 or width < 4:
            return
        self.rows.fit(width - GUTTER - RIGHT, height)
        if not self.window.entries:
            self._places = [None] * height
            self._write(self._strips.empty(self.empty, height))
            return
        if self.follow:
            self._top, self._seen = self.rows.last_top(), self.window.arrived
        else:
            self._top = min(self.rows.held(self._top), self.rows.last_top())
        places = [place for place, _ in zip(self.rows.down(self._top), range(height), strict=False)]
        self._places = [*places, *([None] * (height - len(places)))]
        self._write([self._row(at, place) for at, place in enumerate(self._places)])
        self._ask(places)

    def _ask(self, places: list[Place]) -> None:
        if self.follow or not places:
            return
        if places[0][0] < NEAR and self.window.more:
            self.post_message(self.Near(older=True))
        if places[-1][0] > len(self.window.entries) - NEAR and not self.window.live:
            self.post_message(self.Near(older=False))

    def _write(self, rows: list[Strip]) -> None:
        old, self._shown = self._shown, rows
        if len(old) != len(rows) or not self.is_mounted:
            self.refresh()
            return
        dirty = [y for y, (was, now) in enumerate(zip(old, rows, strict=True)) if was is not now and was != now]
        if dirty and (self._repaint_required or not transcript_terminal.paint(self, old, rows)):
            self.refresh(*(Region(0, y, self.size.width, 1) for y in dirty))

    def _row(self, y: int, place: Place | None) -> Strip:
        strips = self._strips
        strip = strips.blank
        if place is not None:
            block = self.rows.block(place)
            strip = strips.row(block, self.rows.lines(block), place[2])
            if self.find:
                strip = strips.found(strip, self.find)
            if self.cursor is not None and (self.has_focus or self.find) and self._at_cursor(place):
                strip = strips.chosen(strip)
        if self.follow:
            return strip
        if y == self.size.height - 1:
            return strips.news(strip, self.window.arrived - self._seen)
        return strips.bar(strip) if y == self._bar() else strip

    def _at_cursor(self, place: Place) -> bool:
        return self.rows.stop(place) == self.cursor and place[2] >= self.rows.block(place).gap

    def _bar(self) -> int:
        """The row of the bar's thumb. Ids grow evenly with the session's events, so they say how far down this is."""
        entry = self.window.entries[self._top[0]]
        share = min(1.0, entry.id / max(1, self.window.last_id))
        return min(self.size.height - 2, int(share * (self.size.height - 1)))

    def render_line(self, y: int) -> Strip:
        """The row Y as it was drawn last."""
        return self._shown[y] if y < len(self._shown) else self._strips.blank

    def redraw(self) -> None:
        """Draws everything anew: another theme, another width."""
        self._kept, self._shown = None, []
        self.show()

    # --- what happens to it -----------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Draws what there is, and anew in every theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self.redraw())
        self.show()

    def on_resize(self) -> None:
        """Another size: the first row stays the first."""
        self.redraw()

    def on_focus(self) -> None:
        """Shows the cursor."""
        self.show()

    def on_blur(self) -> None:
        """Hides the cursor."""
        self.show()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """A notch down."""
        event.stop()
        self.scroll_rows(WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """A notch up."""
        event.stop()
        self.scroll_rows(-WHEEL)

    def on_click(self, event: events.Click) -> None:
        """The cursor goes where the mouse is; what stands there may open. At the right end: to another part."""
        offset = event.get_content_offset(self)
        if offset is None or not 0 <= offset.y < len(self._places) or not self.window.entries:
            return
        if not self.follow and offset.y == self.size.height - 1 and offset.x > self.size.width - 14:
            self.post_message(self.ToEnd())
        elif not self.follow and offset.x == self.size.width - 1:
            self.post_message(self.ToShare(offset.y / max(1, self.size.height - 1)))
        elif (place := self._places[offset.y]) is not None:
            self.cursor = self.rows.stop(place)
            self.show()
            reference = str(event.style.meta.get("reference", ""))
            self.post_message(self.Pressed(self.rows.entry(place), reference))
