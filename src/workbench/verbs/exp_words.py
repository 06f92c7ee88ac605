"""Runs in the words of a table."""

import re
import time
from collections.abc import Iterable, Mapping

from workbench.experiments.goals import known
from workbench.experiments.types import Goal, Metric, Run
from workbench.protocol.visible import visible

DASH = "–"
_HELD_OUT = re.compile(r"(?:^|[^a-z])(?:val|valid|validation|eval|test|dev)(?:[^a-z]|$)", re.IGNORECASE)


def chosen(metrics: Mapping[str, Metric]) -> str | None:
    """The metric to show where one has room: of held-out data, of a name that says what is good; None without any."""
    return min(metrics, key=_rank, default=None)


def _rank(key: str) -> tuple[bool, bool, int]:
    return not _HELD_OUT.search(key), known(key) is None, len(key)


def arrow(key: str, goal: Goal | None) -> str:
    """Which way is better, where that is known."""
    return {"min": "↓", "max": "↑", None: ""}[goal or known(key)]


def number(value: float | None) -> str:
    """VALUE with as many digits as tell it from its neighbours; NaN and infinities are kept as None in records."""
    return "nan" if value is None else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """SECONDS short: `48s`, `12m`, `3h05m`, `2d4h`."""
    if seconds is None:
        return DASH
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86_400
    if minutes < 1:
        return f"{max(seconds, 0):.0f}s" if seconds >= 10 else f"{max(seconds, 0):.1f}s"
    if hours < 1:
        return f"{int(minutes)}m{int(seconds % 60):02}s"
    if days < 1:
        return f"{int(hours)}h{int(minutes % 60):02}m"
    return f"{int(days)}d{int(hours % 24)}h"


def took(run: Run, now: float) -> float | None:
    """Seconds that RUN has gone on, or did."""
    return None if run.started is None else (run.ended or now) - run.started


def moment(at: float | None) -> str:
    """AT, a Unix time, in local time; a dash where that is no moment."""
    try:
        return DASH if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return DASH


def status(run: Run) -> str:
    """The status, and what else there is to say of it in a word."""
    if run.status == "failed" and run.signal is not None:
        return f"failed (signal {run.signal})"
    return f"failed ({run.exit_code})" if run.status == "failed" and run.exit_code is not None else run.standing


def cards(run: Run) -> str:
    """The numbers of its cards."""
    return ",".join(DASH if card.index is None else str(card.index) for card in run.gpus) or DASH


def cell(text: str, widest: int = 40) -> str:
    """TEXT made safe, and cut to WIDEST characters."""
    shown = visible(text)
    return shown if len(shown) <= widest else shown[: widest - 1] + "…"


def table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """ROWS as lines of aligned columns."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
