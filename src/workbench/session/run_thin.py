"""A series thinned to what a screen can show, by the extremes of blocks of points, whose places are kept.

The blocks of one level are twice as large as those of the level below, so that a part of any size is made of few blocks
or of many that lie side by side: a slice.
"""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

SMALLEST = 16  # points of a block that is kept
_WHOLE = 4  # points a column up to which all are given
_STRETCH = 16  # columns that are thinned alike


class Thinning:
    """A series that grows at its end, and the places of the least and the greatest value of its blocks.

    What is no number is neither, where a block has any number.
    """

    def __init__(self) -> None:
        self.values = array("d")
        self.bad: list[int] = []  # places of values that are no numbers, in order
        self._least: list[array[int]] = []
        self._greatest: list[array[int]] = []

    def extend(self, more: "array[float]") -> None:
        """MORE values at the end."""
        start, values = len(self.values), self.values
        values.extend(more)
        if not math.isfinite(sum(more)):  # a sum beyond all bounds only costs a closer look
            self.bad += [start + at for at, value in enumerate(more) if not math.isfinite(value)]
        size, made = SMALLEST, 0
        for level in range(64):
            if size > len(values):
                break
            if level == len(self._least):
                self._least.append(array("I"))
                self._greatest.append(array("I"))
            made, whole = len(self._least[level]), len(values) // size
            if not level:
                least, greatest = self._extremes(made * size, whole * size, size)
            else:
                least, greatest = self._joined(level, made, whole)
            self._least[level].extend(least)
            self._greatest[level].extend(greatest)
            size *= 2

    def _extremes(self, start: int, end: int, size: int) -> tuple[list[int], list[int]]:
        """The places of the least and greatest values of the blocks of SIZE from START to END."""
        least, greatest = [], []
        bad = self.bad_between(start, end)
        for at in range(start, end, size):
            part = self.values[at : min(at + size, end)]
            low, high = min(part), max(part)
            if bad and not math.isfinite(sum(part)):
                finite = [value for value in part if math.isfinite(value)]
                if not finite:
                    least.append(at)
                    greatest.append(at)
                    continue
                low, high = min(finite), max(finite)
            least.append(at + part.index(low))
            greatest.append(at + part.index(high))
        return least, greatest

    def _joined(self, level: int, made: int, whole: int) -> tuple[list[int], list[int]]:
        """As `_extremes`, from the blocks of the level below."""
        least, greatest = (held[level - 1][2 * made : 2 * whole] for held in (self._least, self._greatest))
        low, high = self._known(least, math.inf), self._known(greatest, -math.inf)
        pairs = zip(least[0::2], least[1::2], low[0::2], low[1::2], strict=True)
        others = zip(greatest[0::2], greatest[1::2], high[0::2], high[1::2], strict=True)
        return (
            [one if x <= y else other for one, other, x, y in pairs],
            [one if x >= y else other for one, other, x, y in others],
        )

    def _known(self, places: Iterable[int], none: float) -> list[float]:
        """The values at PLACES; NONE for a block without any number, which so loses against any other."""
        found = list(map(self.values.__getitem__, places))
        return [value if math.isfinite(value) else none for value in found] if self.bad else found

    def bad_between(self, start: int, end: int) -> bool:
        """Whether one of the values START to END is no number."""
        return bisect_left(self.bad, start) < bisect_left(self.bad, end)

    # --- thinning ------------------------------------------------------------------------------------------

    def thinned(self, xs: Sequence[float], start: int, end: int, edges: Sequence[float]) -> list[int]:
        """Places between START and END that show the same, in order: the least and greatest values of blocks of about
        the width of a column between EDGES of XS, and where values are no numbers the ends of such gaps. All, where
        they are few.
        """
        columns = len(edges) - 1
        found: list[int] = []
        at = start
        for first in range(0, columns, _STRETCH):
            last = min(columns, first + _STRETCH)
            to = end if last == columns else bisect_left(xs, edges[last], at, end)
            if to - at > _WHOLE * (last - first):
                size = 1 << round(math.log2((to - at) / (last - first)))  # a column's points, to half of them
                to = min(end, -(-to // size) * size)  # whole blocks: those at an end are made of many smaller ones
                found += self._stretch(at, to, size)
            else:
                found += range(at, to)
            at = to
        return found

    def _stretch(self, start: int, end: int, size: int) -> list[int]:
        """Places between START and END, by blocks of SIZE."""
        places = {start, end - 1}
        if size < SMALLEST:
            for one in self._extremes(start, end, size):
                places.update(one)
        else:
            self._blocks(places, start, end, size.bit_length() - SMALLEST.bit_length())
        if self.bad:
            self._gaps(places, start, end, size)
        return sorted(places)

    def _blocks(self, places: set[int], start: int, end: int, most: int) -> None:
        """The extremes of the blocks that START to END are made of, of level MOST and, at both ends, of lower ones."""
        first, last = -(-start // SMALLEST), end // SMALLEST
        places.update(range(start, min(end, first * SMALLEST)))
        places.update(range(max(start, last * SMALLEST), end))
        for level in range(most + 1):
            if first >= last:
                break
            least, greatest = self._least[level], self._greatest[level]
            if level == most:
                places.update(least[first:last])
                places.update(greatest[first:last])
                break
            if first % 2:
                places |= {least[first], greatest[first]}
                first += 1
            if last % 2 and first < last:
                last -= 1
                places |= {least[last], greatest[last]}
            first, last = first // 2, last // 2

    def _gaps(self, places: set[int], start: int, end: int, apart: int) -> None:
        """Where numbers end and begin again, no nearer to each other than APART."""
        at, last = bisect_left(self.bad, start), bisect_left(self.bad, end)
        while at < last:
            after = bisect_left(self.bad, self.bad[at] + apart, at, last)
            for place in (self.bad[at], self.bad[after - 1]):
                places |= {near for near in (place - 1, place, place + 1) if start <= near < end}
            at = after


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
