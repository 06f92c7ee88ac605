"""One line of a chart: its points, and a pyramid of minima and maxima so that a million cost what a screen shows."""

import math
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

BASE = 4  # points of one level that a block of the next one covers
FINE = BASE  # blocks that a span is made of, at least, where it is not made of points


# What the points of one column come to: column, low, high, first, last (None where that point is no number), whether
# it is joined with the point before it, and whether some of its points are no numbers. A plain tuple: there are many.
Span = tuple[int, float, float, float | None, float | None, bool, bool]


class Series:
    """Points in order of x. NaN and infinities stay in it: they are gaps with a mark. Grows at its end, cheaply.

    A point whose x lies before the last one (two writers, a step counted anew) is put where it belongs.
    """

    def __init__(self, name: str, points: Iterable[tuple[float, float]] = ()) -> None:
        self.name = name
        self.version = 0  # grows with every change
        self.xs, self.ys = array("d"), array("d")
        self._bad: list[int] = []  # places of points that are no numbers, in order
        self._lows: list[array[float]] = []
        self._highs: list[array[float]] = []
        self.extend(points)

    def __len__(self) -> int:
        return len(self.xs)

    def append(self, x: float, y: float) -> None:
        """One more point; ValueError where X is no number."""
        if not math.isfinite(x):
            raise ValueError(f"a point of {self.name} has no place: x is {x}")
        self.version += 1
        at = len(self.xs)
        if at and x < self.xs[-1]:
            at = bisect_right(self.xs, x)
            self._bad = [place + (place >= at) for place in self._bad]
            self._forget(at)
        self.xs.insert(at, x)
        self.ys.insert(at, y)
        if not math.isfinite(y):
            insort(self._bad, at)
        if at == len(self.xs) - 1:
            self._grow()
        else:
            self._fill()

    def extend(self, points: Iterable[tuple[float, float]]) -> None:
        """More points, the fastest way in for many; they need not be in order."""
        more = list(points)
        if not more:
            return
        xs = array("d", [x for x, _ in more])
        if not math.isfinite(sum(xs)) and not all(map(math.isfinite, xs)):
            raise ValueError(f"a point of {self.name} has no place: x is no number")
        self.version += 1
        in_order = all(map(float.__le__, xs, xs[1:])) and (not self.xs or self.xs[-1] <= xs[0])
        if not in_order:
            more = sorted([*zip(self.xs, self.ys, strict=True), *more], key=lambda point: point[0])
            self.xs, self.ys, self._bad = array("d"), array("d"), []
            self._forget(0)
            xs = array("d", [x for x, _ in more])
        start = len(self.xs)
        self.xs.extend(xs)
        self.ys.extend(array("d", [y for _, y in more]))
        ys = self.ys
        if not math.isfinite(sum(ys[start:])):
            self._bad.extend(at for at in range(start, len(ys)) if not math.isfinite(ys[at]))
        self._fill()

    # --- the pyramid -----------------------------------------------------------------------------------

    def _forget(self, at: int) -> None:
        """Blocks that the point AT is in, and those behind it, are made anew."""
        for lows, highs in zip(self._lows, self._highs, strict=True):
            at //= BASE
            del lows[at:], highs[at:]

    def _grow(self) -> None:
        """After one point at the end: the blocks that it completes."""
        count, level = len(self.ys), 0
        while count % BASE == 0:
            if level == len(self._lows):
                self._lows.append(array("d"))
                self._highs.append(array("d"))
            lows, highs = self._below(level, count - BASE, count)
            self._lows[level].append(min(lows))
            self._highs[level].append(max(highs))
            count //= BASE
            level += 1

    def _fill(self) -> None:
        """Every block that is complete and not made yet, level by level."""
        level, count = 0, len(self.ys)
        while count >= BASE:
            if level == len(self._lows):
                self._lows.append(array("d"))
                self._highs.append(array("d"))
            made, whole = len(self._lows[level]), count // BASE
            lows, highs = self._below(level, made * BASE, whole * BASE)
            self._lows[level].extend(map(min, *(lows[part::BASE] for part in range(BASE))))
            self._highs[level].extend(map(max, *(highs[part::BASE] for part in range(BASE))))
            level, count = level + 1, whole

    def _below(self, level: int, start: int, end: int) -> tuple["array[float]", "array[float]"]:
        """Lows and highs of the level under LEVEL; a point that is no number is no low and no high."""
        if level:
            return self._lows[level - 1][start:end], self._highs[level - 1][start:end]
        ys = self.ys[start:end]
        first, last = bisect_left(self._bad, start), bisect_left(self._bad, end)
        if first == last:
            return ys, ys
        lows, highs = ys[:], ys[:]
        for place in self._bad[first:last]:
            lows[place - start], highs[place - start] = math.inf, -math.inf
        return lows, highs

    def extent(self, start: int, end: int) -> tuple[float, float]:
        """Lowest and highest value of the points START to END, exact to the size of a block; (inf, -inf): none.

        A block is at most a quarter of what is asked for.
        """
        level, block = self._level(end - start)
        if level < 0:
            lows, highs = self._below(0, start, end)
            return min(lows, default=math.inf), max(highs, default=-math.inf)
        first, last = start // block, -(-end // block)  # whole blocks: none of these points is left out
        low, high = min(self._lows[level][first:last]), max(self._highs[level][first:last])
        made = len(self._lows[level]) * block
        if end > made:  # the newest points are in no block yet
            lows, highs = self._below(0, made, end)
            low, high = min(low, *lows), max(high, *highs)
        return low, high

    def _level(self, count: int) -> tuple[int, int]:
        """The level, and its blocks' size, for looking at COUNT points; -1: at the points themselves."""
        level, block = -1, 1
        while level + 1 < len(self._lows) and count >= FINE * block * BASE:
            level, block = level + 1, block * BASE
        return level, block

    # --- looking ---------------------------------------------------------------------------------------

    def nearest(self, x: float) -> int | None:
        """The place of the point nearest to X."""
        if not self.xs:
            return None
        at = bisect_left(self.xs, x)
        if at == len(self.xs) or (at and x - self.xs[at - 1] <= self.xs[at] - x):
            at -= 1
        return at

    def spans(self, edges: "array[float]") -> list[Span]:
        """The points between EDGES (one more than there are columns), column by column, empty columns left out.

        The nearest points beyond both ends are there as columns -1 and COLUMNS, so that lines go on to the edge.
        """
        xs, columns = self.xs, len(edges) - 1
        start, end = bisect_left(xs, edges[0]), bisect_right(xs, edges[-1])
        found: list[Span] = []
        if start:
            found.append(self._span(-1, start - 1, start))
        if end - start <= columns:
            self._few(found, edges, start, end)
        else:
            self._many(found, edges, start, end)
        if end < len(xs):
            found.append(self._span(columns, end, end + 1))
        return found

    def _few(self, found: list[Span], edges: "array[float]", start: int, end: int) -> None:
        """Fewer points than columns: each looks for its own."""
        at, columns = start, len(edges) - 1
        while at < end:
            column = min(columns - 1, max(0, bisect_right(edges, self.xs[at]) - 1))
            to = at + 1
            while to < end and (column == columns - 1 or self.xs[to] < edges[column + 1]):
                to += 1
            found.append(self._span(column, at, to))
            at = to

    def _many(self, found: list[Span], edges: "array[float]", start: int, end: int) -> None:
        """More points than columns: each column looks for its own."""
        xs, ys, at, columns = self.xs, self.ys, start, len(edges) - 1
        level, block = self._level((end - start) // columns)
        lows, highs = (ys, ys) if level < 0 else (self._lows[level], self._highs[level])
        bad, turn = self._bad, bisect_left(self._bad, start - 1)
        made = 0 if bad and level >= 0 else len(lows) * block  # up to here nothing needs a closer look
        most = BASE * FINE * block
        wrong = bad[turn] if turn < len(bad) else len(ys)  # the next point that is no number
        for column in range(columns):
            to = end if column == columns - 1 else bisect_left(xs, edges[column + 1], at, end)
            if to <= at:
                continue
            if wrong < to:  # a closer look, also where the point before is no number
                found.append(self._span(column, at, to))
                turn = bisect_left(bad, to - 1, turn)
                wrong = bad[turn] if turn < len(bad) else len(ys)
            elif level < 0 and to - at == 1:
                found.append((column, y := ys[at], y, y, y, at > 0, False))
            elif to <= made and to - at <= most:
                first, last = at // block, -(-to // block)
                low, high = min(lows[first:last]), max(highs[first:last])
                found.append((column, low, high, ys[at], ys[to - 1], at > 0, False))
            else:
                found.append(self._span(column, at, to))
            at = to

    def _span(self, column: int, start: int, end: int) -> Span:
        ys, low_high = self.ys, self.extent(start, end)
        first, last = ys[start], ys[end - 1]
        if not self._bad:
            return (column, *low_high, first, last, start > 0, False)
        bad = bisect_left(self._bad, start) < bisect_left(self._bad, end)
        joined = start > 0 and math.isfinite(ys[start - 1]) and math.isfinite(first)
        one, two = first if math.isfinite(first) else None, last if math.isfinite(last) else None
        return (column, *low_high, one, two, joined, bad)
