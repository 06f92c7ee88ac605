"""The runs pane's commands that are no runs: their age, how they ended, and what is kept of them."""

import asyncio

from support.panes import Bench, lines, settle
from workbench.protocol.events import Envelope, Notice, ShellFinished, ShellStarted
from workbench.protocol.fold import apply
from workbench.protocol.state import SessionState
from workbench.tui.panes.runs import RunsPane
from workbench.tui.widgets.runs_glance import TEACHES
from workbench.tui.widgets.runs_shells import KEPT


class Session:
    """A state and the news that led to it."""

    def __init__(self) -> None:
        self.state = SessionState(session="s", workspace="/w", updated=900.0)
        self.now = 1000.0

    def say(self, *events) -> tuple[SessionState, list[Envelope]]:
        news = []
        for event in events:
            news.append(Envelope(seq=self.state.seq + 1, session="s", at=self.now, event=event))
            apply(self.state, news[-1])
        return self.state, news


def started(shell: str, command: str) -> ShellStarted:
    return ShellStarted(shell_id=shell, call_id=f"c-{shell}", command=command, pid=1, path="/x")


def on_screen(pane, test, width: int = 60) -> None:
    async def run() -> None:
        app = Bench(pane)
        async with app.run_test(size=(width + 2, 12)) as pilot:
            await pilot.pause()
            await test(pilot)

    asyncio.run(run())


def rows(pane) -> list[list[str]]:
    """The words of each row of the table."""
    return [line.split() for line in lines(pane.table)[1:] if line]


def test_no_run_teaches():
    pane = RunsPane()
    assert not pane.filled(SessionState())
    assert pane.strip(SessionState()).plain == RunsPane.empty

    async def test(pilot):
        pane.show_session(SessionState(), ())
        await pilot.pause()
        assert " ".join(" ".join(lines(pane.teach)).split()) == TEACHES
        assert not pane.chart.display

    on_screen(pane, test)


def test_commands_with_age_and_how_they_ended():
    session = Session()
    pane = RunsPane(clock=lambda: session.now)

    async def test(pilot):
        pane.show_session(session.state, ())
        pane.show_session(*session.say(started("b1", "python train.py\n  --lr 1"), started("b2", "tensorboard")))
        session.now = 1130.0
        pane.redraw()
        await pilot.pause()
        assert pane.heading == "2 running"
        assert [row[:1] + row[2:] for row in rows(pane)] == [
            ["●", "tensorboard", "2m10s"],
            ["●", "python", "train.py", "--lr", "1", "2m10s"],
        ]
        assert pane.strip(session.state).plain == "● tensorboard +1"
        pane.show_session(*session.say(ShellFinished(shell_id="b2", exit_code=1)))
        pane.show_session(*session.say(started("b3", "sleep 9")))
        pane.show_session(*session.say(ShellFinished(shell_id="b3", signal=9)))
        pane.show_session(*session.say(ShellFinished(shell_id="b1", exit_code=0)))
        session.now = 5000.0
        pane.redraw()
        await pilot.pause()
        assert [" ".join(row) for row in rows(pane)] == [
            "■ $ sleep 9 signal 9 0s",
            "✗ $ tensorboard exit 1 2m10s",
            "✓ $ python train.py --lr 1 done 2m10s",
        ]
        assert pane.heading == ""

    on_screen(pane, test)


def test_what_was_there_before_is_at_least_as_old_as_known():
    session = Session()
    session.state.shells = {"b1": "python train.py"}
    pane = RunsPane(clock=lambda: session.now)

    async def test(pilot):
        pane.show_session(session.state, ())
        await pilot.pause()
        assert rows(pane)[0][-1] == ">1m40s"
        session.state.shells = {}
        pane.show_session(*session.say(Notice(level="info", text="x")))
        await pilot.pause()
        assert rows(pane)[0][:3] == ["■", "$", "python"]

    on_screen(pane, test)


def test_a_pane_that_was_not_yet_on_the_screen_knows_when_a_command_began():
    session = Session()
    pane = RunsPane(clock=lambda: session.now)
    assert not pane.filled(session.state)
    session.say(started("b1", "python train.py"))
    assert pane.filled(session.state)
    assert pane.strip(session.state).plain == "● python train.py"
    session.now = 1008.0

    async def test(pilot):
        pane.show_session(session.state, ())
        assert rows(pane)[0][-1] == "8s"

    on_screen(pane, test)


def test_the_age_grows_by_itself_while_something_runs():
    session = Session()
    pane = RunsPane(clock=lambda: session.now)

    async def test(pilot):
        pane.show_session(session.state, ())
        pane.show_session(*session.say(started("b1", "x")))
        session.now = 1003.0
        await settle(pilot, lambda: rows(pane) and rows(pane)[0][-1] == "3s")

    on_screen(pane, test)


def test_the_ended_are_bounded_and_another_session_begins_anew():
    session = Session()
    pane = RunsPane(clock=lambda: session.now)

    async def test(pilot):
        pane.show_session(session.state, ())
        for number in range(KEPT + 10):
            pane.show_session(*session.say(started(f"b{number}", f"cmd {number}")))
            pane.show_session(*session.say(ShellFinished(shell_id=f"b{number}", exit_code=0)))
        pane.show_session(*session.say(Notice(level="info", text="x")))
        assert pane.table.rows <= KEPT + 1
        pane.show_session(SessionState(session="other"), ())
        await pilot.pause()
        assert pane.table.rows == 0
        assert pane.teach.display

    on_screen(pane, test)
