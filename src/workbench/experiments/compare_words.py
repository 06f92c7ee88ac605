"""A comparison in words: the sentence that comes first, the method, what to mind."""

import math
from collections.abc import Sequence

from workbench.experiments import stats
from workbench.experiments.changes import Changes
from workbench.experiments.compared import FEW, Group, Verdict

_METHODS = {
    "welch": "Welch's t for two groups of unequal spread, {df:.1f} degrees of freedom",
    "paired": "paired t over {n} seeds that both sides share, {df:.0f} degrees of freedom",
    "single": "one run against the spread of the other side (Crawford and Howell)",
    "bootstrap": "bootstrap of the difference of means, 10,000 resamples, percentiles",
    "none": "no interval: one run on a side has no spread",
}
_ROUNDING = 1e-12  # of a value: what floats round off is no uncertainty


def number(value: float) -> str:
    """A measured value, to six digits."""
    return f"{value:z.6g}"


def about(value: float, reach: float) -> tuple[str, str]:
    """VALUE and the REACH of its uncertainty, both to the digits that the uncertainty leaves a meaning."""
    if reach <= _ROUNDING * abs(value):
        return number(value), "0"
    if not (reach > 0 and math.isfinite(reach) and math.isfinite(value)):
        return number(value), number(reach)
    digits = math.floor(math.log10(reach))
    if reach / 10.0**digits < 3:  # 0.014, not 0.01
        digits -= 1
    if -7 < digits <= 0 and abs(value) < 1e9:
        return f"{value:z.{-digits}f}", f"{reach:.{-digits}f}"
    if 0 < digits < 6:
        return f"{round(value, -digits):z.0f}", f"{round(reach, -digits):.0f}"
    return f"{value:z.3g}", f"{reach:.2g}"


def sentence(
    verdict: Verdict,
    sides: Sequence[Group],
    metric: str,
    difference: stats.Difference | None,
    p: float | None,
    changes: Changes,
) -> str:
    """The verdict first, with its number and how sure it is."""
    a, b = sides
    count = f"n = {a.n} vs {b.n}"
    if difference is None:
        empty = " and ".join(side.name for side in sides if not side.n)
        return f"not enough seeds: no run of {empty} has a {metric} that counts, {count}"
    size = extent(difference, abs(difference.estimate))
    if verdict in ("better", "worse"):
        return f"{verdict} by {size}, {count}"
    signed = extent(difference, difference.estimate)
    if verdict == "only_seed_changed":
        seeds = " → ".join(",".join(_seed(seed) for seed in side) for side in changes.seeds)
        what = (
            f"only the seed changed ({seeds})"
            if any(s is not None for side in changes.seeds for s in side)
            else _CHANCE
        )
        return f"{what}: the difference of {signed} is noise, {count}"
    if verdict == "within_noise":
        if changes.nothing:
            return f"within noise: nothing changed, not even the seed; the difference is {signed}, {count}"
        return f"within noise: the difference is {signed}, {count}"
    return f"not enough seeds: {_lacking(sides, difference, signed)}, {count}"


_CHANCE = "nothing changed but chance (no seed is known)"


def extent(difference: stats.Difference, estimate: float) -> str:
    """ESTIMATE with the interval of the difference: `0.11 ± 0.03 (95 %)`, or its ends where it is not symmetric."""
    if difference.low is None or difference.high is None:
        return number(estimate)
    above, below = difference.high - difference.estimate, difference.estimate - difference.low
    share = f"{100 * difference.level:.4g} %"
    if max(above, below) <= _ROUNDING * abs(difference.estimate):
        return f"{number(estimate)} ± 0"
    if not math.isclose(above, below, rel_tol=0.02):
        ends = (difference.low, difference.high)
        low, high = sorted(ends if estimate == difference.estimate else (-ends[0], -ends[1]))
        return f"{number(estimate)} ({number(low)} to {number(high)}, {share})"
    value, reach = about(estimate, (above + below) / 2)
    return f"{value} ± {reach} ({share})"


def _lacking(sides: Sequence[Group], difference: stats.Difference, signed: str) -> str:
    a, b = sides
    least = min(a.n, b.n)
    if least >= 2 and difference.low == difference.high:
        return f"the runs of a side agree in every digit and name no seeds of their own; the difference is {signed}"
    if difference.method == "single" and difference.p is not None:
        lone, many = (a, b) if a.n == 1 else (b, a)
        place = "outside" if difference.p < 1 - difference.level else "inside"
        return f"one run has no spread; {lone.name} lies {place} of what the spread of {many.name} explains ({signed})"
    if least == 1:
        return f"one run has no spread; the difference is {number(difference.estimate)}"
    return f"fewer than {FEW} a side can hardly show one; the difference is {signed}"


def _seed(seed: int | None) -> str:
    return "?" if seed is None else str(seed)


def method(difference: stats.Difference | None, p: float | None, sides: Sequence[Group]) -> str:
    """What was done, in words."""
    if difference is None:
        return "none: a side has no value"
    words = _METHODS[difference.method].format(df=difference.df or 0, n=sides[0].n)
    if p is None or difference.p is None:
        return words
    alone = f", p = {p:.2g}"
    return words + (alone if p == difference.p else f"{alone} by Holm among those judged together")


def failures(sides: Sequence[Group]) -> list[str]:
    """Words about the runs that do not count, and what that does to the ones that do."""
    notes = [
        f"{run}{f' of {side.name}' if run != side.name else ''} does not count: {why}"
        for side in sides
        for run, why in side.failures.items()
    ]
    lost = [sum("counts once" not in why for why in side.failures.values()) for side in sides]
    if any(lost):
        a, b = sides
        p = stats.fisher(lost[0], len(a.runs), lost[1], len(b.runs))
        shares = f"{lost[0]} of {len(a.runs)} in {a.name}, {lost[1]} of {len(b.runs)} in {b.name}"
        notes.append(f"failed: {shares} (Fisher p = {p:.2g}); the means are of those that survived")
    return notes
