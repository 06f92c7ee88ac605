"""What is done with a run from its pane: its name copied, its log edited, a note written, an end made of it."""

import itertools
import os
from typing import TYPE_CHECKING

from workbench.protocol.commands import AnnotateRun, StopRuns
from workbench.protocol.queries import RunLog, RunLogPage, RunRow
from workbench.tui.widgets.runs_rows import ALIVE, Entry

if TYPE_CHECKING:
    from workbench.tui.panes.runs_doing import RunsDoing

EDITED = 100_000  # lines of a log that go to an editor
_ids = (f"runs-{number}" for number in itertools.count(1))


def _run(pane: "RunsDoing") -> RunRow | None:
    entry: Entry | None = pane.entry
    if entry is None or entry.head is None:
        pane.beg("this is no run" if entry else "there is no run")
        return None
    return entry.head


def _user(pane: "RunsDoing") -> str:
    """The name under which a person acts here."""
    return str(getattr(getattr(pane.app, "opener", None), "user", ""))


def copy(pane: "RunsDoing") -> None:
    """`r-14@812`: the run, at the step of the cursor or, where there is none, of the last value."""
    if (run := _run(pane)) is None:
        return
    from workbench.tui.panes.talk_outside import to_clipboard

    cursor = pane.chart.cursor if pane.x == "step" else None
    metric = run.metrics.get(pane.metric)
    step = cursor if cursor is not None else metric.step if metric else None
    name = run.id if step is None or step < 0 else f"{run.id}@{round(step)}"
    to_clipboard(pane.app, name, len(name))
    pane.beg(f"copied {name}")


def edit(pane: "RunsDoing") -> None:
    """The log, its last lines where it is very long, in the person's editor."""
    if (run := _run(pane)) is None:
        return

    async def fetched() -> None:
        from workbench.tui.panes.talk_outside import edit as open_in_editor

        lines: list[str] = []
        last = await pane.feed.ask(RunLogPage(run=run.id, n=1))
        at = start = max(0, (last.total if isinstance(last, RunLog) else 0) - EDITED)
        while at < start + EDITED:
            page = await pane.feed.ask(RunLogPage(run=run.id, line=at, n=2000))
            if not isinstance(page, RunLog) or not page.lines:
                break
            lines += page.lines
            at += len(page.lines)
        if problem := open_in_editor(pane.app, "\n".join([*lines, ""]), ".log", os.environ):
            pane.beg(problem, "warning")
        elif start:
            pane.beg(f"the log's first {start:,} lines were left out; `mlwb exp tail {run.id}` has them all")

    async def tried() -> None:
        try:
            await fetched()
        except Exception as error:  # whatever a file, a host or an editor's name fails of
            pane.beg(f"the log of {run.id} cannot be read: {error}", "error")

    pane.feed.run(tried())


def note(pane: "RunsDoing") -> None:
    """Asks for a word about the run, which is written into its record."""
    if (run := _run(pane)) is None:
        return
    from workbench.tui.screens.ask import Ask

    def take(text: str | None) -> None:
        if text is not None and text != run.note:
            _act(pane, AnnotateRun(id=next(_ids), run=run.id, note=text, by=_user(pane)), f"noted on {run.id}")

    pane.app.push_screen(Ask(f"a note on {run.id}", value=run.note), take)


def tag(pane: "RunsDoing") -> None:
    """Asks for the run's tags, which it can be found by."""
    if (run := _run(pane)) is None:
        return
    from workbench.tui.screens.ask import Ask

    def take(text: str | None) -> None:
        wanted = tuple((text or "").replace(",", " ").split())
        if text is not None and wanted != run.tags:
            _act(pane, AnnotateRun(id=next(_ids), run=run.id, tags=wanted, by=_user(pane)), f"tagged {run.id}")

    pane.app.push_screen(Ask(f"tags of {run.id}", "words, with blanks between them", " ".join(run.tags)), take)


def stop(pane: "RunsDoing") -> None:
    """Asks, and stops the run, or those of the group that go on."""
    entry = pane.entry
    if _run(pane) is None or entry is None:
        return
    alive = [run for run in entry.runs if run.status in ALIVE]
    if not alive:
        pane.beg(f"{entry.runs[0].id} does not run")
        return
    from workbench.tui.screens.ask import Confirm

    names = " ".join(run.id for run in alive)
    words = f"{names}: {alive[0].command}\n\nIt gets TERM, and after ten seconds KILL, with all that it started."

    def take(sure: bool | None) -> None:
        if sure:
            stopping = StopRuns(id=next(_ids), runs=tuple(run.id for run in alive), by=_user(pane))
            _act(pane, stopping, f"{names} asked to end")

    title = f"stop {alive[0].id}?" if len(alive) == 1 else f"stop {len(alive)} runs?"
    pane.app.push_screen(Confirm(title, words), take)


def _act(pane: "RunsDoing", command: StopRuns | AnnotateRun, done: str) -> None:
    """Has COMMAND carried out on the machine where the runs are."""

    async def act() -> None:
        from workbench.tui.opening import NotOpenedError
        from workbench.tui.widgets.runs_feed import NobodyError

        try:
            error = await pane.feed.act(command)
        except (NobodyError, NotOpenedError):
            error = "there is nobody who could do it: no session is open"
        except (ConnectionError, OSError) as failure:
            error = f"it could not be asked for: {failure}"
        pane.beg(error or done, "error" if error else "information")
        pane.feed.look()

    pane.feed.run(act())
