"""The runs pane: every run in a table, the curves of those that are looked at, the log and what changed beside them."""

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.timer import Timer

from workbench.protocol.events import Envelope
from workbench.protocol.queries import RunChanges, RunChangesPage, RunRow
from workbench.protocol.state import SessionState
from workbench.tui.panes.rows import chrome, row
from workbench.tui.panes.runs_doing import RunsDoing
from workbench.tui.view import Pane
from workbench.tui.widgets import runs_glance as glance
from workbench.tui.widgets.chart import LEFT, NAMES, WIDE, Chart
from workbench.tui.widgets.line import Line, Part
from workbench.tui.widgets.runs_curves import SMOOTHING
from workbench.tui.widgets.runs_rows import ALIVE, Entry, entries, metrics
from workbench.tui.widgets.runs_sheet import Sheet
from workbench.tui.widgets.runs_table import RunsTable

PARTS = ("chart", "log", "changes")
BIG = (110, 18)  # cells from which chart and log stand beside each other
TALL = 13  # rows from which the names of the parts stand over the chart; under it the footer tells the key
SETTLED_S = 0.06  # after a key, what it led to is asked for: one that is held asks once


class RunsPane(RunsDoing, Pane):
    """The table above; under it chart, log or changes of the selected run, or, with room, the chart and one of them."""

    pane_id: ClassVar[str] = "runs"
    title: ClassVar[str] = "runs"
    empty: ClassVar[str] = "none yet"

    DEFAULT_CSS = """
    RunsPane { height: 1fr; width: 1fr; padding: 0 1; layout: vertical; }
    RunsPane > #runs-parts { height: 1fr; width: 1fr; }
    RunsPane > #runs-tabs { height: 1; }
    RunsPane #runs-log.-beside, RunsPane #runs-changes.-beside { margin-left: 2; }
    RunsPane .-off { display: none; }
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self.heading = ""  # what its title line says besides
        self._sheet = Sheet()
        self._entries: list[Entry] = []
        self._rows = 0  # of the table: it grows with its runs, and does not shrink
        self._pending: Timer | None = None
        self._mark: tuple[object, ...] = ()
        self._compared: tuple[object, ...] = ()  # what the changes that are shown are of
        self._changes: RunChanges | None = None
        self._looks: tuple[object, ...] = ()  # what the chart was drawn of
        self._opening: tuple[str, float | None] | None = None  # a run to be shown once it is known

    def compose(self) -> ComposeResult:
        """The table first: it is what the focus comes to."""
        yield self.table
        yield self.tabs
        with Horizontal(id="runs-parts"):
            yield self.chart
            yield self.log_view
            yield self.changes_view
        yield self.teach
        yield self.bar

    def on_mount(self) -> None:
        """What is known by now; somebody waits for the rest."""
        self._begin()
        self.redraw()
        self.feed.look()

    def on_unmount(self) -> None:
        """Gone for good: a pane that is put away stays mounted."""
        self.end()

    def end(self) -> None:
        """Looks no more."""
        self.feed.end()

    # --- what the shell asks -------------------------------------------------------------------------------

    def show_session(self, state: SessionState, news: Sequence[Envelope]) -> None:
        """Takes in what began and what ended beside the talk; runs are asked for."""
        self._begin()
        before = [(shell.id, shell.ended) for shell in self.shells.all()]
        self._look_at(state, news)
        if not news or before != [(shell.id, shell.ended) for shell in self.shells.all()]:
            self.redraw()

    def strip(self, state: SessionState) -> Content:
        """The newest run that goes on, its value and whether that is better; else the newest."""
        self._begin()
        self._look_at(state)
        return row(glance.line(self.feed.rows, self.shells.all(), self.metric) or self.empty)

    def filled(self, state: SessionState) -> bool:
        """Once something runs, or this session has had a run. Asked at every news, also before it is on the screen."""
        self._begin()
        self._look_at(state)
        return bool(state.runs) or self.moving

    @property
    def rows_wanted(self) -> int:
        """Rows that it can use, where another pane takes what is left."""
        return 24 if self.feed.rows else 2 + len(self.shells.all())

    def _begin(self) -> None:
        app = glance.app_of(self)
        if app is not None:
            self.feed.begin(app)

    def _look_at(self, state: SessionState, news: Sequence[Envelope] = ()) -> None:
        """Looks anew whenever the session has come a step further: a pane off the screen gets no news."""
        if self.session and not state.session:  # all is told anew: what is looked at stays
            self._mark = ()
            return
        if state.session != self.session:
            if self.session:
                self.feed.forget()
                self.curves.forget()
            self.session, self.workspace, self.picked = state.session, state.workspace, False
            self.chosen = glance.remembered(self)
        self.workspace = state.workspace
        self.shells.follow(state, news)
        mark = (state.session, state.turns, state.runs, state.phase in ("idle", "ended"))
        if mark != self._mark:
            self._mark = mark
            self.feed.look()

    # --- what came -----------------------------------------------------------------------------------------

    @property
    def seen(self) -> bool:
        """Whether anyone can see it."""
        return self.is_mounted and self.is_on_screen

    def told(self, changed: bool) -> None:
        """A look has come back."""
        if changed and self._opening is not None:
            self.open_run(*self._opening)
        if self.seen and (changed or self.moving):
            self.redraw()
            self.detail(at_once=True)
        if changed:
            chrome(self.app)

    def appears(self) -> None:
        """On the screen: drawn, and looked at anew."""
        self.redraw()
        self.feed.look()

    def on_hide(self) -> None:
        """Off the screen: now only for the strip."""
        self.feed.pace()

    def open_run(self, run: str, step: float | None = None) -> None:
        """Selects RUN, opens its group, and puts the chart's cursor at STEP. One not known yet: once it is."""
        found = self.feed.known.get(run)
        self._opening = None if found else (run, step)
        if found is None:
            self.feed.look()
            return
        self.words = ""
        group = f"group {found.group}"
        if found.group and sum(other.group == found.group for other in self.feed.rows) > 1:
            self.opened.add(group)
        self.selected, self.picked = run, True
        if step is not None:
            self.see_part("chart")
            self.set_x("step")
            self.chart.point(step)
        self.redraw()
        self.detail()

    # --- drawing -------------------------------------------------------------------------------------------

    @property
    def metric(self) -> str:
        """The metric that is looked at: the one a person chose, as long as any run has it, else the telling one."""
        names = metrics(self.feed.rows)
        return self.chosen if self.chosen in names else names[0] if names else ""

    @property
    def entry(self) -> Entry | None:
        """The row that is selected."""
        return next((entry for entry in self._entries if entry.key == self.selected), None)

    @property
    def looks(self) -> str:
        """What a person sees here, for the others: the run that is selected."""
        return self.entry.runs[0].id if self.entry is not None and self.entry.runs else ""

    def show_what(self, what: str) -> None:
        """Goes to the run WHAT, where somebody else looks."""
        self.open_run(what)

    def drawn(self) -> list[RunRow]:
        """The runs whose curves are shown: those selected, the one they are compared with, those that are marked."""
        entry, known = self.entry, self.feed.known
        runs = list(entry.runs) if entry else []
        if entry and entry.head and (other := known.get(entry.head.against)):
            runs.insert(1, other)
        runs += [known[name] for name in sorted(self.marked) if name in known]
        return list({run.id: run for run in runs}.values())

    def redraw(self) -> None:
        """Draws what is known, where anyone can see it."""
        if not self.is_mounted:
            return
        key, now = self.metric, self._clock()
        told = entries(self.feed.rows, self.words, self.opened, *self.sorting, key)
        told += [Entry(f"$ {shell.id}", shell=shell) for shell in self.shells.all() if not self.words]
        self._entries = told
        keys = [entry.key for entry in told]
        if self.selected not in keys or not self._stays():
            kept = self.selected if self.selected in keys else next(iter(keys), "")
            self.selected = next((one.key for one in told if _goes_on(one)), kept)
        self._sheet.fill(told, key, self.feed.known, self.marked, self.opened, now, self.sorting)
        self.table.renew(self._sheet, keys.index(self.selected) if self.selected else 0)
        self._arrange()
        self._entitle(key)

    def _stays(self) -> bool:
        """Whether what is selected is what a person looks at, or still goes on; else the next run that begins is."""
        looked = self.picked or self.chart.cursor is not None
        return looked or (self.entry is not None and _goes_on(self.entry))

    def _entitle(self, key: str) -> None:
        states = [row.status for row in self.feed.rows]
        running = states.count("running") + sum(shell.runs for shell in self.shells.all())
        parts = [f"{key} ▾" if key else "", f"{running} running" if running else "",
                 f"{states.count('queued')} waiting" if "queued" in states else "",
                 f"filter: {self.words}" if self.words else ""]  # fmt: skip
        self.heading = " · ".join(filter(None, parts))
        chrome(self.app)

    def _arrange(self) -> None:
        """Which parts there are, by the room and by what there is to show."""
        width, height = self.size
        runs, rows = bool(self.feed.rows), self.table.rows
        parts = runs and height >= 8
        big = parts and width >= BIG[0] and height >= BIG[1]
        most = max(3, height * (35 if big else 40) // 100) if parts else height
        self._rows = min(most, max(self._rows, rows + 1)) if rows else 0
        self.table.styles.height = self._rows
        self.table.set_class(not rows, "-off")
        self.tabs.set_class(not parts or (height < TALL and self.part == "chart"), "-off")
        shown = {"chart"} | {self.beside} if big else {self.part}
        for name, part in zip(PARTS, (self.chart, self.log_view, self.changes_view), strict=True):
            part.set_class(not parts or name not in shown, "-off")
            part.set_class(big and name != "chart", "-beside")
        self.query_one("#runs-parts").set_class(not parts, "-off")
        self.teach.put(() if rows else glance.teaches(self.words, self.feed.trouble, self.feed.notes))
        self.teach.set_class(bool(rows), "-off")
        self.big = big
        self._say_parts(shown)

    def _say_parts(self, shown: set[str]) -> None:
        """The line between table and parts: their names, how the chart is drawn, and what was seen on the run."""
        words, style = glance.alert(self.entry.head if self.entry else None)
        left = glance.names(PARTS, shown, self.size.width - len(words))
        if "chart" in shown:
            left.append(Part(glance.settings(self.x, SMOOTHING[self.smoothing], self.chart), "$muted"))
        room = max(10, self.size.width - sum(len(part.text) for part in left) - 4)
        self.tabs.put(left, [Part(glance.cut(words, room), style, "changes")] if words else [])

    def sheet_anew(self) -> None:
        """Other values stand in the columns."""
        self._sheet.reset()

    def on_resize(self) -> None:
        """Other parts fit."""
        self._rows = 0
        self.redraw()
        self.detail()

    # --- what is looked at of the selected run -----------------------------------------------------------------

    def detail(self, at_once: bool = False) -> None:
        """Has curves, log and changes of what is selected drawn, AT_ONCE or as soon as keys rest."""
        if not self.is_mounted:
            return
        if self._pending is not None:
            self._pending.stop()
            self._pending = None
        if at_once:
            self.feed.run(self._detail())
        else:
            self._pending = self.set_timer(SETTLED_S, lambda: self.detail(at_once=True))

    async def _detail(self) -> None:
        if not self.seen or not self.feed.rows:
            return
        run = self.entry.head if self.entry else None
        chart = self.chart
        looks = ([one.id for one in self.drawn()], self.metric, self.x, self.smoothing, chart.x_range, chart.log_x,
                 chart.size)  # fmt: skip
        if looks != self._looks:  # what is held is shown at once
            self._looks = looks
            self._draw_chart()
        if self.log_view.display and run is not None:
            fresh = run.id != self.log_view.run
            self.log_view.show(run.id)
            if fresh or run.status in ALIVE or not self.log_view.total or self.log_ended != run.status:
                self.log_ended = run.status
                await self.log_view.tail()
        if chart.display and await self.curves.refresh(self.drawn()):
            self._draw_chart()
        if self.changes_view.display:
            await self._compare(run)

    def _draw_chart(self) -> None:
        runs = self.drawn()
        key = self.metric
        if runs and key not in runs[0].metrics and (own := metrics(runs[:1])):
            key = own[0]  # a run of another kind is shown by what it has
        chart, curves = self.chart, self.curves
        curves.key, curves.x, curves.view, curves.log = key, self.x, chart.x_range, chart.log_x
        curves.width = 2 * max(20, chart.size.width - LEFT - (NAMES + 1 if chart.size.width >= WIDE else 0))
        named = [(run, f"{run.id} {run.name}".strip()) for run in runs]
        series, behind = curves.series(named, SMOOTHING[self.smoothing])
        chart.bounds = curves.bounds(runs)
        chart.title = key
        chart.nothing = glance.nothing(runs[:1], self.x)
        chart.show(series, behind)

    async def _compare(self, run: RunRow | None) -> None:
        mark = (run.id, run.status, run.against, len(run.alerts)) if run else ()
        if mark != self._compared:
            if not self._compared or not mark or mark[0] != self._compared[0]:
                self._changes = None
            self._compared = mark
            self.changes_view.show(run, self._changes)
            page = await self.feed.ask(RunChangesPage(run=run.id)) if run else None
            if isinstance(page, RunChanges) and mark == self._compared:
                self._changes = page
        self.changes_view.show(run, self._changes)

    # --- the mouse -----------------------------------------------------------------------------------------

    def on_table_moved(self, event: RunsTable.Moved) -> None:
        """Another row was chosen."""
        event.stop()
        self.choose()

    def choose(self) -> None:
        """What the table's cursor stands on is looked at."""
        if 0 <= self.table.cursor < len(self._entries) and self._entries[self.table.cursor].key != self.selected:
            self.selected, self.picked = self._entries[self.table.cursor].key, True
            self._arrange()
            self.detail()
            chrome(self.app)

    def on_runs_table_open(self, event: RunsTable.Open) -> None:
        """A second click is an Enter."""
        event.stop()
        self.do("runs_open")

    def on_runs_table_sort(self, event: RunsTable.Sort) -> None:
        """A heading was clicked."""
        event.stop()
        self.sort_by(event.column)

    def on_chart_seen(self, event: Chart.Seen) -> None:
        """Zoomed or moved: finer points may be needed."""
        event.stop()
        self._say_parts({"chart", self.beside} if self.big else {self.part})
        self.detail()

    def on_line_pressed(self, event: Line.Pressed) -> None:
        """The name of a part was clicked."""
        event.stop()
        self.see_part(event.action)

    def on_key(self, event: events.Key) -> None:
        """Escape goes back: from a part to the table, from a filter to all runs."""
        if event.key == "escape" and self.back():
            event.stop()
            event.prevent_default()

    def beg(self, words: str, severity: str = "information") -> None:
        """WORDS in the corner."""
        app: Any = self.app
        if callable(tell := getattr(app, "tell", None)):
            tell(words, severity)


def _goes_on(entry: Entry) -> bool:
    return any(run.status == "running" for run in entry.runs)
