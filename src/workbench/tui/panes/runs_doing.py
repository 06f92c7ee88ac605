"""What the keys of the runs pane do."""

from collections.abc import Callable
from typing import Any

from textual.widget import Widget

from workbench.protocol.queries import RunRow
from workbench.tui import prefs
from workbench.tui.panes import runs_acting as acting
from workbench.tui.widgets.chart import Chart
from workbench.tui.widgets.line import Line
from workbench.tui.widgets.runs_bar import RunsBar
from workbench.tui.widgets.runs_changes import RunsChanges
from workbench.tui.widgets.runs_curves import SMOOTHING, Curves
from workbench.tui.widgets.runs_feed import Feed
from workbench.tui.widgets.runs_glance import Words
from workbench.tui.widgets.runs_log import RunsLog
from workbench.tui.widgets.runs_rows import ALIVE, SORTS, Entry, metrics
from workbench.tui.widgets.runs_sheet import Sorting
from workbench.tui.widgets.runs_shells import Shells
from workbench.tui.widgets.runs_table import RunsTable
from workbench.tui.widgets.search import SearchBar

XS = ("step", "time", "epoch")
KEPT = 100  # workspaces whose metric is remembered


class RunsDoing(Widget):
    """The parts of the pane, how they are looked at, and each action of the table whose `on` is runs."""

    @property
    def entry(self) -> Entry | None:
        """The row that is selected."""
        raise NotImplementedError

    @property
    def metric(self) -> str:
        """The metric that is looked at; empty without any."""
        raise NotImplementedError

    @property
    def seen(self) -> bool:
        """Whether anyone can see the pane."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.feed = Feed(lambda: self.seen, lambda: self.moving, self.told)
        self.shells = Shells()
        self.curves = Curves(self.feed.ask)
        self.table, self.tabs = RunsTable(), Line("runs-tabs")
        self.chart, self.log_view, self.changes_view = Chart(), RunsLog(self.feed.ask), RunsChanges()
        self.log_view.id, self.changes_view.id = "runs-log", "runs-changes"
        self.teach, self.bar = Words(), RunsBar()
        self.session = self.workspace = ""
        self.words, self.chosen, self.selected = "", "", ""
        self.picked = False  # a person chose what is selected
        self.opened: set[str] = set()
        self.marked: set[str] = set()
        self.sorting = Sorting()
        self.part, self.beside, self.big = "chart", "log", False
        self.x, self.smoothing = "step", 0
        self.log_ended = ""
        self._finding = self._keeping = False

    @property
    def moving(self) -> bool:
        """Whether anything goes on, a run or a command."""
        return self.feed.alive or any(shell.runs for shell in self.shells.all())

    def told(self, changed: bool) -> None:
        """A look has come back."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draws what is known."""
        raise NotImplementedError

    def detail(self, at_once: bool = False) -> None:
        """Has what is looked at of the selected run asked for."""
        raise NotImplementedError

    def choose(self) -> None:
        """What the table's cursor stands on is looked at."""
        raise NotImplementedError

    def drawn(self) -> list[RunRow]:
        """The runs whose curves are shown."""
        raise NotImplementedError

    def beg(self, words: str, severity: str = "information") -> None:
        """WORDS in the corner."""
        raise NotImplementedError

    # --- the table of what is done ---------------------------------------------------------------------------

    def naming(self) -> dict[str, str]:
        """Only what goes on can be stopped; without a run there is nothing to look at."""
        if not self.feed.rows:
            return dict.fromkeys(("runs_part", "runs_metric", "runs_mark", "runs_filter", "runs_stop"), "")
        alive = self.entry is not None and any(run.status in ALIVE for run in self.entry.runs)
        return {} if alive else {"runs_stop": ""}

    def do(self, action: str) -> None:
        """The actions of the table whose `on` is runs."""
        if not self.is_mounted:
            return
        chart = self.chart
        does: dict[str, Callable[[], object]] = {
            "runs_down": lambda: self._by(1), "runs_up": lambda: self._by(-1),
            "runs_page_down": lambda: self._page(1), "runs_page_up": lambda: self._page(-1),
            "runs_first": lambda: self._by(-(1 << 60)), "runs_last": lambda: self._by(1 << 60),
            "runs_open": self._open, "runs_part": self._next_part, "runs_mark": self._toggle_mark,
            "runs_metric": self._choose_metric, "runs_next_metric": self._next_metric,
            "runs_filter": self._look_for, "runs_sort": self._next_sort, "runs_reverse": self._reverse,
            "runs_left": lambda: self._on_chart(lambda: chart.action_move(-1)),
            "runs_right": lambda: self._on_chart(lambda: chart.action_move(1)),
            "runs_cursor": lambda: self._on_chart(chart.action_cursor),
            "runs_zoom_in": lambda: self._on_chart(lambda: chart.action_zoom(0.5)),
            "runs_zoom_out": lambda: self._on_chart(lambda: chart.action_zoom(2.0)),
            "runs_earlier": lambda: self._on_chart(lambda: chart.action_pan(-0.25)),
            "runs_later": lambda: self._on_chart(lambda: chart.action_pan(0.25)),
            "runs_all": lambda: self._on_chart(chart.action_all),
            "runs_log_y": lambda: self._on_chart(chart.action_log_y, asks=True),
            "runs_log_x": lambda: self._on_chart(chart.action_log_x, asks=True),
            "runs_x": lambda: self.set_x(XS[(XS.index(self.x) + 1) % len(XS)]),
            "runs_smooth": self._smooth,
            "runs_next_match": lambda: self._again(1), "runs_previous_match": lambda: self._again(-1),
            "runs_edit": lambda: acting.edit(self), "runs_copy": lambda: acting.copy(self),
            "runs_note": lambda: acting.note(self),
            "runs_tag": lambda: acting.tag(self), "runs_stop": lambda: acting.stop(self),
        }  # fmt: skip
        if action in does:
            does[action]()

    # --- going -----------------------------------------------------------------------------------------------

    def _by(self, rows: int) -> None:
        if self.log_view.has_focus:
            self.log_view.by(rows)
        elif self.changes_view.has_focus:
            self.changes_view.scroll_to(y=self.changes_view.scroll_y + rows, animate=False)
        else:
            self.table.action_by(rows)
            self.choose()

    def _page(self, pages: int) -> None:
        for part in (self.log_view, self.changes_view):
            if part.has_focus:
                self._by(pages * max(1, part.size.height - 1))
                return
        self.table.action_page(pages)
        self.choose()

    def _open(self) -> None:
        """A group folds and unfolds; a run is gone into."""
        entry = self.entry
        if not self.table.has_focus or entry is None or entry.shell is not None:
            return
        if entry.group:
            self.opened ^= {entry.key}
            self.redraw()
        elif self.big or self.part == "chart":
            self.see_part(self.beside if self.big else "log")
        else:
            self._enter()

    def _next_part(self) -> None:
        """The next part in the room that parts share."""
        if self.big:
            self.see_part("changes" if self.beside == "log" else "log", enter=not self.table.has_focus)
        else:
            parts = ("chart", "log", "changes")
            self.see_part(parts[(parts.index(self.part) + 1) % len(parts)], enter=not self.table.has_focus)

    def see_part(self, part: str, enter: bool = True) -> None:
        """Shows chart, log or changes, and, where one can go into it, goes there if ENTER."""
        self.part = part
        if part != "chart":
            self.beside = part
        self.redraw()
        self.detail()
        if enter:
            self.call_after_refresh(self._enter)

    def _enter(self) -> None:
        shown = self.beside if self.big and self.part != "chart" else self.part
        widget: Widget = {"log": self.log_view, "changes": self.changes_view}.get(shown, self.table)
        widget.focus(scroll_visible=False)

    def back(self) -> bool:
        """One step back: out of a part, out of a filter. False where there is nothing to go back from."""
        if self.bar.is_open:
            return False
        if not self.table.has_focus and self.feed.rows:
            self.table.focus(scroll_visible=False)
        elif self.words:
            self.words = ""
            self.redraw()
        else:
            return False
        return True

    # --- the table -------------------------------------------------------------------------------------------

    def _next_sort(self) -> None:
        self.sort_by(SORTS[(SORTS.index(self.sorting.column) + 1) % len(SORTS)])

    def sort_by(self, column: str) -> None:
        """By COLUMN; by the one that it is sorted by already: the other way round. The best and newest come first."""
        if column == self.sorting.column:
            self._reverse()
            return
        goal = next((one.metrics[self.metric].goal for one in self.feed.rows if self.metric in one.metrics), "")
        downward = column in ("age", "id", "step") or (column in ("last", "best", "vs") and goal == "max")
        self.sorting = Sorting(column, downward)
        self.redraw()

    def _reverse(self) -> None:
        self.sorting = self.sorting._replace(downward=not self.sorting.downward)
        self.redraw()

    def _toggle_mark(self) -> None:
        """The runs of the row are drawn whatever is selected, or no longer."""
        if (entry := self.entry) is None or not entry.runs:
            return
        names = {run.id for run in entry.runs}
        self.marked = self.marked - names if names <= self.marked else self.marked | names
        self.redraw()
        self.table.action_by(1)
        self.choose()
        self.detail()

    def _choose_metric(self) -> None:
        names = metrics(self.feed.rows)
        if not names:
            self.beg("no run has logged a metric yet")
            return
        from workbench.tui.screens.chooser import Chooser, Row

        def note(key: str) -> str:
            runs = [one for one in self.feed.rows if key in one.metrics]
            goal = {"min": "lower is better", "max": "higher is better"}.get(runs[0].metrics[key].goal, "")
            return " · ".join(filter(None, (f"{len(runs)} run{'s' * (len(runs) != 1)}", goal)))

        rows = [Row(id=name, label=name, note=note(name)) for name in names]
        self.app.push_screen(
            Chooser(rows, "metric", self.metric), lambda name: self._take_metric(name) if name else None
        )

    def _next_metric(self) -> None:
        names = metrics(self.feed.rows)
        if names:
            self._take_metric(names[(names.index(self.metric) + 1) % len(names)])

    def _take_metric(self, name: str) -> None:
        self.chosen = name
        bench: Any = self.app
        if (kept := getattr(bench, "prefs", None)) is not None and self.workspace:
            others = [(place, metric) for place, metric in kept.metrics.items() if place != self.workspace]
            kept.metrics = dict([*others[-KEPT + 1 :], (self.workspace, name)])
            prefs.save(kept)
        self.sheet_anew()
        self.redraw()
        self.detail()

    def sheet_anew(self) -> None:
        """Other values stand in the columns."""
        raise NotImplementedError

    # --- the chart -------------------------------------------------------------------------------------------

    def _on_chart(self, act: Callable[[], object], asks: bool = False) -> None:
        """ACT on the chart, which is shown for it; ASKS: other points are needed for it."""
        if not self.chart.display:
            self.see_part("chart", enter=False)
        act()
        self.redraw()
        if asks:
            self.detail()

    def set_x(self, x: str) -> None:
        """Step, time or epoch on the x axis."""
        if x != self.x:
            self.x = x
            self.chart.measure(x, x_time=x == "time")
        if not self.chart.display:
            self.see_part("chart", enter=False)
        self.redraw()
        self.detail()

    def _smooth(self) -> None:
        self.smoothing = (self.smoothing + 1) % len(SMOOTHING)
        if not self.chart.display:
            self.see_part("chart", enter=False)
        self.redraw()
        self.detail()

    # --- words: a filter of the table, a search in the log -----------------------------------------------------

    def _look_for(self) -> None:
        self._finding = self.log_view.has_focus
        self._keeping = False
        self.bar.open_for("find" if self._finding else "filter", self.log_view.find if self._finding else self.words)

    def on_search_bar_changed(self, message: SearchBar.Changed) -> None:
        """Looks as one types."""
        message.stop()
        if self._finding:
            self._search(message.words, backwards=True, again=False)
        else:
            self.words = message.words.strip()
            self.redraw()
            self.detail()

    def on_search_bar_again(self, message: SearchBar.Again) -> None:
        """In the log the match before or behind; of a filter Enter takes what is left."""
        message.stop()
        if self._finding:
            self._search(self.log_view.find, backwards=message.by < 0, again=True)
        else:
            self._keeping = True
            self.bar.close()

    def on_search_bar_closed(self, message: SearchBar.Closed) -> None:
        """Back to where it was opened from; a filter that was given up is off."""
        message.stop()
        (self.log_view if self._finding else self.table).focus(scroll_visible=False)
        if not self._finding and not self._keeping:
            self.words = ""
            self.redraw()
            self.detail()

    def _again(self, by: int) -> None:
        if not self.log_view.find:
            self.beg("nothing is looked for in the log: / in it begins")
            return
        self._search(self.log_view.find, backwards=by < 0, again=True)

    def _search(self, words: str, backwards: bool, again: bool) -> None:
        async def search() -> None:
            try:
                said = await self.log_view.search(words, backwards, again)
            except Exception as error:
                said = f"nothing could be read: {error}"
            if self.bar.is_open:
                self.bar.say(said)
            elif said.startswith("nothing"):
                self.beg(f"{words!r}: {said}")

        self.run_worker(search(), group="runs-search", exclusive=True, exit_on_error=False)
