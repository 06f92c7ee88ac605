"""Two groups of runs compared: the numbers, how sure they are, what else differs, and a verdict in one sentence.

The methods, their sources and the reasons for each choice are in `docs/comparing.md`.
"""

import math
import statistics
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from workbench.experiments import compare_words as told
from workbench.experiments import stats
from workbench.experiments.changes import Changes, between
from workbench.experiments.compared import FEW, Comparison, Group, Verdict
from workbench.experiments.goals import goal_of, known
from workbench.experiments.ledger import Ledger
from workbench.experiments.types import Goal, Run

At = Literal["last", "best"] | float  # a number is a step
Method = Literal["t", "bootstrap"]
PAIRS = 3  # below so many pairs, what pairing gains costs more in degrees of freedom
BOOTSTRAP = 8  # below so many values, resampling them tells too little
HUGE = 1e100  # a value beyond this has diverged


class CompareError(Exception):
    """What was asked cannot be compared; the message says why and what to do."""


class Curve(Protocol):
    """What is needed of a series: steps that rise, and values."""

    @property
    def steps(self) -> Sequence[float]: ...

    @property
    def values(self) -> Sequence[float]: ...


Read = Callable[[Run], Mapping[str, Curve]]


def reader(ledger: Ledger) -> Read:
    """Reads the series of a run of LEDGER, each once."""
    from workbench.experiments.collect import series_of

    held: dict[str, Mapping[str, Curve]] = {}

    def read(run: Run) -> Mapping[str, Curve]:
        if run.id not in held:
            held[run.id] = series_of(run, ledger.path(run.id))
        return held[run.id]

    return read


def compare(
    a: Sequence[Run],
    b: Sequence[Run],
    metric: str,
    goal: Goal | None = None,
    at: At = "last",
    *,
    ledger: Ledger,
    names: tuple[str, str] = ("A", "B"),
    read: Read | None = None,
    level: float = stats.LEVEL,
    method: Method = "t",
) -> Comparison:
    """Compares the runs of B against those of A by METRIC; GOAL is taken from its name where it is not given.

    Raises CompareError: a run on both sides, or a metric that no run of a side has.
    """
    return compare_many(
        a,
        b,
        [metric],
        {metric: goal} if goal else {},
        at,
        ledger=ledger,
        names=names,
        read=read,
        level=level,
        method=method,
    )[0]


def compare_many(
    a: Sequence[Run],
    b: Sequence[Run],
    metrics: Sequence[str],
    goals: Mapping[str, Goal] | None = None,
    at: At = "last",
    *,
    ledger: Ledger,
    names: tuple[str, str] = ("A", "B"),
    read: Read | None = None,
    level: float = stats.LEVEL,
    method: Method = "t",
) -> list[Comparison]:
    """As `compare`, for several metrics judged together: each is judged harder, so that no false alarm slips in."""
    if not a or not b:
        raise CompareError("a comparison needs a run on each side")
    if twice := {run.id for run in a} & {run.id for run in b}:
        raise CompareError(f"{', '.join(sorted(twice))} stands on both sides; a run cannot be compared with itself")
    held = {run.id: (read or reader(ledger))(run) for run in (*a, *b)}
    changes = between(a, b, ledger)
    found = []
    for metric in metrics:
        goal = (goals or {}).get(metric) or _goal_of_runs((*a, *b)) or goal_of(metric)
        sides = tuple(_side(name, runs, metric, goal, at, held) for name, runs in zip(names, (a, b), strict=True))
        _demand(sides, metric, (*a, *b), held)
        notes = [*_guess(metric, goals, (*a, *b)), *_uneven(sides, (*a, *b), metric, at, held)]
        found.append((metric, goal, sides, _difference(sides, level, method, len(metrics)), notes))
    raised = stats.holm({metric: d.p for metric, _, _, d, _ in found if d is not None and d.p is not None})
    return [
        _verdict(metric, goal, at, (sides[0], sides[1]), difference, raised.get(metric), level, changes, notes)
        for metric, goal, sides, difference, notes in found
    ]


def shared(a: Sequence[Run], b: Sequence[Run], read: Read) -> list[str]:
    """The metrics that both sides have, those first that a person would judge by: validation, known goal, loss."""
    keys_a, keys_b = ({key for run in side for key in (*read(run), *run.metrics)} for side in (a, b))
    return sorted(keys_a & keys_b, key=telling)


def telling(metric: str) -> tuple[bool, bool, int, bool, int, str]:
    """Sorts metrics by how much a person would judge by them: no clocks, known goals, validation first, then losses."""
    name = metric.lower()
    clock = any(
        word in name for word in ("time", "second", "memory", "per_sec", "throughput", "speed", "/s", "fps", "mfu")
    )
    held_out = 0 if "val" in name or "dev" in name else 1 if "test" in name else 2
    return clock, known(metric) is None, held_out, "loss" not in name, len(name), metric


# --- the value of a run ------------------------------------------------------------------------------------


