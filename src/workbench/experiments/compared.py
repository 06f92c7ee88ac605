"""What a comparison is made of: two groups, what differs, a verdict."""

from typing import Literal

import msgspec

from workbench.experiments.changes import Changes
from workbench.experiments.types import Goal

Verdict = Literal["better", "worse", "within_noise", "not_enough_seeds", "only_seed_changed"]
FEW = 3  # below so many values, an interval that holds zero says nothing


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One side: its runs, the values that count, and why those of other runs do not."""

    name: str
    runs: tuple[str, ...]
    seeds: tuple[int | None, ...]
    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    values: dict[str, float]
    failures: dict[str, str] = {}


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What the comparison of group B against group A shows: `verdict` says how B is, A being what it was.

    `difference` is the mean of B less the mean of A, `interval` where it lies at `level`. `method` tells in words what
    was done, `sentence` the result, `notes` what to mind.
    """

    metric: str
    goal: Goal
    at: str
    groups: tuple[Group, Group]
    difference: float | None
    interval: tuple[float, float] | None
    level: float
    verdict: Verdict
    sentence: str
    method: str
    p: float | None = None
    effect: float | None = None
    notes: tuple[str, ...] = ()
    changes: Changes = Changes()
