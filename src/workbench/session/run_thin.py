"""A series thinned to what a screen can show, by minima and maxima over blocks that are kept, each of eight below."""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

BASE = 8  # blocks that a block of the next level covers
_WHOLE = 4  # points a column up to which all are given


class Pyramid:
    """Least and greatest values of the blocks of a series that grows at its end. What is no number is in no block."""

    def __init__(self) -> None:
        self.values = array("d")
        self.bad: list[int] = []  # places of values that are no numbers, in order
        self._lows: list[array[float]] = []
        self._highs: list[array[float]] = []

    def extend(self, more: "array[float]") -> None:
        """MORE values at the end."""
        start = len(self.values)
        self.values.extend(more)
        if not math.isfinite(sum(more)):  # a sum beyond all bounds only costs a closer look
            self.bad += [start + at for at, value in enumerate(more) if not math.isfinite(value)]
        level, count = 0, len(self.values)
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
        if level:
            return self._lows[level - 1][start:end], self._highs[level - 1][start:end]
        lows = self.values[start:end]
        first, last = bisect_left(self.bad, start), bisect_left(self.bad, end)
        if first == last:
            return lows, lows
        highs = lows[:]
        for place in self.bad[first:last]:
            lows[place - start], highs[place - start] = math.inf, -math.inf
        return lows, highs

    # --- thinning ------------------------------------------------------------------------------------------

    def thinned(self, xs: Sequence[float], start: int, end: int, edges: Sequence[float]) -> list[int]:
        """Places between START and END that show the same: of each column between EDGES of XS the first, the last, the
        least and the greatest, and where values are no numbers the ends of these gaps. Every place where they are few.

        Columns end where blocks do, so that each point counts in exactly one.
        """
        count, columns = end - start, len(edges) - 1
        if count <= _WHOLE * columns:
            return list(range(start, end))
        level, block = -1, 1
        while level + 1 < len(self._lows) and block * BASE * 4 * columns <= count:
            level, block = level + 1, block * BASE
        found: list[int] = []
        at = start
        for column in range(columns):
            to = end
            if column < columns - 1:
                to = bisect_left(xs, edges[column + 1], at, end)
                to = min(end, -(-to // block) * block)
            if to > at:
                found += self._column(at, to, level, block)
            at = to
        return found

    def _column(self, start: int, end: int, level: int, block: int) -> list[int]:
        places = {start, end - 1}
        first, last = bisect_left(self.bad, start), bisect_left(self.bad, end)
        if last - first < end - start:
            if level < 0 or start % block or end % block:
                self._by_hand(places, start, end, level, block)
            else:
                self._extremes(places, start // block, end // block, level)
        if first < last:
            for place in (self.bad[first], self.bad[last - 1]):
                places |= {at for at in (place - 1, place, place + 1) if start <= at < end}
        return sorted(places)

    def _by_hand(self, places: set[int], start: int, end: int, level: int, block: int) -> None:
        """As `_extremes`, where START or END lies within a block: what is left over at the ends is looked through."""
        first, last = -(-start // block), end // block
        whole = level >= 0 and first < last
        if whole:
            self._extremes(places, first, last, level)
        rest = [range(start, first * block), range(last * block, end)] if whole else [range(start, end)]
        values = self.values
        for part in rest:
            finite = [place for place in part if math.isfinite(values[place])]
            if finite:
                places |= {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)}

    def _extremes(self, places: set[int], first: int, last: int, level: int) -> None:
        """Where the least and the greatest value of the blocks FIRST to LAST of LEVEL lie."""
        for levels, best, none in ((self._lows, min, math.inf), (self._highs, max, -math.inf)):
            value = best(levels[level][first:last])
            if value == none:
                continue
            at = levels[level].index(value, first, last)
            for below in range(level - 1, -1, -1):
                at = levels[below].index(value, at * BASE, at * BASE + BASE)
            places.add(self.values.index(value, at * BASE, at * BASE + BASE))


def edges_of(low: float, high: float, columns: int, log: bool) -> list[float]:
    """The ends of COLUMNS columns from LOW to HIGH, of equal width, or by LOG of equal ratio (from above zero)."""
    if log and 0 < low < high:
        ratio = math.log(high / low)
        return [low * math.exp(ratio * at / columns) for at in range(columns + 1)]
    return [low + (high - low) * at / columns for at in range(columns + 1)]


def span_of(xs: Sequence[float], start: float | None, end: float | None) -> tuple[int, int]:
    """The places of XS, which rise, that lie between START and END."""
    first = 0 if start is None or math.isnan(start) else bisect_left(xs, start)
    last = len(xs) if end is None or math.isnan(end) else bisect_right(xs, end)
    return first, max(first, last)