def _side(
    name: str, runs: Sequence[Run], metric: str, goal: Goal, at: At, held: Mapping[str, Mapping[str, Curve]]
) -> Group:
    values: dict[str, float] = {}
    failures: dict[str, str] = {}
    for run in runs:
        value, why = value_of(run, held[run.id].get(metric), metric, goal, at)
        if value is None:
            failures[run.id] = why
        else:
            values[run.id] = value
    for run in _repeats(runs, values):
        failures[run.id] = "the same run once more: the same seed and the same value; it counts once"
        del values[run.id]
    told = stats.summary(list(values.values()))
    return Group(
        name=name, runs=tuple(run.id for run in runs), seeds=tuple(run.seed for run in runs), n=told.n, mean=told.mean,
        sd=told.sd, low=told.low, high=told.high, values=values, failures=failures,
    )  # fmt: skip


def value_of(run: Run, curve: Curve | None, metric: str, goal: Goal, at: At) -> tuple[float | None, str]:
    """The one number of RUN that is compared, and why there is none."""
    if curve is None or not len(curve.values):
        return _short_value(run, metric, goal, at)
    if isinstance(at, float | int):
        place = bisect_right(curve.steps, at)
        if curve.steps[-1] < at or place == 0:
            return (
                None,
                f"it has no {metric} at step {at:g}: its steps go from {curve.steps[0]:g} to {curve.steps[-1]:g}",
            )
        return _finite(curve.values[place - 1], f"at step {curve.steps[place - 1]:g}")
    if run.status == "failed":
        return None, f"it failed at step {curve.steps[-1]:g}{f': {run.why}' if run.why else ''}"
    if at == "last":
        return _finite(curve.values[-1], f"at its end, step {curve.steps[-1]:g}")
    finite = [value for value in curve.values if math.isfinite(value)]
    if not finite:
        return None, "it never was a finite number"
    return _finite(min(finite) if goal == "min" else max(finite), "at its best")


def _short_value(run: Run, metric: str, goal: Goal, at: At) -> tuple[float | None, str]:
    """From the record alone, where the series is not kept."""
    short = run.metrics.get(metric)
    if short is None:
        return None, f"it has no {metric}"
    if run.status == "failed":
        return None, f"it failed at step {short.step:g}{f': {run.why}' if run.why else ''}"
    if at == "last":
        return _finite(math.nan if short.last is None else short.last, "at its end")
    if at == "best" and goal == goal_of(metric) and short.best is not None:
        return _finite(short.best, "at its best")
    return None, f"the points of its {metric} are not kept"


def _finite(value: float, where: str) -> tuple[float | None, str]:
    if not math.isfinite(value):
        return None, f"{'NaN' if math.isnan(value) else 'infinite'} {where}"
    return (value, "") if abs(value) < HUGE else (None, f"diverged: {value:.3g} {where}")


def _repeats(runs: Sequence[Run], values: Mapping[str, float]) -> list[Run]:
    seen: set[tuple[int, float]] = set()
    found = []
    for run in runs:
        if run.id in values and run.seed is not None:
            if (run.seed, values[run.id]) in seen:
                found.append(run)
            seen.add((run.seed, values[run.id]))
    return found


# --- what to mind ------------------------------------------------------------------------------------------


def _demand(sides: Sequence[Group], metric: str, runs: Sequence[Run], held: Mapping[str, Mapping[str, Curve]]) -> None:
    """Refuses a metric that no run of a side has at all; one that they had and lost is a result."""
    for side in sides:
        if all(metric not in held[run.id] and metric not in run.metrics for run in runs if run.id in side.runs):
            import difflib

            keys = sorted({key for run in runs for key in (*held[run.id], *run.metrics)}, key=telling)
            near = difflib.get_close_matches(metric, keys, n=3)
            there = (
                f"; did you mean {' or '.join(near)}?" if near else f"; there is {', '.join(keys[:12]) or 'nothing'}"
            )
            raise CompareError(f"no run of {side.name} ({', '.join(side.runs)}) has the metric {metric}{there}")


def _goal_of_runs(runs: Sequence[Run]) -> Goal | None:
    """The goal that the runs were started with, where they all name the same."""
    goals = {run.goal for run in runs}
    return goals.pop() if len(goals) == 1 else None


def _guess(metric: str, goals: Mapping[str, Goal] | None, runs: Sequence[Run]) -> list[str]:
    if known(metric) or (goals or {}).get(metric) or _goal_of_runs(runs):
        return []
    return [f"the name {metric} does not say whether less or more is better: less is taken; --goal max turns it round"]


