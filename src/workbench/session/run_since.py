"""Which runs ended since somebody last looked, and what came of them, in a few words."""

import time
from typing import NamedTuple

from workbench.experiments.compare_words import about, number
from workbench.experiments.compared import Comparison
from workbench.experiments.types import Run
from workbench.session.run_changes import RunDifferences
from workbench.session.run_table import GOES_ON, RunTable

_LOOKS = 8  # experiments that are compared at most, the newest
_PATIENCE_S = 0.7  # after which no other comparison is begun
_TEXT = 100  # characters of a reason
_RANK = {"better": 0, "worse": 0, "within_noise": 3, "only_seed_changed": 4, "not_enough_seeds": 5}
_FAILED, _ALERT, _TOLD, _STOPPED = 1, 2, 6, 7


class _News(NamedTuple):
    """How telling it is (less is more), when it was, and the words."""

    rank: int
    at: float
    words: str


def since(table: RunTable, differences: RunDifferences, after: float, now: float | None = None) -> tuple[str, ...]:
    """The most telling of what happened to runs after Unix time AFTER, then how much more there was. Blocks, bounded.

    Runs of one group are told as one. What goes on is told where something was seen on it.
    """
    now = time.time() if now is None else now
    runs = table.runs()
    units: dict[str, list[Run]] = {}
    for run in runs:
        if run.ended is not None and run.ended > after and run.status not in GOES_ON:
            units.setdefault(run.group or run.id, []).append(run)
    newest = sorted(units.values(), key=lambda unit: max(run.ended or 0.0 for run in unit), reverse=True)
    until = time.monotonic() + _PATIENCE_S
    news = []
    for place, unit in enumerate(newest):
        compared = None
        last = max(unit, key=lambda run: (run.status == "finished", run.ended or 0.0))
        if place < _LOOKS and last.status == "finished" and time.monotonic() < until:
            compared = differences.compared(last, runs)
        left = sum(run.group == last.group for run in runs if run.status in GOES_ON) if last.group else 0
        news.append(_told(last, compared, now, f", {left} of its seeds to come" if left else ""))
    news += [
        _News(_ALERT, run.alerts[-1].at, f"{run.id} still runs, but {run.alerts[-1].text[:_TEXT]}")
        for run in runs
        if run.status == "running" and run.alerts and run.alerts[-1].at > after
    ]
    if not news:
        return ()
    news.sort(key=lambda one: (one.rank, -one.at))
    return (news[0].words, f"and {len(news) - 1} more") if len(news) > 1 else (news[0].words,)


def _told(run: Run, compared: tuple[str, Comparison] | None, now: float, rest: str) -> _News:
    """What RUN came to; REST is on those that belong to it and go on."""
    at = run.ended or now
    if run.status == "failed":
        seen = next((alert.text for alert in reversed(run.alerts) if alert.kind in ("memory", "crash", "disk")), "")
        why = seen or run.why or (f"exit code {run.exit_code}" if run.exit_code is not None else "")
        return _News(_FAILED, at, f"{run.id} failed {ago(now - at)}{f': {why[:_TEXT]}' if why else ''}")
    if run.status == "stopped":
        return _News(_STOPPED, at, f"{run.id} was stopped {ago(now - at)}{f': {run.why[:_TEXT]}' if run.why else ''}")
    head = f"{run.id} finished {ago(now - at)}{rest}"
    broken = next((alert.text for alert in run.alerts if alert.kind == "nan"), "")
    if broken and (compared is None or compared[1].difference is None):  # one that recovered is compared
        return _News(_ALERT, at, f"{head}, but {broken[:_TEXT]}")
    if compared is None:
        return _News(_TOLD, at, f"{head}{_value(run)}")
    against, found = compared
    return _News(_RANK[found.verdict], at, f"{head}: {_verdict(found, against)}")


def _value(run: Run) -> str:
    """The run's most telling metric, where it has one."""
    from workbench.experiments.compare import telling

    key = min(run.metrics, key=telling, default=None)
    if key is None:
        return ""
    last = run.metrics[key].last
    return f": {key} {'NaN' if last is None else number(last)}"


def _verdict(found: Comparison, against: str) -> str:
    a, b = found.groups
    count = f"n={b.n}" if a.n == b.n else f"n={b.n} vs {a.n}"
    what = f"{found.metric} against {against}"
    if found.difference is None:
        return f"no {found.metric} to compare with {against}"
    if found.verdict in ("better", "worse"):
        return f"{found.verdict} by {_extent(found, abs(found.difference))}, {count} ({what})"
    if found.verdict == "within_noise":
        return f"within noise, {_extent(found, found.difference)}, {count} ({what})"
    if found.verdict == "only_seed_changed":
        return f"only the seed changed against {against}, {found.metric} {_shown(b.mean)}"
    side = "less" if found.difference < 0 else "more"
    size = f"{number(abs(found.difference))} {side} than" if found.difference else "the same as"
    return f"{found.metric} {_shown(b.mean)}, {size} {against}; {_few(found, count)}"


def _few(found: Comparison, count: str) -> str:
    """What so few runs tell all the same."""
    a, b = found.groups
    if a.n == b.n == 1:
        return "one run each says nothing of the noise"
    if min(a.n, b.n) == 1 and found.p is not None:
        place = "outside" if found.p < 1 - found.level else "inside"
        return f"one run, {place} of what the spread of {max(a.n, b.n)} explains"
    return f"too few runs to judge, {count}"


def _extent(found: Comparison, size: float) -> str:
    if found.interval is None:
        return number(size)
    value, reach = about(size, (found.interval[1] - found.interval[0]) / 2)
    return f"{value} ± {reach}"


def _shown(value: float | None) -> str:
    return "–" if value is None else number(value)


def ago(seconds: float) -> str:
    """SECONDS as a person says it."""
    for size, word in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {word} ago"
    return "just now"
