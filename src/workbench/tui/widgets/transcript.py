"""The talk as rows: only what is near the screen is drawn, and only what changed is written to the terminal.

The position is a place in the content (entry, block, line), not a number of rows: so nothing above or below has to be
measured, pages can come and go at both ends, and what is read stays where it is.
"""

from collections.abc import Iterator
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from workbench.tui.widgets import transcript_terminal
from workbench.tui.widgets.blocks import Block, Line, wrap
from workbench.tui.widgets.transcript_entry import Entry
from workbench.tui.widgets.transcript_looks import CLASSES, CSS, Looks
from workbench.tui.widgets.transcript_window import Window

MEASURE = 108  # cells up to which text is set: longer rows are hard to read
GUTTER = 2  # cells on the left, for the cursor's mark
RIGHT = 2  # cells on the right, for the bar
WHEEL = 3  # rows a notch
WARM = 300  # blocks that keep what they drew: many screens
NEAR = 30  # entries from an end of the window at which the next page is asked for

Place = tuple[int, int, int]  # entry, block, line


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

    def __init__(self, window: Window, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.window = window
        self.empty: list[Line] = []  # what stands here while there is nothing to show
        self.follow = True
        self.cursor: tuple[int, int] | None = None  # entry, stop
        self.find = ""  # what to mark, in lower case
        self._top: Place = (0, 0, 0)
        self._warm: dict[Block, None] = {}  # blocks that hold what they drew
        self._rows: list[Strip] = []
        self._places: list[Place | None] = []
        self._looks: Looks | None = None
        self._seen = 0  # window.arrived while the end was last seen

    # --- geometry -----------------------------------------------------------------------------------------

    @property
    def measure(self) -> int:
        """Cells up to which text is set."""
        return max(8, min(MEASURE, self.size.width - GUTTER - RIGHT))

    def _lines(self, block: Block) -> list[Line]:
        if block not in self._warm:
            if len(self._warm) > WARM:
                for cold in list(self._warm)[: WARM // 2]:
                    del self._warm[cold]
                    cold.forget()
            self._warm[block] = None
        return block.lines(self.measure)

    def _down(self, place: Place) -> Iterator[Place]:
        """The rows from PLACE on."""
        entry, block, line = place
        entries = self.window.entries
        while entry < len(entries):
            blocks = entries[entry].blocks
            while block < len(blocks):
                count = len(self._lines(blocks[block]))
                while line < count:
                    yield entry, block, line
                    line += 1
                block, line = block + 1, 0
            entry, block = entry + 1, 0

    def _up(self, place: Place) -> Iterator[Place]:
        """The rows before PLACE, the nearest first."""
        entry, block, line = place
        entries = self.window.entries
        while True:
            if line > 0:
                line -= 1
                yield entry, block, line
            elif block > 0:
                block -= 1
                line = len(self._lines(entries[entry].blocks[block]))
            elif entry > 0:
                entry -= 1
                block, line = len(entries[entry].blocks), 0
            else:
                return

    def _moved(self, place: Place, by: int) -> Place:
        """PLACE moved BY rows, as far as there are any."""
        if by >= 0:
            rows = self._down(place)
        else:
            rows = self._up(place)
            by = -by - 1
        last = place
        for at, one in enumerate(rows):
            last = one
            if at >= by:
                break
        return last

    def _last_top(self) -> Place:
        """The place at the top of the screen when the end is at its bottom."""
        return self._moved((len(self.window.entries), 0, 0), -max(1, self.size.height))

    def _held(self, place: Place) -> Place:
        """PLACE, or the nearest one that is there."""
        entry, block, line = place
        entries = self.window.entries
        if entry >= len(entries):
            return self._last_top()
        blocks = entries[entry].blocks
        if block >= len(blocks):
            return (entry, max(0, len(blocks) - 1), 0)
        return (entry, block, min(line, max(0, len(self._lines(blocks[block])) - 1)))

    # --- moving -----------------------------------------------------------------------------------------------

    def scroll_rows(self, by: int) -> None:
        """Moves BY rows (up: negative)."""
        if self.follow and by > 0:
            return
        top = self._held(self._top if not self.follow else self._last_top())
        self._set_top(self._moved(top, by) if by else top)

    def _set_top(self, top: Place) -> None:
        last = self._last_top()
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

    def stand(self, entry: int, block: int, line: int) -> None:
        """Brings a row on the screen, a third down if it is not there yet."""
        if (entry, block, line) in self._places:
            self.show()
            return
        self.follow = False
        self._set_top(self._moved((entry, block, line), -(self.size.height // 3)))

    def reset(self) -> None:
        """Another session: the end is followed, nothing is chosen."""
        self.follow, self.cursor, self.find, self._top, self._seen = True, None, "", (0, 0, 0), 0

    def shifted(self, entries: int) -> None:
        """ENTRIES came in above (negative: left): the same rows stay on the screen."""
        self._top = (max(0, self._top[0] + entries), *self._top[1:]) if self._top[0] + entries >= 0 else (0, 0, 0)
        if self.cursor is not None:
            at = self.cursor[0] + entries
            self.cursor = (at, self.cursor[1]) if at >= 0 else None

    def stops(self) -> list[tuple[int, int]]:
        """Where the cursor can stand near the screen: each entry, and each block of code in an answer."""
        entries = self.window.entries
        near = self.cursor[0] if self.cursor else self._top[0]
        found: list[tuple[int, int]] = []
        for at in range(max(0, near - 60), min(len(entries), near + 60)):
            found += [(at, stop) for stop in sorted({block.stop for block in entries[at].blocks})]
        return found

    def step(self, by: int) -> None:
        """Moves the cursor to the next stop (BY 1) or the one before (-1); through a tall one by rows."""
        if not self.window.entries:
            return
        if self.cursor is None:
            self.cursor = self._first_stop(by)
            self.reveal(*self.cursor)
            return
        if self._hidden(by):
            self.scroll_rows(by * WHEEL)
            return
        stops = self.stops()
        at = stops.index(self.cursor) + by if self.cursor in stops else 0
        if not 0 <= at < len(stops):
            self.scroll_rows(by * WHEEL)
            return
        self.cursor = stops[at]
        self.reveal(*self.cursor)

    def _first_stop(self, by: int) -> tuple[int, int]:
        shown = [place for place in self._places if place is not None]
        if not shown:
            return (len(self.window.entries) - 1, 0)
        entry, block, _ = shown[-1] if by < 0 or self.follow else shown[0]
        return entry, self.window.entries[entry].blocks[block].stop

    def _hidden(self, by: int) -> bool:
        """Whether what the cursor stands on goes on beyond the edge of the screen towards BY."""
        edge = next((place for place in (self._places if by < 0 else reversed(self._places)) if place), None)
        if edge is None or self.cursor is None:
            return False
        further = next(self._up(edge) if by < 0 else self._down(self._moved(edge, 1)), None)
        if further is None or further == edge:
            return False
        return (further[0], self.window.entries[further[0]].blocks[further[1]].stop) == self.cursor and (
            edge[0],
            self.window.entries[edge[0]].blocks[edge[1]].stop,
        ) == self.cursor

    def reveal(self, entry: int, stop: int) -> None:
        """Scrolls as little as needed until the stop is on the screen, from its first row on."""
        blocks = self.window.entries[entry].blocks
        first: Place = (entry, next((at for at, one in enumerate(blocks) if one.stop == stop), 0), 0)
        top = self._last_top() if self.follow else self._held(self._top)
        bottom = self._moved(top, max(0, self.size.height - 2))
        if first < top:
            self._set_top(self._moved(first, -1))
            return
        end = max((at for at, one in enumerate(blocks) if one.stop == stop), default=0)
        last: Place = (entry, end, max(0, len(self._lines(blocks[end])) - 1))
        if last > bottom:
            top = min(first, self._moved(last, 2 - self.size.height))
            self._set_top(top)
        else:
            self.show()

    # --- drawing --------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Draws what is on the screen now; tells the terminal what differs from before."""
        height = self.size.height
        if height < 1 or self.size.width < 4:
            return
        if self.follow:
            self._top, self._seen = self._last_top(), self.window.arrived
        else:
            self._top = min(self._held(self._top), self._last_top())
        places: list[Place | None] = []
        for place in self._down(self._top):
            places.append(place)
            if len(places) >= height:
                break
        self._places = [*places, *([None] * (height - len(places)))]
        if self.window.entries:
            self._write([self._row(at, place) for at, place in enumerate(self._places)])
        else:
            self._write(self._empty_rows(height))
        self._ask(places)

    def _ask(self, places: list[Place | None]) -> None:
        if self.follow or not places:
            return
        first, last = places[0], places[-1]
        if first is not None and first[0] < NEAR and self.window.more:
            self.post_message(self.Near(older=True))
        if last is not None and last[0] > len(self.window.entries) - NEAR and not self.window.live:
            self.post_message(self.Near(older=False))

    def _write(self, rows: list[Strip]) -> None:
        old, self._rows = self._rows, rows
        if len(old) != len(rows) or not self.is_mounted:
            self.refresh()
            return
        dirty = [
            y for y, (before, now) in enumerate(zip(old, rows, strict=True)) if before is not now and before != now
        ]
        if dirty and (self._repaint_required or not transcript_terminal.paint(self, old, rows)):
            self.refresh(*(Region(0, y, self.size.width, 1) for y in dirty))

    def _row(self, y: int, place: Place | None) -> Strip:
        looks = self._looks or self._new_looks()
        if place is None:
            strip = self._blank(looks)
        else:
            entry, block, line = place
            strip = self._strip(self.window.entries[entry].blocks[block], line, looks)
            if self.find:
                strip = _marked(strip, self.find, looks)
            if self.cursor and self.has_focus and self._at_cursor(entry, block, line):
                mark = Segment("▌", looks("agent"))
                strip = Strip([mark, Segment(" ", looks.base), *strip.crop(GUTTER)], self.size.width)
        if not self.follow:
            strip = self._beside(strip, y, looks)
        return strip

    def _empty_rows(self, height: int) -> list[Strip]:
        """What to do first, in the middle of the rows, in one place whatever the width."""
        looks = self._looks or self._new_looks()
        width, blank = self.size.width, self._blank(looks)
        rows = [row for one in self.empty for row in wrap(one, max(8, width - 2 * GUTTER))]
        rows = rows[: max(0, height - 1)]
        made = [
            Strip(
                [Segment(" " * GUTTER, looks.base), *(Segment(text, looks(style)) for text, style in row)]
            ).adjust_cell_length(width, looks.base)
            for row in rows
        ]
        above = 1 if height > len(rows) else 0
        return [*([blank] * above), *made, *([blank] * (height - above - len(made)))]

    def _at_cursor(self, entry: int, block: int, line: int) -> bool:
        if self.cursor is None or self.cursor[0] != entry:
            return False
        one = self.window.entries[entry].blocks[block]
        return one.stop == self.cursor[1] and line >= one.gap and one not in self.window.entries[entry].head

    def _strip(self, block: Block, line: int, looks: Looks) -> Strip:
        lines = self._lines(block)
        width = self.size.width
        if block.strips is None or block.strips[0] != (id(looks), width):
            block.strips = ((id(looks), width), [None] * len(lines))
        kept: list[Strip | None] = block.strips[1]
        if (strip := kept[line]) is None:
            runs = lines[line]
            if not runs:
                strip = self._blank(looks)
            else:
                segments = [Segment(" " * GUTTER, looks.base), *(Segment(text, looks(style)) for text, style in runs)]
                strip = Strip(segments).simplify().adjust_cell_length(width, looks.base)
            kept[line] = strip
        return strip

    def _blank(self, looks: Looks) -> Strip:
        if self._empty.cell_length != self.size.width:
            self._empty = Strip([Segment(" " * self.size.width, looks.base)], self.size.width)
        return self._empty

    _empty = Strip([], 0)

    def _beside(self, strip: Strip, y: int, looks: Looks) -> Strip:
        """STRIP with the bar at its right end, and what is new at the end of the last row."""
        width, height = self.size
        if y == height - 1:
            count = self.window.arrived - self._seen
            text = f" ↓ {count} new " if count else " ↓ end "
            return Strip(
                [*strip.crop(0, width - len(text) - 1), Segment(text, looks("agent strong")), Segment(" ", looks.base)]
            )
        share = self._share()
        if share is not None and y == min(height - 2, int(share * (height - 1))):
            return Strip([*strip.crop(0, width - 1), Segment("▐", looks("muted-2"))], width)
        return strip

    def _share(self) -> float | None:
        """How far down in the session the screen is, 0 to 1: ids grow evenly with its events."""
        newest = self.window.last_id
        top = self._top[0]
        if not newest or top >= len(self.window.entries):
            return None
        return min(1.0, self.window.entries[top].id / newest)

    def _new_looks(self) -> Looks:
        self._looks = Looks(self)
        self._empty = Strip([], 0)
        return self._looks

    def render_line(self, y: int) -> Strip:
        """The row Y as it was drawn last."""
        if y < len(self._rows):
            return self._rows[y]
        return self._blank(self._looks or self._new_looks())

    def redraw(self) -> None:
        """Draws everything anew: another theme, another width."""
        self._looks, self._rows = None, []
        self.show()

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        if self.is_mounted:
            self.redraw()

    # --- what happens to it -----------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Draws what there is."""
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
        """The cursor goes where the mouse is; a second click opens."""
        offset = event.get_content_offset(self)
        if offset is None or not 0 <= offset.y < len(self._places):
            return
        if not self.follow and offset.y == self.size.height - 1 and offset.x > self.size.width - 14:
            self.post_message(self.ToEnd())
            return
        place = self._places[offset.y]
        if place is None:
            return
        entry = self.window.entries[place[0]]
        stop = entry.blocks[place[1]].stop
        self.cursor = (place[0], stop)
        self.show()
        reference = str(event.style.meta.get("reference", ""))
        self.post_message(self.Pressed(entry, reference))

    class ToEnd(Message):
        """The mark of what is new was clicked."""


def _marked(strip: Strip, find: str, looks: Looks) -> Strip:
    """STRIP with each place where FIND stands marked."""
    text = strip.text
    lower = text.lower()
    if find not in lower or len(lower) != len(text):
        return strip
    from rich.cells import cell_len

    cuts: list[int] = []
    at = lower.find(find)
    while at >= 0:
        cuts += [cell_len(text[:at]), cell_len(text[: at + len(find)])]
        at = lower.find(find, at + len(find))
    parts = list(strip.divide([*(cut for cut in cuts if cut), strip.cell_length]))
    inside = bool(cuts and cuts[0] == 0)
    made: list[Segment] = []
    for part in parts:
        made += [Segment(one.text, looks("found")) for one in part] if inside else list(part)
        inside = not inside
    return Strip(made, strip.cell_length)
