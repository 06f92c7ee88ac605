"""What stands in each cell of the table of runs: signs, numbers under each other, words for how a run is. Pure."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from workbench.host.telemetry import words
from workbench.protocol.queries import RunRow
from workbench.tui.widgets.chart_axis import number
from workbench.tui.widgets.runs_rows import ALIVE, SORTS, Entry, Known, Value, apart, difference, lone, step_of, value
from workbench.tui.widgets.runs_shells import Shell
from workbench.tui.widgets.table import Cell, Column

DASH = "–"
SIGNS = {
    "running": ("●", "$agent"), "queued": ("○", "$muted"), "finished": ("✓", "$success"), "failed": ("✗", "$error"),
    "stopped": ("■", "$muted"),
}  # fmt: skip
MARK = "▪"  # before a run that is drawn beside the others
_DAY = 86_400


class Sorting(NamedTuple):
    """By which column, and whether the greatest stand on top."""

    column: str = "age"
    downward: bool = True


class Sheet:
    """The cells of all rows, made so that numbers of a column stand under each other; widths only ever grow."""

    def __init__(self) -> None:
        self._widths: dict[str, int] = {}
        self.columns: tuple[Column, ...] = ()
        self.rows: list[list[Cell]] = []

    def reset(self) -> None:
        """Other values: columns may be narrower."""
        self._widths.clear()

    def fill(
        self, entries: Sequence[Entry], key: str, known: Mapping[str, RunRow], marked: set[str],
        opened: set[str], now: float, sorting: Sorting,
    ) -> None:  # fmt: skip
        """The cells of ENTRIES, with the values of the metric KEY. KNOWN: every run, by its id; OPENED: groups."""
        values = [value(entry.runs, key) for entry in entries]
        spreads = [f"±{_short(one.spread)}" if one and one.spread is not None else "" for one in values]
        lasts = _aligned([_value(one.last) if one else "" for one in values])
        bests = _aligned([_value(one.best) if one else "" for one in values])
        steps = [_steps(entry, key) for entry in entries]
        runs = Known(known.values())
        differences = [difference(entry, key, runs) for entry in entries]
        few = [lone(entry, key, runs) for entry in entries]
        digits = max((len(last.partition(".")[2].rstrip()) for last in lasts if "e" not in last), default=0)
        unlike = [_unfinished(entry) and apart(entry, key, runs) for entry in entries]
        compared = _aligned([
            f"{'~' if other else '?' if one_seed else ''}{told}" if (told := _difference(one, digits)) else ""
            for one, other, one_seed in zip(differences, unlike, few, strict=True)
        ])  # fmt: skip
        columns = {
            "last": self._right("last", lasts), "best": self._right("best", bests),
            "vs": self._right("vs", compared), "step": self._right("step", steps),
            "state": [_state(entry, now) for entry in entries], "gpu": [_gpus(entry) for entry in entries],
            "age": self._right("age", [_age(entry, now) for entry in entries], 7),
        }  # fmt: skip
        self.rows = []
        for at, entry in enumerate(entries):
            sign, colour, look = _looks(entry)
            better = "$muted" if _unfinished(entry) or few[at] else _better(differences[at], values[at])
            self.rows.append([
                Cell(sign, colour),
                Cell(MARK if marked.intersection(run.id for run in entry.runs) else " ", "$muted"),
                Cell(_id(entry, opened), look), Cell(_name(entry), look if entry.runs else "$muted"),
                Cell(columns["last"][at], "$foreground"), Cell(spreads[at], "$muted"), Cell(columns["vs"][at], better),
                Cell(columns["step"][at], "$muted"), Cell(columns["state"][at], _state_look(entry)),
                Cell(columns["best"][at], "$muted"), Cell(columns["age"][at], "$muted"),
                Cell(columns["gpu"][at], "$muted"),
            ])  # fmt: skip
        self.columns = self._columns(sorting)

    def _columns(self, sorting: Sorting) -> tuple[Column, ...]:
        def head(name: str, right: bool = False) -> str:
            arrow = ("↓" if sorting.downward else "↑") if name == sorting.column else ""
            width = self._widths.get(name, 0)
            return f"{name + arrow:>{width}}" if right else name + arrow

        return (
            Column("", 1), Column("", 1), Column(head("id"), 9), Column(head("name"), share=1, least=8),
            Column(head("last", True), 12, 1), Column("±", 8, 5), Column(head("vs", True), 9, 3),
            Column(head("step", True), 15, 4), Column(head("state"), 12, 2), Column(head("best", True), 10, 6),
            Column(head("age", True), 9, 7), Column("gpu", 9, 8),
        )  # fmt: skip

    def _right(self, name: str, texts: list[str], least: int = 5) -> list[str]:
        """TEXTS at the right end of their column."""
        width = max([self._widths.get(name, least), *map(len, texts)])
        self._widths[name] = width
        return [f"{text:>{width}}" if text.strip() else "" for text in texts]


def column_at(name: str) -> str | None:
    """The column that a heading stands for, None where nothing can be sorted by it."""
    plain = name.strip(" ↓↑")
    return plain if plain in SORTS else None


def _unfinished(entry: Entry) -> bool:
    """Whether it goes on or was stopped: where it stands is no verdict."""
    return any(run.status in ALIVE or run.status == "stopped" for run in entry.runs)


def _value(one: float | None) -> str:
    return "nan" if one is None else number(one)


def _short(spread: float) -> str:
    return f"{spread:.2g}" if 1e-3 <= spread < 1e4 or not spread else number(spread)


def _aligned(texts: Sequence[str]) -> list[str]:
    """TEXTS with their points under each other, all as wide; what has none, or an exponent, at the right end."""
    plain = ["" if text in ("nan", "=") or "e" in text else text for text in texts]
    parts = [text.partition(".") for text in plain]
    before = max((len(part[0]) for part in parts), default=0)
    behind = max((len(part[1] + part[2]) for part in parts), default=0)
    wide = max([before + behind, *map(len, texts)])
    return [
        f"{part[0]:>{wide - behind}}{part[1] + part[2]:<{behind}}" if part[0] else f"{text:>{wide}}"
        for text, part in zip(texts, parts, strict=True)
    ]


def _difference(one: float | None, digits: int) -> str:
    """With as many DIGITS behind the point as the values have, where that leaves anything of it."""
    if not one:
        return "" if one is None else "="
    size = abs(one)
    told = f"{size:.{digits}f}"
    return ("▼" if one < 0 else "▲") + (told if size < 1e4 and float(told) else _short(size))


def _better(one: float | None, own: Value | None) -> str:
    """The colour of a difference: by what the metric is to become, where that is known, beyond the spread of seeds."""
    if not one or own is None or not own.goal or abs(one) <= (own.spread or 0.0):
        return "$muted"
    return "$success" if (one < 0) == (own.goal == "min") else "$error"


def _looks(entry: Entry) -> tuple[str, str, str]:
    """Sign, its colour, and that of the row's words."""
    if (shell := entry.shell) is not None:
        return *_shell_sign(shell), "$muted"
    states = {run.status for run in entry.runs}
    status = next((one for one in ("running", "queued", "failed", "stopped") if one in states), "finished")
    sign, colour = SIGNS[status]
    return sign, colour, "$foreground" if status in ALIVE or status == "finished" else "$muted"


