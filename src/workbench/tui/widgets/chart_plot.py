"""From series to a canvas: what a chart shows in a given size, and where. Pure: no widget, no terminal."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workbench.tui.widgets.chart_axis import LEAST, Axis, number, padded
from workbench.tui.widgets.chart_canvas import Canvas
from workbench.tui.widgets.chart_series import Series, Span

NO_NUMBER, BELOW = "×", "↓"  # marks of a gap: NaN or infinite; not above 0 on a logarithmic axis
LARGEST = 1e300  # beyond it the difference of two values may be no number


@dataclass
class Plot:
    """What was drawn: rows of runs (text, index of the series), the axes, and the row where each line ends."""

    rows: list[list[tuple[str, int]]] = field(default_factory=list)
    x: Axis | None = None
    y: Axis | None = None
    ends: dict[int, int] = field(default_factory=dict)


def extent_x(series: Sequence[Series], log: bool = False) -> tuple[float, float] | None:
    """The first and the last x of all SERIES (above 0 for a log); None where there is no point."""
    from bisect import bisect_right

    lows, highs = [], []
    for one in series:
        first = bisect_right(one.xs, 0.0) if log else 0
        if first < len(one):
            lows.append(one.xs[first])
            highs.append(one.xs[-1])
    return (min(lows), max(highs)) if lows else None


def plot(
    series: Sequence[Series],
    width: int,
    height: int,
    x_range: tuple[float, float] | None = None,
    log_x: bool = False,
    log_y: bool = False,
) -> Plot:
    """SERIES on WIDTH by HEIGHT cells, the first one on top. X_RANGE: all where None; the values fit themselves."""
    reach = x_range or extent_x(series, log_x)
    if reach is None or width < 1 or height < 1:
        return Plot()
    low, high = reach if reach[1] - reach[0] > LEAST else padded(*reach, log_x)
    x = Axis(low, high, width * 2, log_x)
    edges = _edges(x, width * 2)
    spans = [one.spans(edges) for one in series]
    values = _extent_y(spans, width * 2, log_y)
    if values is None:
        values = (1.0, 10.0) if log_y else (0.0, 1.0)
    y = Axis(*padded(*values, log_y), height * 4, log_y)
    canvas = Canvas(width, height)
    ends: dict[int, int] = {}
    for owner in range(len(series) - 1, -1, -1):
        if (end := _Pen(canvas, y, owner).draw(spans[owner])) is not None:
            ends[owner] = end
    return Plot(canvas.rows(), x, y, ends)


def _edges(x: Axis, columns: int) -> "array[float]":
    step = (x.dots - 1) / columns
    edges = array("d", [x.value(column * step) for column in range(columns + 1)])
    edges[0], edges[-1] = x.low, x.high  # exactly: rounding must not lose the outermost points
    return edges


def _extent_y(spans: Sequence[Sequence[Span]], columns: int, log: bool) -> tuple[float, float] | None:
    """Lowest and highest value in sight; where no point is, of those next to it, whose lines cross what is seen."""
    for first, behind in ((0, columns), (-1, columns + 1)):
        lows: list[float] = []
        highs: list[float] = []
        for one in spans:
            seen = [span for span in one if first <= span[0] < behind and span[1] <= span[2]]
            seen = [span for span in seen if span[2] > 0] if log else seen
            highs += [span[2] for span in seen]
            # What is not above 0 runs off the bottom.
            lows += [span[1] if span[1] > 0 else span[2] for span in seen] if log else [span[1] for span in seen]
        if lows:
            return max(min(lows), -LARGEST), min(max(highs), LARGEST)
    return None


class _Pen:
    """Draws one series; knows where it was last."""

    def __init__(self, canvas: Canvas, y: Axis, owner: int) -> None:
        self.canvas, self.owner, self.log = canvas, owner, y.log
        self.bottom = canvas.height * 4 - 1
        self.row = canvas.height - 1  # of the last value: where a mark goes
        self.dot = _log_dot(y, self.bottom) if y.log else _even_dot(y, self.bottom)

    def draw(self, spans: Sequence[Span]) -> int | None:
        """Lines through SPANS; the row where they end."""
        canvas, dot, owner, columns = self.canvas, self.dot, self.owner, self.canvas.width * 2
        upright, line, lowest = canvas.upright, canvas.line, canvas.height - 1
        before: tuple[int, int] | None = None  # dot of the last value
        broken, drawn = False, False
        for column, low, high, first, last, joined, bad in spans:
            if low > high or (self.log and high <= 0):  # nothing that has a place
                if not broken:
                    canvas.mark(*self._gap(column, low > high))
                before, broken = None, True
                continue
            top = dot(high)
            end = dot(low) if low != high else top
            tail = top if last == high else end if last == low else dot(last) if last is not None else None
            if before is not None and joined:
                if column > before[0] + 1:
                    line(before[0], before[1], column, dot(first), owner)  # type: ignore[arg-type]
                elif before[1] < top:
                    top = before[1] + 1
                elif before[1] > end:
                    end = before[1] - 1
            if 0 <= column < columns:
                upright(column, top, end, owner)
                drawn = True
            if bad and not broken:
                self.row = top >> 2
                canvas.mark(self.row, column >> 1, NO_NUMBER, owner)
            broken = False
            before = None
            if tail is not None:
                before = (column, tail)
                if column < columns:
                    row = tail >> 2
                    self.row = 0 if row < 0 else row if row < lowest else lowest
        return self.row if drawn else None

    def _gap(self, column: int, number: bool) -> tuple[int, int, str, int]:
        row = self.row if number else self.canvas.height - 1
        return row, column >> 1, NO_NUMBER if number else BELOW, self.owner


def _even_dot(y: Axis, bottom: int) -> Callable[[float], int]:
    low, scale, round_up = y.low, y.scale, bottom + 0.5

    def dot(value: float) -> int:
        return int(round_up - (value - low) * scale)

    return dot


def _log_dot(y: Axis, bottom: int) -> Callable[[float], int]:
    def dot(value: float) -> int:
        return bottom - y.dot(value)

    return dot


def labels(drawn: Plot) -> dict[int, str]:
    """The numbers beside the y axis, by row."""
    if drawn.y is None:
        return {}
    rows = len(drawn.rows)
    ticks = drawn.y.ticks(max(3 if rows > 3 else 2, rows * 2 // 5))
    return {rows - 1 - (drawn.y.dot(value) >> 2): number(value) for value in ticks}


def names_at_ends(drawn: Plot, names: Sequence[str]) -> dict[int, tuple[str, int]]:
    """Where each line ends, or in the nearest free row."""
    placed: dict[int, tuple[str, int]] = {}
    for owner in sorted(owner for owner in drawn.ends if owner < len(names)):
        free = [(abs(row - drawn.ends[owner]), row) for row in range(len(drawn.rows)) if row not in placed]
        if free:
            placed[min(free)[1]] = names[owner], owner
    return placed
