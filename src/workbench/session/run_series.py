"""Series of runs by page. What was read of a series is kept: while it grows, only its new end is read."""

import math
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from operator import itemgetter
from pathlib import Path

from workbench.experiments.collect import of_run
from workbench.experiments.compare import Curve, Read
from workbench.experiments.points import FILE
from workbench.experiments.points import Series as Points
from workbench.experiments.types import Run
from workbench.protocol import queries as q
from workbench.session.run_points import Place, PointsFile, check_of
from workbench.session.run_table import GOES_ON, RunTable, Stamp, stamp_of
from workbench.session.run_thin import Thinning, edges_of, span_of

_POINTS = 16_000_000  # of all series that are kept; 25 bytes a point
_PAGES = 8  # of a series
_WIDTH = (2, 4000)
_NONE = q.Series(points=())


class _Series:
    """One key of a run: its columns as far as they were read, and its pages."""

    def __init__(self) -> None:
        self.steps, self.times = array("d"), array("d")
        self.thinning = Thinning()
        self.pages: OrderedDict[q.SeriesPage, q.Series] = OrderedDict()
        self.axes: dict[str, array[float] | None] = {}
        self._sums = 0, 0, 0

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def values(self) -> "array[float]":
        """One a step; what is no number stands as it was logged."""
        return self.thinning.values

    def goes_on(self, file: PointsFile, place: Place) -> bool:
        """Whether what was read of it is the beginning of what FILE holds at PLACE."""
        known, offsets = len(self.steps), (place.steps, place.times, place.values)
        return known <= place.points and all(
            file.check(at, known) == held for at, held in zip(offsets, self._sums, strict=True)
        )

    def read(self, file: PointsFile, place: Place) -> None:
        """What FILE holds at PLACE beyond what is known."""
        known = len(self.steps)
        more = [file.column(at, known, place.points - known) for at in (place.steps, place.times, place.values)]
        self._sums = _sums(more, self._sums)
        self.take(*more)

    def take(self, steps: "array[float]", times: "array[float]", values: "array[float]") -> None:
        """More points at the end."""
        self.steps.extend(steps)
        self.times.extend(times)
        self.thinning.extend(values)
        self.pages.clear()
        self.axes.clear()


def _sums(columns: "list[array[float]]", before: tuple[int, int, int]) -> tuple[int, int, int]:
    one, two, three = (check_of(iter((column.tobytes(),)), held) for column, held in zip(columns, before, strict=True))
    return one, two, three


