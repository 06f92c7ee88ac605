"""What a run changed against another, and what came of it: the comparison of the verb `exp compare`, for a screen."""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from workbench.experiments.changes import VARIES, Changes, between, patch
from workbench.experiments.code import CodeError
from workbench.experiments.compare import CompareError, compare, shared
from workbench.experiments.compared import Comparison
from workbench.experiments.postmortem import rows
from workbench.experiments.types import Run
from workbench.protocol import queries as q
from workbench.session.run_series import RunCurves
from workbench.session.run_table import RunTable

_LINES = 5_000  # of a diff
_VALUE = 400  # characters of a value
_KEYS = 500  # of a page
_KEPT = 32  # pages
_KINDS = ("config", "command", "environment", "hardware", "bookkeeping")

Sides = tuple[tuple[Run, ...], tuple[Run, ...]]


class RunDifferences:
    """Comparisons of the runs of TABLE by their CURVES. May be called from any thread; git is asked."""

    def __init__(self, table: RunTable, curves: RunCurves) -> None:
        self._table, self._curves = table, curves
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[Sides, q.RunChanges]] = OrderedDict()

    def page(self, query: q.RunChangesPage) -> q.RunChanges:
        """The page that QUERY asks for; its words say why where there is nothing to compare."""
        runs = {run.id: run for run in self._table.runs()}
        if (run := runs.get(query.run)) is None:
            return q.RunChanges()
        page = self._page(query, runs)
        return msgspec.structs.replace(page, crash=tuple(rows(run.crash))) if run.crash else page

    def _page(self, query: q.RunChangesPage, runs: dict[str, Run]) -> q.RunChanges:
        against = query.against or self._table.against(query.run)
        if not against:
            return q.RunChanges(words=("there is no earlier run of this program that it could be compared with",))
        if against not in runs or against == query.run:
            why = "it cannot be compared with itself" if against == query.run else f"there is no run {against} here"
            return q.RunChanges(against=against, words=(why,))
        sides = sides_of(runs[query.run], runs[against], list(runs.values()))
        key = query.run, against
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or not _same(kept[0], sides):
                kept = self._kept[key] = sides, self._made(against, sides)
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return kept[1]

    def compared(self, run: Run, runs: Sequence[Run]) -> tuple[str, Comparison] | None:
        """RUN's side compared as it is by itself: against which run, and what came of it. None where it cannot be."""
        against = self._table.against(run.id)
        other = next((one for one in runs if one.id == against), None)
        if other is None:
            return None
        found = self._comparison(sides_of(run, other, runs))
        return (against, found) if isinstance(found, Comparison) else None

    def _comparison(self, sides: Sides) -> Comparison | str:
        """By the most telling metric that both sides have; words where there is none."""
        read = self._curves.reader()
        metrics = shared(*sides, read)
        if not metrics:
            return "they have no metric in common"
        try:
            return compare(*sides, metrics[0], ledger=self._table.ledger, names=_names(sides), read=read)
        except CompareError as error:
            return str(error)
        except KeyError:  # removed while it was read
            return f"the points of {metrics[0]} are gone"

    def _made(self, against: str, sides: Sides) -> q.RunChanges:
        found = self._comparison(sides)
        if isinstance(found, Comparison):
            changes, verdict, words = found.changes, str(found.verdict), _words(found)
        else:
            changes, verdict, words = between(*sides, self._table.ledger), "", (found,)
        diff, notes = self._diff(changes)
        return q.RunChanges(
            against=against,
            verdict=verdict,
            words=words,
            config=tuple(_config(changes))[:_KEYS],
            diff=diff,
            notes=(*_seeds(changes), *changes.within, *changes.unknown, *notes),
        )

    def _diff(self, changes: Changes) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The code's diff, and what to mind of it."""
        try:
            lines = patch(self._table.ledger.workspace, changes.revisions).split("\n")
        except CodeError as error:
            return (), (f"the difference of the code cannot be shown: {error}",)
        if lines[-1] == "":
            lines.pop()
        if len(lines) <= _LINES:
            return tuple(lines), ()
        before, after = (str(tree)[:12] for tree in changes.revisions)
        more = f"{len(lines) - _LINES:,} more lines: git diff {before} {after}"
        return tuple(lines[:_LINES]), (more,)


def sides_of(run: Run, against: Run, runs: Sequence[Run]) -> Sides:
    """The two sides of a comparison: each run with all seeds of its group, by itself where they are of one group or
    one repeats the other."""
    if run.parent == against.id or against.parent == run.id or (run.group and run.group == against.group):
        return (against,), (run,)
    return _group(against, runs), _group(run, runs)


def _group(run: Run, runs: Sequence[Run]) -> tuple[Run, ...]:
    if run.group is None:
        return (run,)
    members = [one for one in runs if one.group == run.group and (one.status != "queued" or one.id == run.id)]
    ended = [one for one in members if one.status != "running"]
    return tuple(ended if run in ended else members)


def _same(one: Sides, other: Sides) -> bool:
    """Whether no record was replaced in between."""
    return all(
        len(ours) == len(theirs) and all(x is y for x, y in zip(ours, theirs, strict=True))
        for ours, theirs in zip(one, other, strict=True)
    )


def _names(sides: Sides) -> tuple[str, str]:
    one, other = (side[0].id if len(side) == 1 else f"{side[0].id}…{side[-1].id}" for side in sides)
    return one, other


def _words(found: Comparison) -> tuple[str, ...]:
    less = "less" if found.goal == "min" else "more"
    a, b = _names_of(found)
    return (
        found.sentence,
        f"{found.metric}, {found.at} value, {less} is better, {b} against {a}",
        found.method,
        *found.notes,
    )


def _names_of(found: Comparison) -> tuple[str, str]:
    return found.groups[0].name, found.groups[1].name


def _seeds(changes: Changes) -> Iterator[str]:
    if any(seed is not None for side in changes.seeds for seed in side) and changes.seeds[0] != changes.seeds[1]:
        before, after = (",".join("?" if seed is None else str(seed) for seed in side) for side in changes.seeds)
        yield f"seeds {before} → {after}"


def _config(changes: Changes) -> Iterator[q.ConfigChange]:
    for kind in _KINDS:
        for key, (before, after) in getattr(changes, kind).items():
            yield q.ConfigChange(key=key, before=_value(before), after=_value(after), kind=kind)


def _value(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict) and set(value) == {VARIES}:
        return "one of " + ", ".join(_value(one) or "none" for one in value[VARIES])
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…"