def _shell_sign(shell: Shell) -> tuple[str, str]:
    if shell.runs:
        return "●", "$agent"
    if shell.signal is not None:
        return "■", "$warning"
    if shell.exit_code is None:
        return "■", "$muted"
    return ("✗", "$error") if shell.exit_code else ("✓", "$success")


def _id(entry: Entry, opened: set[str]) -> str:
    if entry.shell is not None:
        return "$"
    if entry.group:
        return f"{'▾' if entry.key in opened else '▸'} ×{len(entry.runs)}"
    return f"  {entry.key}" if entry.inside else entry.key


def _name(entry: Entry) -> str:
    if entry.shell is not None:
        return " ".join(entry.shell.command.split())
    run = entry.runs[0]
    if entry.inside and run.seed is not None:
        return f"seed {run.seed}"
    return run.name or " ".join(run.command.split())


def _steps(entry: Entry, key: str) -> str:
    if (run := entry.head) is None or (step := step_of(run, key)) is None:
        return ""
    if entry.group:
        done = [one for member in entry.runs if (one := step_of(member, key)) is not None]
        step = min(done)
    total = run.progress[1] if run.progress else 0
    return f"{step:.10g}/{total:.10g}" if total and run.status in ALIVE else f"{step:.10g}"


def _state(entry: Entry, now: float) -> str:
    if (shell := entry.shell) is not None:
        return shell.how
    states = [run.status for run in entry.runs]
    if "running" in states:
        if any(run.ready for run in entry.runs):
            return "ready"
        left = [run.eta_s for run in entry.runs if run.status == "running" and run.eta_s is not None]
        return f"{words.age(max(left))} left" if left else "running"
    if "queued" in states:
        return "waits"
    failed = [run for run in entry.runs if run.status == "failed"]
    if failed and entry.group:
        return f"{len(failed)} failed"
    if failed:
        code = failed[0].exit_code
        return f"exit {code}" if code else "failed"
    return "stopped" if "stopped" in states else "done"


def _state_look(entry: Entry) -> str:
    return "$error" if any(run.status == "failed" for run in entry.runs) else "$muted"


def _gpus(entry: Entry) -> str:
    cards = sorted({card for run in entry.runs for card in run.gpus})
    if not cards:
        return ""
    names = [card.removeprefix("GPU-")[:4] if card.startswith("GPU-") else card for card in cards]
    return ",".join(names) if len(",".join(names)) <= 9 else f"{len(cards)} cards"


def _age(entry: Entry, now: float) -> str:
    """How long it runs; of what has ended, how long ago it began, and from a day on the date."""
    if (shell := entry.shell) is not None:
        about = "" if shell.seen else ">"
        return about + words.age((now if shell.ended is None else shell.ended) - shell.since)
    run = entry.runs[0]
    if run.status == "running" and run.started is not None:
        return words.age(now - run.started)
    ago = max(0.0, now - (run.started or run.created))
    if ago >= _DAY:
        return time.strftime("%b %d", time.localtime(run.started or run.created))
    return f"{int(ago // 3600)}h ago" if ago >= 3600 else f"{int(ago // 60)}m ago" if ago >= 60 else "now"