class _Held:
    """The series of one run that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.stamp: Stamp | None = None
        self.record: tuple[str, float | None] | None = None  # what its own files were read for
        self.places: dict[str, Place] = {}
        self.series: dict[str, _Series] = {}
        self._fresh: set[str] = set()  # read since the file was replaced last

    def look(self, run: Run) -> None:
        """Finds out which keys there are, where the file is another than before."""
        stamp = stamp_of(self.folder / FILE)
        if stamp is None:
            self._from_its_files(run)
        elif stamp != self.stamp:
            with suppress(OSError, ValueError, UnicodeDecodeError), PointsFile(self.folder) as file:
                self._opened(file)

    def _opened(self, file: PointsFile) -> None:
        self.stamp, self.places, self.record = file.stamp, file.places, None
        self._fresh.clear()
        for key in self.series.keys() - self.places.keys():
            del self.series[key]

    def _from_its_files(self, run: Run) -> None:
        """A run whose points are not kept: by the files that it is known to have, once it has ended."""
        mark = run.status, run.ended
        if run.status in GOES_ON or mark == self.record:
            return
        self.record, self.stamp = mark, None
        self.series, self.places = {}, {}
        found: Mapping[str, Points] = {}
        with suppress(OSError):
            found = of_run(run, self.folder).series
        for key, one in found.items():
            self.series[key] = series = _Series()
            series.take(one.steps, one.times, one.values)
            self.places[key] = Place(len(one), 0, 0, 0)
        self._fresh = set(self.series)

    def get(self, key: str) -> _Series | None:
        """The series KEY as of the last look."""
        if key in self._fresh and key in self.series:
            return self.series[key]
        if key not in self.places:
            return None
        with suppress(OSError, ValueError, UnicodeDecodeError), PointsFile(self.folder) as file:
            if file.stamp != self.stamp:
                self._opened(file)
            if (place := self.places.get(key)) is not None:
                series = self.series.get(key)
                if series is None or not series.goes_on(file, place):
                    series = _Series()
                series.read(file, place)
                self.series[key] = series
                self._fresh.add(key)
                return series
        return self.series.get(key)  # as it was: the file is gone, or being looked at too early

    def forget(self, key: str) -> None:
        """Lets go of what was read; of what its own files gave, of all of it."""
        if self.stamp is None:
            self.record = None
            self.series.clear()
        self.series.pop(key, None)
        self._fresh.discard(key)


class RunCurves:
    """The series of the runs of TABLE. May be called from any thread."""

    def __init__(self, table: RunTable) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._held: OrderedDict[str, _Held] = OrderedDict()  # by run, the one asked for last at the end

    def page(self, query: q.SeriesPage) -> q.Series:
        """The page that QUERY asks for."""
        run = self._table.run(query.run)
        if run is None:
            self._drop(query.run)
            return _NONE
        held = self._of(run)
        with held.lock:
            held.look(run)
            series = held.get(query.key)
            if series is None or not len(series):
                return _NONE
            found = series.pages.get(query)
            if found is None:
                found = series.pages[query] = _page(query, series, self._axis(query.x, series, held, run))
                while len(series.pages) > _PAGES:
                    series.pages.popitem(last=False)
            else:
                series.pages.move_to_end(query)
        self._bound(query.run, query.key)
        return found

    def keys(self, run: Run) -> list[str]:
        """The keys that RUN has series of."""
        held = self._of(run)
        with held.lock:
            held.look(run)
            return list(held.places)

    def curve(self, run: Run, key: str) -> Curve | None:
        """The whole series KEY of RUN."""
        held = self._of(run)
        with held.lock:
            held.look(run)
            return held.get(key)

    def reader(self) -> Read:
        """Reads the series of a run, each when it is looked at."""
        return lambda run: _Lazily(self, run)

    def _of(self, run: Run) -> _Held:
        folder = self._table.ledger.path(run.id)
        with self._lock:
            held = self._held.get(run.id)
            if held is None or held.folder != folder:
                held = self._held[run.id] = _Held(folder)
            self._held.move_to_end(run.id)
            return held

    def _drop(self, run: str) -> None:
        with self._lock:
            self._held.pop(run, None)

    def _bound(self, run: str, key: str) -> None:
        """Lets go of what was asked for longest ago where too much is kept."""
        with self._lock:
            sizes = [
                (len(series), held, name)
                for held in self._held.values()
                for name, series in list(held.series.items())
                if (held.folder.name, name) != (run, key)
            ]
        total = sum(size for size, _, _ in sizes)
        for size, held, name in sizes:
            if total <= _POINTS:
                break
            with held.lock:
                held.forget(name)
            total -= size

    # --- the x axis ----------------------------------------------------------------------------------------

    def _axis(self, x: str, series: _Series, held: _Held, run: Run) -> "array[float] | None":
        if x == "step":
            return series.steps
        if x not in series.axes:
            series.axes[x] = _times(series, run) if x == "time" else _epochs(series, held) if x == "epoch" else None
        return series.axes[x]


class _Lazily(Mapping[str, Curve]):
    """The series of a run, each read when it is looked at."""

    def __init__(self, curves: RunCurves, run: Run) -> None:
        self._curves, self._run = curves, run
        self._keys = dict.fromkeys(curves.keys(run))

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __getitem__(self, key: str) -> Curve:
        found = self._curves.curve(self._run, key) if key in self._keys else None
        if found is None:
            raise KeyError(key)
        return found


def _page(query: q.SeriesPage, series: _Series, xs: "array[float] | None") -> q.Series:
    if not xs:
        return _NONE
    start, end = span_of(xs, query.start, query.end)
    places = [] if start == 0 else [start - 1]
    if start < end:
        # By a logarithm there is nothing at and below zero to make columns of: those points are one.
        low = query.start if query.start is not None else xs[start]
        high = query.end if query.end is not None else xs[end - 1]
        if query.log:
            above = bisect_left(xs, math.ulp(0.0), start, end)
            low = max(low, xs[above]) if above < end else low
        width = min(max(query.width, _WIDTH[0]), _WIDTH[1])
        places += series.thinning.thinned(xs, start, end, edges_of(low, high, width, query.log))
    if end < len(xs):
        places.append(end)
    told: list[float | None] = [*_at(series.values, places)]
    if series.thinning.bad_between(places[0], places[-1] + 1):
        told = [value if value is not None and math.isfinite(value) else None for value in told]
    points = tuple(zip(_at(xs, places), told, strict=True))
    return q.Series(points=points, total=end - start, first=xs[0], last=xs[-1])


def _at(column: "array[float]", places: list[int]) -> Sequence[float]:
    """What stands at PLACES, in one go: these are a curve's thousand, many times a second."""
    return itemgetter(*places)(column) if len(places) > 1 else [column[place] for place in places]


def _times(series: _Series, run: Run) -> "array[float]":
    """Seconds since RUN began. A clock that was set back stands still until it is as late again."""
    began = run.started or run.created
    if run.origin == "import":
        began = min(began, series.times[0])
    return array("d", (time - began for time in accumulate(series.times, max)))


def _epochs(series: _Series, held: _Held) -> "array[float] | None":
    """Epochs by what the run logged as such: between two of its epochs they grow evenly with the steps."""
    key = min(
        (one for one in held.places if one.rpartition("/")[2].lower() in ("epoch", "epochs")), key=len, default=""
    )
    told = held.get(key) if key else None
    if told is None:
        return None
    knots: list[tuple[float, float]] = []
    for step, epoch in zip(told.steps, told.values, strict=True):
        if math.isfinite(epoch) and (not knots or epoch > knots[-1][1]):
            knots.append((step, epoch))
    if knots and knots[0][0] > 0 and knots[0][1] > 0:
        knots.insert(0, (0.0, 0.0))
    return _between(series.steps, knots) if len(knots) > 1 else None


def _between(steps: "array[float]", knots: list[tuple[float, float]]) -> "array[float]":
    """STEPS as epochs, along straight lines between KNOTS and on beyond the last."""
    found, at, least = array("d"), 1, knots[0][1]
    for step in steps:
        while at < len(knots) - 1 and step > knots[at][0]:
            at += 1
        (one, low), (two, high) = knots[at - 1], knots[at]
        found.append(max(least, low + (step - one) * (high - low) / (two - one)))
    return found
