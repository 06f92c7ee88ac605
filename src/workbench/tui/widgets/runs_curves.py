"""The points of the curves that are drawn: asked for by pages as wide as the chart, finer where one zooms in."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from workbench.protocol.queries import AnyPage, AnyQuery, RunRow, SeriesPage
from workbench.protocol.queries import Series as Page
from workbench.tui.widgets.chart_series import Series

Ask = Callable[[AnyQuery], Awaitable[AnyPage]]
Points = list[tuple[float, float]]
Range = tuple[float, float]
MOST = 10  # runs that are drawn at once
KEPT = 200  # pages that are held
SMOOTHING = (0.0, 0.01, 0.03, 0.1)  # share of a curve's length after which a value counts a third


class _Held(NamedTuple):
    """A page, and what it is of: the run's points by then, and the part that was asked for (None: all of it)."""

    mark: object
    page: Page
    part: Range | None = None


class Curves:
    """Pages of series by run, metric and x. `view` is what is looked at, None for all; `width` in columns of dots."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._whole: dict[tuple[str, str, str], _Held] = {}
        self._parts: dict[tuple[str, str, str], _Held] = {}
        self.key, self.x = "", "step"
        self.width = 0
        self.view: Range | None = None
        self.log = False  # whether columns are as wide by the logarithm of x

    def forget(self) -> None:
        """Another session's runs."""
        self._whole.clear()
        self._parts.clear()

    async def refresh(self, runs: Sequence[RunRow]) -> bool:
        """Asks for what is missing or has grown of RUNS; whether something came."""
        came = any(await asyncio.gather(*map(self._refreshed, runs[:MOST])))  # one way there and back for all of them
        for held in (self._whole, self._parts):
            while len(held) > KEPT:
                del held[next(iter(held))]
        return came

    async def _refreshed(self, run: RunRow) -> bool:
        if (metric := run.metrics.get(self.key)) is None:
            return False
        mark = (metric.count, metric.step, run.points_at, self.width // 40, self.log)
        came = await self._take(self._whole, run.id, mark, None)
        if self.view is not None and not self._fine(run.id):
            came |= await self._take(self._parts, run.id, mark, _around(self.view))
        return came

    async def _take(self, into: dict[tuple[str, str, str], _Held], run: str, mark: object, part: Range | None) -> bool:
        place, x = (run, self.key, self.x), self.x
        held = into.get(place)
        if held is not None and held.mark == mark and held.part == part:
            return False
        start, end = part or (None, None)
        width = max(40, self.width) * (2 if part else 1)  # a part is twice what is seen of it
        page = await self._ask(
            SeriesPage(run=run, key=place[1], start=start, end=end, width=width, x=x, log=self.log and part is None)
        )
        if not isinstance(page, Page):
            return False
        into[place] = _Held(mark, page, part)
        return held is None or held.page != page

    def _fine(self, run: str) -> bool:
        """Whether all points are held already, thinned by nobody."""
        whole = self._whole.get((run, self.key, self.x))
        return whole is not None and len(whole.page.points) >= whole.page.total

    def bounds(self, runs: Sequence[RunRow]) -> Range | None:
        """From where to where there are points of RUNS."""
        pages = [held.page for run in runs[:MOST] if (held := self._whole.get((run.id, self.key, self.x)))]
        firsts = [page.first for page in pages if page.first is not None]
        lasts = [page.last for page in pages if page.last is not None]
        return (min(firsts), max(lasts)) if firsts and lasts else None

    def points(self, run: str) -> Points:
        """What is known of a run's curve, the finest of it; a value that is no number is NaN."""
        place = (run, self.key, self.x)
        whole, part = self._whole.get(place), self._parts.get(place)
        if whole is None:
            return []
        points = list(whole.page.points)
        if part is not None and part.part is not None and not self._fine(run):
            low, high = part.part
            points = [
                *(point for point in points if point[0] < low),
                *(point for point in part.page.points if low <= point[0] <= high),
                *(point for point in points if point[0] > high),
            ]
        return [(x, math.nan if y is None else y) for x, y in points]

    def series(self, runs: Sequence[tuple[RunRow, str]], smoothing: float) -> tuple[list[Series], list[Series]]:
        """The curves of RUNS under their names, and, where they are smoothed, the raw ones to stand behind."""
        told: list[Series] = []
        behind: list[Series] = []
        for run, name in runs[:MOST]:
            if not (points := self.points(run.id)):
                continue
            raw = Series(name, points)
            if smoothing and raw.xs[-1] > raw.xs[0]:
                behind.append(raw)
                told.append(Series(name, smoothed(points, (raw.xs[-1] - raw.xs[0]) * smoothing)))
            else:
                told.append(raw)
        return told, behind


def smoothed(points: Points, reach: float) -> Points:
    """An exponential moving average over x: a value REACH back counts a third (1/e); by x, so that gaps and thinned
    points weigh what they stand for. The first ones are averages of what there is. What is no number stays a gap.
    """
    told: Points = []
    total = weight = 0.0
    before: float | None = None
    for x, y in points:
        if not math.isfinite(y):
            told.append((x, y))
            continue
        keep = math.exp(-(x - before) / reach) if before is not None else 0.0
        fresh = max(1.0 - keep, 1e-9)
        total, weight = total * keep + y * fresh, weight * keep + fresh
        before = x
        told.append((x, total / weight))
    return told


def _around(view: Range) -> Range:
    """VIEW and a part on either side, so that a small step shows at once."""
    room = (view[1] - view[0]) / 2
    return view[0] - room, view[1] + room
