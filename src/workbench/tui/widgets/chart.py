"""A chart of several series in braille, with axes, zoom, and a cursor that reads values.

Drawn line by line; a series of a million points costs what the width of the screen costs.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from workbench.tui.panes.rows import cut
from workbench.tui.widgets.chart_axis import duration, number
from workbench.tui.widgets.chart_canvas import NOBODY
from workbench.tui.widgets.chart_plot import Plot, extent_x, labels, names_at_ends, plot
from workbench.tui.widgets.chart_series import Series

LEFT = 9  # cells for the numbers beside the y axis, with the axis
NAMES = 12  # cells at most for the names where the lines end
WIDE = 44  # cells from which there is room for them
LOOKS = 4  # looks of lines: the first is the agent's colour, the second plain, the others stand back
_BOLD = Style(bold=True)
NEAREST = 1e-6  # of all there is: zooming in ends here


class Chart(Widget, can_focus=True):
    """`series`: the first one stands out, the second is what it is compared with, the others stand back.

    Call `show` with other series, `changed` after one of them has grown. `x_range` None: all that there is, and what
    comes; it is narrowed by keys and mouse. `cursor` is an x whose values the first line tells. `behind` are curves
    without a name, under the others, faint: what was smoothed. `bounds` is what there is where series hold but a part.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chart--0", "chart--1", "chart--2", "chart--3", "chart--behind", "chart--axis", "chart--cursor", "chart--text",
    }  # fmt: skip
    DEFAULT_CSS = """
    Chart {
        height: 1fr; width: 1fr; min-height: 4;
        & > .chart--0 { color: $agent; }
        & > .chart--1 { color: $foreground; }
        & > .chart--2 { color: $muted; }
        & > .chart--3 { color: $muted-2; }
        & > .chart--behind { color: $border-dim; }
        & > .chart--axis { color: $muted-2; }
        & > .chart--cursor { color: $muted; }
        & > .chart--text { color: $muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "cursor left"),
        Binding("right", "move(1)", "cursor right"),
        Binding("home", "move(-1000000)", "cursor to the first"),
        Binding("end", "move(1000000)", "cursor to the last"),
        Binding("plus,equals_sign", "zoom(0.5)", "zoom in"),
        Binding("minus", "zoom(2.0)", "zoom out"),
        Binding("h", "pan(-0.25)", "earlier"),
        Binding("l", "pan(0.25)", "later"),
        Binding("0", "all", "all of it"),
        Binding("L", "log_y", "log y"),
        Binding("X", "log_x", "log x"),
        Binding("c", "cursor", "cursor on or off"),
    ]
    ALLOW_SELECT = False

    class Seen(Message):
        """Another part of x is shown."""

    def __init__(self, title: str = "", x_name: str = "step", x_time: bool = False) -> None:
        super().__init__()
        self.title, self.x_name, self.nothing = title, x_name, "no points yet"
        self.series: tuple[Series, ...] = ()
        self.behind: tuple[Series, ...] = ()
        self.bounds: tuple[float, float] | None = None
        self.x_range: tuple[float, float] | None = None
        self.cursor: float | None = None
        self.log_x = self.log_y = False
        self.x_time = x_time
        self._x_format: Callable[[float], str] = duration if x_time else number
        self._plot = Plot()
        self._plotted: object = None
        self._labels: dict[int, str] = {}  # row of the canvas -> number beside it
        self._names: dict[int, tuple[str, int]] = {}  # row of the canvas -> name of the series that ends there
        self._styles: dict[str, Style] = {}
        self._lines: dict[int, Strip] = {}  # as they were made last
        self._grip: tuple[int, tuple[float, float]] | None = None  # where the mouse took hold, and what was shown

    # --- what is shown -------------------------------------------------------------------------------------

    def show(self, series: Sequence[Series], behind: Sequence[Series] = ()) -> None:
        """Draws SERIES from now on, over those BEHIND; only lines that are other than before are written."""
        self.series, self.behind = tuple(series), tuple(behind)
        self._plotted = None
        width, before = self.size.width, dict(self._lines)
        changed = [y for y in range(self.size.height) if before.get(y) != self.render_line(y)]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def measure(self, x_name: str, x_time: bool = False) -> None:
        """Another x: all of it is shown, and the cursor, which was on another scale, is gone."""
        self.x_name, self.x_time = x_name, x_time
        self._x_format = duration if x_time else number
        self.x_range = self.cursor = None
        self._plotted = None
        self.refresh()

    def changed(self) -> None:
        """Draws again if a series has grown."""
        if self._key() != self._plotted:
            self.refresh()

    def readings(self) -> list[tuple[str, float, float]]:
        """Name, x and value of the point of each series that is nearest to the cursor, as it was before smoothing.

        A series that begins behind the cursor or ends before it has none.
        """
        if self.cursor is None:
            return []
        raw = {one.name: one for one in self.behind}
        cell = 2 / self._plot.x.scale if self._plot.x is not None and not self._plot.x.log else 0.0
        told = []
        for one in (raw.get(one.name, one) for one in self.series):
            at = one.nearest(self.cursor)
            if at is not None and one.xs[0] - cell <= self.cursor <= one.xs[-1] + cell:
                told.append((one.name, one.xs[at], one.ys[at]))
        return told

    @property
    def reach(self) -> tuple[float, float] | None:
        """The x from and to which it shows; None without a point."""
        return self.x_range or self._whole()

    def _whole(self) -> tuple[float, float] | None:
        """From where to where there is anything at all."""
        found = extent_x(self.series, self.log_x)
        if self.bounds is None or found is None:
            return found
        low = found[0] if self.log_x else min(found[0], self.bounds[0])
        return low, max(found[1], self.bounds[1])

    def action_zoom(self, factor: float, about: float | None = None) -> None:
        """Shows FACTOR times as much, around ABOUT: the cursor, else the middle."""
        axis, whole = self._plot.x, self._whole()
        if axis is None or whole is None or whole[1] <= whole[0]:
            return
        if about is None:
            about = self.cursor if self.cursor is not None else axis.value((axis.dots - 1) / 2)
        at = axis.dot(about) / (axis.dots - 1)
        span = (axis.dots - 1) * factor
        start = axis.dot(about) - span * at
        self._see(axis.value(start), axis.value(start + span), whole)

    def action_pan(self, share: float) -> None:
        """Moves on by SHARE of what is shown."""
        axis, whole = self._plot.x, self._whole()
        if axis is None or whole is None or self.x_range is None:
            return
        by = share * (axis.dots - 1)
        first, last = axis.dot(whole[0]), axis.dot(whole[1])  # stops at the ends
        by = min(by, max(0, last - (axis.dots - 1))) if by > 0 else max(by, min(0, first))
        self._see(axis.value(by), axis.value(axis.dots - 1 + by), whole)

    def _see(self, low: float, high: float, whole: tuple[float, float]) -> None:
        if high - low < (whole[1] - whole[0]) * NEAREST:
            return
        low, high = max(low, whole[0]), min(high, whole[1])
        self.x_range = None if (low, high) == whole or high <= low else (low, high)
        self.refresh()
        self.post_message(self.Seen())

    def action_all(self) -> None:
        """Shows all there is."""
        self.x_range = None
        self.refresh()
        self.post_message(self.Seen())

    def action_log_y(self) -> None:
        """Logarithmic values, or even ones."""
        self.log_y = not self.log_y
        self.refresh()

    def action_log_x(self) -> None:
        """A logarithmic x, or an even one."""
        self.log_x = not self.log_x
        self.x_range = None
        self.refresh()

    def action_cursor(self) -> None:
        """Shows the cursor at the last point, or hides it."""
        reach = self.reach
        self.point(reach[1] if self.cursor is None and reach else None)

    def action_move(self, cells: int) -> None:
        """Moves the cursor by CELLS, from the end where it was not shown."""
        axis, reach = self._plot.x, self.reach
        if axis is None or reach is None:
            return
        column = self._cursor_column()
        if column is None:
            column = 0 if cells > 1 else axis.dots // 2 - 1
        else:
            column += cells
        self.point(self._x_at(max(0, min(axis.dots // 2 - 1, column))))

    # --- the mouse -----------------------------------------------------------------------------------------

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The cursor follows; with a button held, the chart does."""
        axis = self._plot.x
        if axis is None:
            return
        if self._grip is not None:
            grip, (low, high) = self._grip
            whole = self._whole()
            by = (grip - event.x) * 2
            if whole and self.x_range is not None:
                shift = axis.value(by) - axis.low if not self.log_x else 0.0
                shift = min(max(shift, whole[0] - low), whole[1] - high)
                self._see(low + shift, high + shift, whole)
            return
        column = event.x - LEFT
        self.point(self._x_at(column) if 0 <= column < axis.dots // 2 else None)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Takes hold of what is zoomed."""
        if self.x_range is not None and event.button == 1:
            self._grip = event.x, self.x_range
            self.capture_mouse()

    def on_mouse_up(self) -> None:
        """Lets go."""
        self._grip = None
        self.release_mouse()

    def on_leave(self) -> None:
        """The mouse is elsewhere."""
        if not self.has_focus:
            self.point(None)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Closer, about the pointer."""
        event.stop()
        self.action_zoom(0.8, self._x_at(event.x - LEFT))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Farther, about the pointer."""
        event.stop()
        self.action_zoom(1.25, self._x_at(event.x - LEFT))

    def _x_at(self, column: int) -> float | None:
        axis = self._plot.x
        return None if axis is None else axis.value(max(0, min(axis.dots - 1, column * 2 + 0.5)))

    def _cursor_column(self) -> int | None:
        axis = self._plot.x
        if axis is None or self.cursor is None:
            return None
        dot = axis.dot(self.cursor)
        return dot >> 1 if 0 <= dot < axis.dots else None

    def point(self, x: float | None) -> None:
        """The cursor at X, None: nowhere. Only the cells that it leaves and comes to are drawn again."""
        if x == self.cursor:
            return
        columns = [self._cursor_column()]
        self.cursor = x
        columns.append(self._cursor_column())
        regions = [
            Region(LEFT + column, 1, 1, max(0, self.size.height - 2)) for column in columns if column is not None
        ]
        self.refresh(Region(0, 0, self.size.width, 1), *regions)

    # --- drawing -------------------------------------------------------------------------------------------

    def _key(self) -> object:
        versions = tuple((id(one), one.version) for one in (*self.series, *self.behind))
        return versions, self.size, self.x_range, self.log_x, self.log_y

    def _drawn(self) -> Plot:
        if (key := self._key()) != self._plotted:
            names = [cut(one.name, NAMES) for one in self.series]
            named = self.size.width >= WIDE and len(names) > 1
            width = self.size.width - LEFT - (max(map(cell_len, names)) + 1 if named else 0)
            self._plot = plot(
                (*self.series, *self.behind), width, self.size.height - 2, self.reach, self.log_x, self.log_y
            )
            self._labels = labels(self._plot)
            self._names = names_at_ends(self._plot, names) if named else {}
            self._plotted = key
        return self._plot

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            self._styles[name] = self.get_component_rich_style(f"chart--{name}")
        return self._styles[name]

    def _look(self, owner: int) -> Style:
        if owner >= len(self.series):
            return self._style("behind")
        return self._style(str(owner) if owner < 2 else str(2 + owner % 2))

    def notify_style_update(self) -> None:
        """Another theme, other colours."""
        super().notify_style_update()
        self._styles.clear()

    def render_line(self, y: int) -> Strip:
        """The line Y: title and readings, the canvas between its axes, or the x axis' numbers."""
        drawn, (width, height) = self._drawn(), self.size
        if y == 0:
            segments = self._top(width)
        elif y == height - 1 and height > 2:
            segments = self._bottom(drawn)
        else:
            segments = self._middle(drawn, y - 1)
        line = Strip(segments).adjust_cell_length(width, self.visual_style.rich_style)
        self._lines[y] = line
        return line

    def _top(self, width: int) -> list[Segment]:
        title = cut(self.title, width)
        segments = [Segment(title, self._style("text"))]
        left = width - cell_len(title)
        for text, style in self._told():
            if cell_len(text) > left:
                segments.append(Segment("…"[:left], self._style("text")))
                break
            segments.append(Segment(text, style))
            left -= cell_len(text)
        return segments

    def _told(self) -> list[tuple[str, Style]]:
        """What the cursor reads; without it the names of the curves, where they do not stand at their ends."""
        if self.cursor is None:
            few = self.size.width < WIDE or len(self.series) < 2
            return [(f"  ─ {cut(one.name, NAMES)}", self._look(at)) for at, one in enumerate(self.series) if few]
        told = [(f"  {self.x_name} {self._x_format(self.cursor)}", self._style("text"))]
        values = {name: number(value) for name, _, value in self.readings()}
        for at, one in enumerate(self.series):
            told.append((f"  {cut(one.name, NAMES)} {values.get(one.name, '–')}", self._look(at)))
        return told

    def _middle(self, drawn: Plot, row: int) -> list[Segment]:
        axis = self._style("axis")
        if drawn.y is None or row >= len(drawn.rows):
            words = self.nothing if row == 0 else ""
            return [Segment(" " * LEFT, axis), Segment(words, self._style("text"))]
        label = self._labels.get(row)
        edge = f"{label:>{LEFT - 2}} ┤" if label is not None else " " * (LEFT - 1) + "│"
        segments = [Segment(edge, axis)]
        runs, cursor = drawn.rows[row], self._cursor_column()
        at = 0
        for text, owner in runs:
            style = axis if owner == NOBODY else self._look(owner)
            if cursor is not None and at <= cursor < at + len(text):
                here = cursor - at
                under = text[here]
                mark = Segment("│", self._style("cursor")) if under == " " else Segment(under, style + _BOLD)
                segments += [Segment(text[:here], style), mark, Segment(text[here + 1 :], style)]
            else:
                segments.append(Segment(text, style))
            at += len(text)
        if row in self._names:
            name, owner = self._names[row]
            segments.append(Segment(f" {name}", self._look(owner)))
        return segments

    def _bottom(self, drawn: Plot) -> list[Segment]:
        if drawn.x is None:
            return []
        room = drawn.x.dots // 2
        line = [" "] * (LEFT + room)
        taken = 0
        for value in drawn.x.ticks(max(2, room // 12), self.x_time):
            text = self._x_format(value)
            column = LEFT + (drawn.x.dot(value) >> 1)
            start = max(taken, min(column - len(text) // 2, len(line) - len(text)))
            if start < LEFT - 1 or start + len(text) > len(line):
                continue
            line[start : start + len(text)] = text
            taken = start + len(text) + 1
        return [Segment("".join(line), self._style("axis"))]
