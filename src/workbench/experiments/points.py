"""A series of a run in memory and on disk: three columns of doubles, one point a step."""

import contextlib
import math
import operator
import secrets
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

from workbench.experiments.readers.base import Column
from workbench.experiments.types import Goal, Metric

_NEWEST = 1e11  # seconds; beyond is no moment
FILE = "points.bin"  # in a run's folder: all series, as they were at the last look


class Series:
    """Points of one key by rising step; times are Unix times. A later value for a step replaces the earlier one.

    24 bytes a point. NaN and infinities are values like others.
    """

    __slots__ = ("_best", "_seen", "steps", "times", "values")

    def __init__(self) -> None:
        self.steps, self.times, self.values = array("d"), array("d"), array("d")
        self._best: tuple[float, float] = (math.inf, -math.inf)  # least and greatest of the first `_seen` values
        self._seen = 0

    def __len__(self) -> int:
        return len(self.values)

    def take(self, column: Column, now: float) -> None:
        """The points of COLUMN, each after those before it; NOW dates those whose time is not told, or no moment."""
        steps, times = self._counted(column.steps), column.times
        if not steps:
            return
        if any(map(math.isnan, times)) or min(times) < 0 or max(times) >= _NEWEST:
            times = array("d", (time if 0 <= time < _NEWEST else now for time in times))
        if _rising(steps) and (not self.steps or steps[0] > self.steps[-1]):
            self.steps.extend(steps)
            self.times.extend(times)
            self.values.extend(column.values)
        else:
            self._merge(steps, times, column.values)

    def _counted(self, steps: "array[float]") -> "array[float]":
        """STEPS, where those that are not told count on from the one before."""
        if all(map(math.isfinite, steps)):
            return steps
        last = self.steps[-1] if self.steps else -1.0
        counted = array("d")
        for step in steps:
            last = step if math.isfinite(step) else last + 1
            counted.append(last)
        return counted

    def _merge(self, steps: "array[float]", times: "array[float]", values: "array[float]") -> None:
        """Puts points in their places; only what lies behind the first of them is touched."""
        cut = bisect_left(self.steps, min(steps))
        points = dict(zip(self.steps[cut:], zip(self.times[cut:], self.values[cut:], strict=True), strict=True))
        points.update(zip(steps, zip(times, values, strict=True), strict=True))
        del self.steps[cut:], self.times[cut:], self.values[cut:]
        for step in sorted(points):
            time, value = points[step]
            self.steps.append(step)
            self.times.append(time)
            self.values.append(value)
        if cut < self._seen:
            self._best, self._seen = (math.inf, -math.inf), 0

    def best(self, goal: Goal) -> float | None:
        """The least or greatest finite value; None where there is none."""
        if self._seen < len(self.values):
            finite = [value for value in islice(self.values, self._seen, None) if math.isfinite(value)]
            least, greatest = self._best
            self._best = min(least, min(finite, default=least)), max(greatest, max(finite, default=greatest))
            self._seen = len(self.values)
        found = self._best[0] if goal == "min" else self._best[1]
        return found if math.isfinite(found) else None

    def metric(self, goal: Goal) -> Metric:
        """The series in short; it has at least one point."""
        last = self.values[-1]
        told = last if math.isfinite(last) else None
        return Metric(last=told, best=self.best(goal), step=self.steps[-1], count=len(self.values))

    def with_tail(self, other: "Series") -> "Series":
        """This series and, where OTHER tells the same numbers and is ahead, the points that it has beyond this one's.

        The same: at this one's last step, OTHER has a point whose value agrees within what a print-out rounds.
        """
        if not self.steps or not other.steps or other.steps[-1] <= self.steps[-1]:
            return self
        at = bisect_left(other.steps, self.steps[-1])
        if other.steps[at] != self.steps[-1] or not _agree(other.values[at], self.values[-1]):
            return self
        joined = Series()
        joined.steps = self.steps + other.steps[at + 1 :]
        joined.times = self.times + other.times[at + 1 :]
        joined.values = self.values + other.values[at + 1 :]
        return joined

    def scaled(self, factor: float) -> "Series":
        """The same points, their steps multiplied by FACTOR and rounded: those of epochs as those of steps."""
        column, other = Column(), Series()
        scaled = (step * factor for step in self.steps)
        column.steps = array("d", (round(step) if math.isfinite(step) else math.nan for step in scaled))
        column.times, column.values = self.times, self.values
        other.take(column, 0.0)
        return other


def _rising(steps: "array[float]") -> bool:
    return all(map(operator.lt, steps, islice(steps, 1, None)))


def _agree(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=0.01)


# --- on disk ---


class _Stored(msgspec.Struct, array_like=True, frozen=True):
    steps: bytes
    times: bytes
    values: bytes


class _File(msgspec.Struct, array_like=True, frozen=True):
    version: Literal[1]
    order: str  # of bytes: little or big
    series: dict[str, _Stored]


def save(folder: Path, series: Mapping[str, Series]) -> None:
    """Keeps SERIES in the run's FOLDER, all or as before: a run is still known when its own files are gone.

    Raises OSError.
    """
    import sys

    held = {
        key: _Stored(*(part.tobytes() for part in (one.steps, one.times, one.values))) for key, one in series.items()
    }
    temporary = folder / f".{FILE}.{secrets.token_hex(6)}"
    try:
        temporary.write_bytes(msgspec.msgpack.encode(_File(1, sys.byteorder, held)))
        temporary.replace(folder / FILE)
    finally:
        temporary.unlink(missing_ok=True)


def load(folder: Path) -> dict[str, Series] | None:
    """The series that were kept in FOLDER, which may be none; None where nothing was kept or it cannot be read."""
    import sys

    found: dict[str, Series] = {}
    with contextlib.suppress(OSError, msgspec.DecodeError, ValueError):
        file = msgspec.msgpack.decode((folder / FILE).read_bytes(), type=_File)
        for key, stored in file.series.items():
            one = Series()
            for part, data in zip((one.steps, one.times, one.values), msgspec.structs.astuple(stored), strict=True):
                part.frombytes(data)
                if file.order != sys.byteorder:
                    part.byteswap()
            if len(one.steps) == len(one.times) == len(one.values):
                found[key] = one
        return found
    return None
