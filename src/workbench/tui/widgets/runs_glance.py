"""The runs in a few words: for the strip, the line over the parts, and where there are none."""

from collections.abc import Sequence
from typing import Any

from textual._context import NoActiveAppError
from textual.app import App
from textual.content import Content
from textual.widget import Widget

from workbench.protocol.queries import RunRow
from workbench.tui.panes.rows import Rows, cut, wrapped
from workbench.tui.widgets.chart import Chart
from workbench.tui.widgets.chart_axis import number
from workbench.tui.widgets.line import Part
from workbench.tui.widgets.runs_changes import told_of
from workbench.tui.widgets.runs_rows import ALIVE, Entry, Known, difference, metrics, value
from workbench.tui.widgets.runs_sheet import SIGNS
from workbench.tui.widgets.runs_shells import Shell

__all__ = ["Words", "alert", "app_of", "cut", "line", "names", "nothing", "remembered", "settings", "teaches"]

GRAVE = ("memory", "disk", "crash", "nan", "divergence")  # alerts that say why a run is of no use, the gravest first
TEACHES = "No runs yet: `mlwb exp run -- python train.py`, or let the agent start one."


class Words(Rows):
    """A few lines of plain words."""

    DEFAULT_CSS = """
    Words { padding: 0; height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._words: tuple[str, ...] = ()

    def put(self, words: Sequence[str]) -> None:
        """WORDS, a paragraph each."""
        if tuple(words) != self._words:
            self._words = tuple(words)
            self.redraw()

    def build(self, width: int) -> list[Content]:
        """The words in rows."""
        return [one for words in self._words for one in wrapped(words, width)]


def teaches(words: str, trouble: str, notes: Sequence[str]) -> tuple[str, ...]:
    """What stands where no row is: why, and what would bring one."""
    if trouble:
        return (trouble,)
    if words:
        return (f"no run has {words!r} in its name, tags, status, id or note; esc shows all",)
    return (TEACHES, *notes)


def app_of(widget: Widget) -> "App[Any] | None":
    """The app that WIDGET is for, also before it is mounted; None where there is none."""
    try:
        app = widget.app
    except NoActiveAppError:
        return None
    return app if app.is_running else None


def remembered(widget: Widget) -> str:
    """The metric that was chosen for the workspace of the pane WIDGET."""
    prefs: Any = getattr(app_of(widget), "prefs", None)
    kept = getattr(prefs, "metrics", None) or {}
    found: str = kept.get(getattr(widget, "workspace", ""), "")
    return found


def line(rows: Sequence[RunRow], shells: Sequence[Shell], chosen: str) -> str:
    """`● r-14 1.472 ▼0.111 +1`: the newest run that goes on, else the newest command, else the newest run."""
    alive = [one for one in rows if one.status in ALIVE]
    going = [shell for shell in shells if shell.runs]
    if not alive and going:
        more = f" +{len(going) - 1}" if len(going) > 1 else ""
        return f"● {' '.join(going[0].command.split())}{more}"
    run = max(alive or rows, key=lambda one: one.created, default=None)
    if run is None:
        return ""
    key = chosen if chosen in run.metrics else next(iter(metrics([run])), "")
    parts = [SIGNS.get(run.status, ("?", ""))[0], run.id]
    if (own := value([run], key)) is not None:
        parts.append("nan" if own.last is None else number(own.last))
        higher = difference(Entry(run.id, (run,)), key, Known(rows))
        parts += ["▼" if higher < 0 else "▲"] if higher else []
    if run.alerts:
        parts.append(f"! {run.alerts[-1].kind}")
    others = len(alive) + len(going) - 1
    return " ".join(parts) + (f" +{others}" if others > 0 else "")


def settings(x: str, smoothing: float, chart: Chart) -> str:
    """How the chart is drawn, where that is not as usual."""
    parts = [f"by {x}" if x != "step" else "", f"smoothed {smoothing:.0%}" if smoothing else "",
             "log y" if chart.log_y else "", "log x" if chart.log_x else "",
             "zoomed, 0 shows all" if chart.x_range is not None else ""]  # fmt: skip
    return " · ".join(filter(None, parts))


def nothing(runs: Sequence[RunRow], x: str) -> str:
    """Why there is no curve of RUNS."""
    if all(not run.metrics and run.status not in ALIVE for run in runs):
        return "no metric in what it wrote; o shows its log"
    if x == "epoch":
        return "nothing here tells its epochs"
    told = any(metric.last is not None for run in runs for metric in run.metrics.values())
    return "reading…" if told else "no points yet"  # where a value is told there are points, under way


def names(parts: Sequence[str], shown: set[str], room: int) -> list[Part]:
    """PARTS by name; those SHOWN alone where ROOM is too little for all, so that what was seen on the run is whole."""
    if sum(len(name) + 2 for name in parts) + 4 > room:
        parts = [name for name in parts if name in shown]
    named = ((Part(name, "$foreground bold" if name in shown else "$muted-2", name), Part("  ")) for name in parts)
    return [part for pair in named for part in pair]


def alert(run: RunRow | None) -> tuple[str, str]:
    """What a person should know of RUN first, and its colour: the gravest that was seen, or why it ended."""
    if run is None:
        return "", ""
    seen = next((one for kind in GRAVE for one in run.alerts if one.kind == kind), None)
    seen = seen or (run.alerts[-1] if run.alerts else None)
    if run.status == "failed" and run.why and (seen is None or seen.kind not in GRAVE):
        return f"✗ {run.why.splitlines()[0]}", "$error"
    if seen is not None:
        return told_of(seen).splitlines()[0], "$error" if run.status == "failed" else "$warning"
    return (run.why.splitlines()[0], "$muted") if run.why else ("", "")
