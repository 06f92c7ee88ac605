"""A row of named values, as JSON lines, tables and printed dictionaries have them, put into columns."""

import functools
import math
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.experiments.readers.base import Batch

# What programs call the step, the first that is there counts; and the time, in seconds since 1970.
STEPS = (
    "step",
    "global_step",
    "_step",
    "iteration",
    "iter",
    "training_iteration",
    "trainer/global_step",
    "steps",
    "it",
)
EPOCHS = ("epoch", "epochs")
TIMES = ("_timestamp", "timestamp", "wall_time", "time", "ts")
_OLDEST, _NEWEST = 1e9, 1e11  # seconds; a `time` below is a duration, not a moment
_SPECIAL = {"nan": math.nan, "inf": math.inf, "infinity": math.inf, "-inf": -math.inf, "-infinity": -math.inf}


def number(value: Any) -> float | None:
    """VALUE as a number, where it is one or is written as one; None else. Truth values are none."""
    if type(value) is float or type(value) is int:
        return _real(value)
    if isinstance(value, str):
        text = value.strip()
        if text and (text[0] in "+-.0123456789" or text.lower() in _SPECIAL):
            try:
                return float(text) if "_" not in text else None
            except ValueError:
                return _SPECIAL.get(text.lower())
        return _SPECIAL.get(text.lower())
    return None


def _real(value: float) -> float | None:
    try:
        return float(value)
    except OverflowError:  # an integer beyond all floats
        return None


def flat(row: dict[str, Any], prefix: str = "", depth: int = 20) -> dict[str, Any]:
    """ROW with nested objects as `outer/inner`, down to DEPTH."""
    if not prefix and dict not in map(type, row.values()):
        return row
    found: dict[str, Any] = {}
    for key, value in row.items():
        if type(value) is dict:
            found |= flat(value, f"{prefix}{key}/", depth - 1) if depth else {}
        else:
            found[f"{prefix}{key}"] = value
    return found


def place(row: Mapping[str, Any], keys: Iterable[str] = (*STEPS, *EPOCHS)) -> tuple[str | None, float]:
    """The key of KEYS that says where ROW stands, and the step it says (NaN where none does); an epoch serves, too."""
    for key in keys:
        if key in row:
            step = number(row[key])
            if step is not None and math.isfinite(step):
                return key, step
    return None, math.nan


def moment(row: Mapping[str, Any], keys: Iterable[str] = TIMES) -> tuple[str | None, float]:
    """The key of KEYS that says when ROW was logged, and the Unix time that it says (NaN where none does)."""
    for key in keys:
        time = number(row.get(key))
        if time is not None and math.isfinite(time) and time > _OLDEST:
            while time > _NEWEST:  # in milliseconds, microseconds or nanoseconds
                time /= 1000
            return key, time
    return None, math.nan


@functools.lru_cache(maxsize=256)
def _special(keys: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of KEYS that may say the step, and the time, the first to ask first."""
    return tuple(key for key in (*STEPS, *EPOCHS) if key in keys), tuple(key for key in TIMES if key in keys)


def take(row: Mapping[str, Any], batch: Batch, at: float = math.nan) -> None:
    """Puts the numbers of ROW, which is flat, into BATCH; AT is when it was logged where the row does not say."""
    steps, times = _special(tuple(row))
    step_key, step = place(row, steps)
    time_key, time = moment(row, times)
    if time_key is None:
        time = at
    for key, value in row.items():
        if key in (step_key, time_key):
            continue
        found = value if type(value) is float else number(value)
        if found is not None:
            batch.column(key).add(found, step, time)
