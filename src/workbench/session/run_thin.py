"""A series thinned to what a screen can show, by minima and maxima over blocks that are kept, each of eight below."""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

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

        Columns end where blocks do that are a quarter of them at most, so that each point counts in exactly one.
        """
        count, columns = end - start, len(edges) - 1
        if count <= _WHOLE * columns:
            return list(range(start, end))
        found: list[int] = []
        at = start
        for column in range(columns):
            to = end if column == columns - 1 else bisect_left(xs, edges[column + 1], at, end)
            if to - at <= _WHOLE:
                found += range(at, to)
            else:
                block = 1
                while block * BASE * _WHOLE <= to - at:
                    block *= BASE
                to = min(end, -(-to // block) * block)
                found += self._column(at, to)
            at = to
        return found

    def _column(self, start: int, end: int) -> list[int]:
        places = {start, end - 1}
        for levels, best, none in ((self._lows, min, math.inf), (self._highs, max, -math.inf)):
            if (place := self._extreme(levels, best, none, start, end)) >= 0:
                places.add(place)
        if self.bad:
            first, last = bisect_left(self.bad, start), bisect_left(self.bad, end)
            for place in {self.bad[first], self.bad[last - 1]} if first < last else ():
                places |= {at for at in (place - 1, place, place + 1) if start <= at < end}
        return sorted(places)

    def _extreme(
        self, levels: "list[array[float]]", best: Callable[..., float], none: float, start: int, end: int
    ) -> int:
        """Where the best value between START and END lies, -1 where none is a number: by the largest blocks there."""
        found, held, level = none, (-1, 0, 0), -1
        while start < end:
            # What of this level stands before and behind the blocks of the next one; all of it where there are none.
            higher = level + 1 < len(levels) and end - start >= 2 * BASE
            first, last = (-(-start // BASE), end // BASE) if higher else (end, end)
            spans = ((start, first * BASE), (last * BASE, end)) if higher else ((start, end),)
            for one, two in spans:
                if one < two:
                    value = best(levels[level][one:two] if level >= 0 else self._finite(one, two), default=none)
                    if value != none and best(value, found) == value:
                        found, held = value, (level, one, two)
            start, end, level = (first, last, level + 1) if higher else (end, end, level)
        level, one, two = held
        if one == two:
            return -1
        while level >= 0:
            at = levels[level].index(found, one, two)
            level, one, two = level - 1, at * BASE, at * BASE + BASE
        return self.values.index(found, one, two)

    def _finite(self, start: int, end: int) -> "array[float] | list[float]":
        values = self.values[start:end]
        return [value for value in values if math.isfinite(value)] if self.bad else values


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
