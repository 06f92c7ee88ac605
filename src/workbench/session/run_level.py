"""Runs that are not as far as what they are compared with: both values at the last step that both have."""

from bisect import bisect_right
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.experiments.compare import telling
from workbench.experiments.points import FILE
from workbench.experiments.types import Run

if TYPE_CHECKING:
    from array import array

KEYS = 3  # of a run, the most telling ones
_KEPT = 60  # series, those of what goes on among them

Level = tuple[float, float, float]  # step, the run's value there, that of the other


class Levels:
    """Values at equal steps. What was read is kept until its file is another; one caller at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, str], tuple[object, array[float], array[float]]] = OrderedDict()

    def of(self, run: Run, folder: Path, other: Run, its: Path) -> dict[str, Level]:
        """By metric, how RUN stands against OTHER at the last step that both have; what ends equally far is left out.

        FOLDER and ITS are the runs' own.
        """
        shared = sorted(run.metrics.keys() & other.metrics.keys(), key=telling)[:KEYS]
        found = {}
        for key in shared:
            step = min(run.metrics[key].step, other.metrics[key].step)
            if run.metrics[key].step != other.metrics[key].step:
                mine, there = self._at(run, folder, key, step), self._at(other, its, key, step)
                if mine is not None and there is not None:
                    found[key] = step, mine, there
        return found

    def _at(self, run: Run, folder: Path, key: str, step: float) -> float | None:
        """The value of KEY that RUN had at STEP: the last one by then; None where that is no number."""
        metric = run.metrics[key]
        if metric.step == step:
            return metric.last
        steps, values = self._read(folder, key)
        at = bisect_right(steps, step) - 1
        return values[at] if at >= 0 and values[at] - values[at] == 0 else None  # NaN and infinities are no numbers

    def _read(self, folder: Path, key: str) -> "tuple[array[float], array[float]]":
        from array import array

        from workbench.session.run_points import PointsFile
        from workbench.session.run_table import stamp_of

        stamp, kept = stamp_of(folder / FILE), self._kept.get((folder, key))
        if kept is None or kept[0] != stamp:
            steps, values = array("d"), array("d")
            with suppress(OSError, ValueError, UnicodeDecodeError), PointsFile(folder) as file:
                if (place := file.places.get(key)) is not None:
                    steps = file.column(place.steps, 0, place.points)
                    values = file.column(place.values, 0, place.points)
            kept = self._kept[folder, key] = stamp, steps, values
        self._kept.move_to_end((folder, key))
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept[1], kept[2]
