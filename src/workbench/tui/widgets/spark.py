"""A short history as a row of blocks."""

from collections.abc import Iterable

BLOCKS = "▁▂▃▄▅▆▇█"
HELD_S = 15.0  # a value stands for what follows it no longer than this


def bins(points: Iterable[tuple[float, float | None]], now: float, cells: int, step: float) -> list[float | None]:
    """POINTS (time, value; oldest first) as the means of CELLS spans of STEP seconds, the last one holding NOW.

    Spans begin at multiples of STEP, so that a history moves by whole cells. A span without a point takes the value
    before it while that is fresh; else it is None.
    """
    first = int(now // step) - cells + 1
    sums, counts = [0.0] * cells, [0] * cells
    before: tuple[float, float] | None = None
    for at, value in points:
        place = int(at // step) - first
        if value is None or place >= cells:
            continue
        if place < 0:
            before = at, value
            continue
        sums[place] += value
        counts[place] += 1
    found: list[float | None] = []
    for place in range(cells):
        if counts[place]:
            before = (first + place) * step, sums[place] / counts[place]
        found.append(before[1] if before and (first + place) * step - before[0] <= HELD_S else None)
    return found


def spark(values: Iterable[float | None], top: float = 100.0) -> str:
    """VALUES from 0 to TOP, a block each; a blank where one is not known."""
    most = len(BLOCKS) - 1
    return "".join(" " if value is None else BLOCKS[max(0, min(most, round(value / top * most)))] for value in values)
