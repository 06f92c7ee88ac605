"""Runs that are made up, and a client that answers pages of them."""

import math
from typing import Any

from workbench.protocol import queries as q

NOW = 1_000_000.0


def run(number: int, name: str = "", status: str = "finished", **more: Any) -> q.RunRow:
    """The run r-NUMBER, which began a minute a number ago."""
    known: dict[str, Any] = {
        "command": f"python train.py --name {name}", "created": NOW - 3600 + number * 60,
        "started": NOW - 3600 + number * 60, "exit_code": None if status in ("running", "queued") else 0,
    }  # fmt: skip
    return q.RunRow(id=f"r-{number}", name=name, status=status, **(known | more))


def metric(last: float | None, step: float = 2000, best: float | None = None, goal: str = "min") -> q.RunMetric:
    """A series in short."""
    return q.RunMetric(last=last, best=last if best is None else best, step=step, count=int(step) + 1, goal=goal)


class Ledger:
    """Answers as a session does. `asked` keeps every query; `points` maps (run, metric) to all its points."""

    def __init__(self, *rows: q.RunRow) -> None:
        self.rows = rows
        self.stamp = 1
        self.asked: list[Any] = []
        self.points: dict[tuple[str, str], list[tuple[float, float | None]]] = {}
        self.logs: dict[str, list[str]] = {}
        self.changes: dict[str, q.RunChanges] = {}

    def put(self, *rows: q.RunRow) -> None:
        """Other rows from now on."""
        self.rows, self.stamp = rows, self.stamp + 1

    def of(self, kind: type) -> list[Any]:
        """What was asked of KIND."""
        return [query for query in self.asked if isinstance(query, kind)]

    async def query(self, query: Any) -> Any:
        self.asked.append(query)
        if isinstance(query, q.ListRuns):
            stamp = str(self.stamp)
            same = query.stamp == stamp
            return q.Runs(rows=() if same else tuple(self.rows), stamp=stamp, same=same)
        if isinstance(query, q.SeriesPage):
            return self._series(query)
        if isinstance(query, q.RunLogPage):
            return self._log(query)
        if isinstance(query, q.RunChangesPage):
            return self.changes.get(query.run, q.RunChanges())
        return q.Blob(data=b"", total=-1)

    def _series(self, query: q.SeriesPage) -> q.Series:
        whole = self.points.get((query.run, query.key)) or curve(200, len(query.run))
        low = -math.inf if query.start is None else query.start
        high = math.inf if query.end is None else query.end
        seen = [point for point in whole if low <= point[0] <= high]
        thin = seen[:: max(1, len(seen) // (2 * query.width))]
        return q.Series(points=tuple(thin), total=len(seen), first=whole[0][0], last=whole[-1][0])

    def _log(self, query: q.RunLogPage) -> q.RunLog:
        lines = self.logs.get(query.run, [])
        first = max(0, len(lines) - query.n) if query.line < 0 else query.line
        if query.find:
            places = [at for at, line in enumerate(lines) if query.find in line]
            places = [at for at in places if (at < query.line) == query.backwards]
            if not places:
                return q.RunLog(total=len(lines))
            first = places[-1] if query.backwards else places[0]
        return q.RunLog(lines=tuple(lines[first : first + query.n]), first=first, total=len(lines))


def curve(count: int, seed: int = 0) -> list[tuple[float, float | None]]:
    """A falling curve with noise, the same each time."""
    return [(float(x), 1.4 + math.exp(-x * 4 / count) + 0.05 * math.sin(x * 12.9898 + seed)) for x in range(count)]
