"""Which rows the table of runs has, and in which order: filtered, sorted, seeds folded into groups. Pure."""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from workbench.protocol.queries import RunMetric, RunRow
from workbench.tui.widgets.runs_shells import Shell

SORTS = ("age", "id", "name", "last", "best", "vs", "step", "state")
ALIVE = ("queued", "running")
_CLOCKS = ("time", "second", "memory", "per_sec", "throughput", "speed", "/s", "fps", "mfu", "epoch", "lr")


class Entry(NamedTuple):
    """A row: a run, the runs of a group, or a shell. `inside`: a run of a group that is open."""

    key: str
    runs: tuple[RunRow, ...] = ()
    shell: Shell | None = None
    group: bool = False
    inside: bool = False

    @property
    def head(self) -> RunRow | None:
        """The run that stands for the row, None of a shell."""
        return self.runs[0] if self.runs else None


class Value(NamedTuple):
    """A row's value of the chosen metric: of a group the means and the spread of the last ones (None of one run)."""

    last: float | None
    best: float | None
    spread: float | None = None
    goal: str = ""


def metrics(rows: Iterable[RunRow]) -> list[str]:
    """The metrics that any run has, the most telling first: no clocks, known goals, held-out data, then losses."""
    goals: dict[str, str] = {}
    for row in rows:
        for key, metric in row.metrics.items():
            goals[key] = goals.get(key) or metric.goal
    return sorted(goals, key=lambda key: _telling(key, goals[key]))


def _telling(key: str, goal: str) -> tuple[bool, bool, int, bool, int, str]:
    name = key.lower()
    held_out = 0 if "val" in name or "dev" in name else 1 if "test" in name else 2
    return any(word in name for word in _CLOCKS), not goal, held_out, "loss" not in name, len(name), key


def matches(row: RunRow, words: str) -> bool:
    """Whether each of WORDS is in its name, tags, status, id or note."""
    text = " ".join((row.id, row.name, row.status, row.note, *row.tags)).lower()
    return all(word in text for word in words.lower().split())


def value(runs: Sequence[RunRow], key: str) -> Value | None:
    """What RUNS have of the metric KEY; None without any."""
    found = [run.metrics[key] for run in runs if key in run.metrics]
    if not found:
        return None
    goal = next((one.goal for one in found if one.goal), "")
    if len(found) == 1:
        return Value(found[0].last, found[0].best, goal=goal)
    lasts = [one.last for one in found if one.last is not None]
    bests = [one.best for one in found if one.best is not None]
    spread = statistics.stdev(lasts) if len(lasts) > 1 else None
    return Value(_mean(lasts), _mean(bests), spread, goal)


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


class Known:
    """All runs, by id and by group: what a row is compared with is found among them."""

    def __init__(self, rows: Iterable[RunRow]) -> None:
        self.by_id: dict[str, RunRow] = {}
        self._groups: dict[str, list[RunRow]] = {}
        for row in rows:
            self.by_id[row.id] = row
            if row.group:
                self._groups.setdefault(row.group, []).append(row)

    def against(self, entry: Entry) -> tuple[RunRow, ...]:
        """The runs that the row is compared with: all seeds of a group; of one seed the same one, where it is there."""
        head = entry.head
        other = self.by_id.get(head.against) if head else None
        if head is None or other is None or other in entry.runs:
            return ()
        alone = not entry.group and (entry.inside or (head.seed is not None and head.seed == other.seed))
        if alone or not other.group or other.group == head.group:
            return (other,)
        members = self._groups[other.group]
        ended = tuple(one for one in members if one.status not in ALIVE)
        return ended if other in ended else tuple(members)


def difference(entry: Entry, key: str, known: Known) -> float | None:
    """How far the row's value lies above that of the runs it is compared with; None where there is no such pair.

    The last values, or, where they are not equally far, those at the last step that both have (`leveled`).
    """
    if leveled(entry, key):
        return statistics.fmean(run.level[key][1] - run.level[key][2] for run in entry.runs)
    mine, its = value(entry.runs, key), value(known.against(entry), key)
    if mine is None or its is None or mine.last is None or its.last is None:
        return None
    return mine.last - its.last


def lone(entry: Entry, key: str, known: Known) -> bool:
    """Whether the seeds of one side stand against a single run, which has no spread: too few for a verdict."""
    mine, its = (
        sum(key in run.metrics and run.metrics[key].last is not None for run in side)
        for side in (entry.runs, known.against(entry))
    )
    return (mine == 1) != (its == 1)


def leveled(entry: Entry, key: str) -> bool:
    """Whether every run of the row is compared at a step that it shares with the other one, and not at its last."""
    return bool(entry.runs) and all(key in run.level for run in entry.runs)


def apart(entry: Entry, key: str, known: Known) -> bool:
    """Whether the row's last values are of other steps than what they are compared with."""
    steps = {
        one.metrics[key].step
        for run in entry.runs
        for one in (run, known.by_id.get(run.against))
        if one is not None and key in one.metrics
    }
    return len(steps) > 1 and not leveled(entry, key)


def entries(rows: Sequence[RunRow], words: str, opened: set[str], sort: str, downward: bool, key: str) -> list[Entry]:
    """ROWS that match WORDS, those of one group as one unless its name is among OPENED, by the column SORT.

    Rows without a value for the column come last in either direction.
    """
    groups: dict[str, list[RunRow]] = {}
    for row in rows:
        if matches(row, words):
            groups.setdefault(row.group or f"\0{row.id}", []).append(row)
    found = [
        Entry(f"group {name}", tuple(members), group=True) if len(members) > 1 else Entry(members[0].id, (members[0],))
        for name, members in groups.items()
    ]
    known = Known(rows)
    placed = {entry.key: _place(entry, sort, key, known) for entry in found}
    with_value = sorted((one for one in found if placed[one.key] is not None), key=lambda one: placed[one.key] or ())
    if downward:
        with_value.reverse()
    ordered = [*with_value, *(one for one in found if placed[one.key] is None)]
    told: list[Entry] = []
    for entry in ordered:
        told.append(entry)
        if entry.group and entry.key in opened:
            inside = sorted(entry.runs, key=lambda run: (run.seed is None, run.seed or 0, number_of(run.id)))
            told += [Entry(run.id, (run,), inside=True) for run in inside]
    return told


def number_of(run: str) -> int:
    """The number in a run's id, by which ids are in order."""
    digits = run.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _place(entry: Entry, sort: str, key: str, known: Known) -> tuple[float | str, ...] | None:
    runs, own = entry.runs, value(entry.runs, key)
    if sort == "age":
        return (max(run.created for run in runs), max(number_of(run.id) for run in runs))
    if sort == "id":
        return (max(number_of(run.id) for run in runs),)
    if sort == "name":
        return (runs[0].name.lower(), number_of(runs[0].id))
    if sort == "state":
        return (0.0 if any(run.status in ALIVE for run in runs) else 1.0, runs[0].status, -runs[0].created)
    if sort == "step":
        steps = [step for run in runs if (step := step_of(run, key)) is not None]
        return (max(steps),) if steps else None
    told = difference(entry, key, known) if sort == "vs" else None if own is None else getattr(own, sort)
    return None if told is None else (told,)


def step_of(run: RunRow, key: str) -> float | None:
    """The step that a run has come to."""
    if run.progress is not None:
        return run.progress[0]
    metric: RunMetric | None = run.metrics.get(key)
    return metric.step if metric else None