def _uneven(
    sides: Sequence[Group], runs: Sequence[Run], metric: str, at: At, held: Mapping[str, Mapping[str, Curve]]
) -> list[str]:
    """Words where the two sides were not measured alike, and about runs that still go on."""
    notes = [f"{run.id} still runs: its value is not its last" for run in runs if run.status in ("queued", "running")]
    notes += [f"{run.id} was stopped: its value is where it stood" for run in runs if run.status == "stopped"]
    curves = [
        [
            curve
            for run in runs
            if run.id in side.values and (curve := held[run.id].get(metric)) is not None and len(curve.values)
        ]
        for side in sides
    ]
    if isinstance(at, float | int):
        taken = {curve.steps[bisect_right(curve.steps, at) - 1] for side in curves for curve in side}
        if len(taken) > 1:
            notes.append(f"not at the same step: up to {at:g}, the last values are of {min(taken):g} to {max(taken):g}")
    if isinstance(at, float | int) or not all(curves):
        return notes
    ends = [max(curve.steps[-1] for curve in side) for side in curves]
    if at == "last" and ends[0] != ends[1]:
        least = min(ends)
        notes.append(
            f"not the same length: A ends at step {ends[0]:g}, B at {ends[1]:g}; --at {least:g} compares there"
        )
    counts = [max(len(curve.values) for curve in side) for side in curves]
    if at == "best" and max(counts) > 1.5 * min(counts):
        notes.append(f"the best of {counts[0]} values against the best of {counts[1]}: more looks find a better best")
    return notes


# --- the difference ----------------------------------------------------------------------------------------


def _difference(sides: Sequence[Group], level: float, method: Method, together: int) -> stats.Difference | None:
    """How B differs from A, by the method that their number and seeds allow; the choice never looks at the values."""
    a, b = sides
    one, other = list(a.values.values()), list(b.values.values())
    level = 1 - (1 - level) / together
    if not one or not other:
        return None
    if method == "bootstrap" and min(len(one), len(other)) >= BOOTSTRAP:
        return stats.bootstrap(one, other, level)
    if len(one) > 1 and len(other) > 1:
        pairs = _pairs(a, b)
        return stats.paired(*pairs, level) if pairs else stats.welch(one, other, level)
    if len(one) >= FEW:
        return stats.single(one, other[0], level)
    if len(other) >= FEW:
        turned = stats.single(other, one[0], level)
        assert turned.low is not None and turned.high is not None
        return msgspec.structs.replace(turned, estimate=-turned.estimate, low=-turned.high, high=-turned.low)
    return stats.Difference(method="none", estimate=statistics.fmean(other) - statistics.fmean(one))


def _pairs(a: Group, b: Group) -> tuple[list[float], list[float]] | None:
    """The values of both sides by seed, where each seed stands once on each side."""
    seeds = []
    for side in (a, b):
        by_seed = {
            seed: side.values[run] for run, seed in zip(side.runs, side.seeds, strict=True) if run in side.values
        }
        if None in by_seed or len(by_seed) != len(side.values):
            return None
        seeds.append(by_seed)
    if len(seeds[0]) < PAIRS or seeds[0].keys() != seeds[1].keys():
        return None
    return list(seeds[0].values()), [seeds[1][seed] for seed in seeds[0]]


# --- the verdict -------------------------------------------------------------------------------------------


def _verdict(
    metric: str,
    goal: Goal,
    at: At,
    sides: tuple[Group, Group],
    difference: stats.Difference | None,
    p: float | None,
    level: float,
    changes: Changes,
    notes: list[str],
) -> Comparison:
    verdict = judged(sides, goal, difference, p, level, changes)
    interval = None
    if difference and difference.low is not None and difference.high is not None:
        interval = difference.low, difference.high
    return Comparison(
        metric=metric,
        goal=goal,
        at=f"step {at:g}" if isinstance(at, float | int) else at,
        groups=sides,
        difference=difference.estimate if difference else None,
        interval=interval,
        level=difference.level if difference else level,
        verdict=verdict,
        sentence=told.sentence(verdict, sides, metric, difference, p, changes),
        method=told.method(difference, p, sides),
        p=p,
        effect=difference.effect if difference else None,
        notes=(*told.failures(sides), *notes),
        changes=changes,
    )


def judged(
    sides: Sequence[Group],
    goal: Goal,
    difference: stats.Difference | None,
    p: float | None,
    level: float,
    changes: Changes,
) -> Verdict:
    """The verdict. What nothing but chance can have caused is called by that name before any number is looked at."""
    if changes.nothing:
        seeds_a, seeds_b = changes.seeds
        if set(seeds_a) != set(seeds_b) or None in seeds_a:
            return "only_seed_changed"
        return "within_noise"
    a, b = sides
    if difference is None or p is None or min(a.n, b.n) < 2:
        return "not_enough_seeds"
    if difference.low == difference.high and _unseeded(a, b):
        return "not_enough_seeds"
    if p < 1 - level:
        return "better" if (difference.estimate < 0) == (goal == "min") else "worse"
    return "within_noise" if min(a.n, b.n) >= FEW else "not_enough_seeds"


def _unseeded(a: Group, b: Group) -> bool:
    """Whether a side is a repetition without seeds: its runs then agree because nothing random differed."""
    return any(len(set(side.seeds)) < len(side.runs) for side in (a, b))
