"""The runs pane and the to-do pane: what they show of a session, and when they ask for the screen."""

import asyncio

from support.panes import Bench, lines, settle
from workbench.protocol.blocks import Todo
from workbench.protocol.events import Envelope, Notice, ShellFinished, ShellStarted
from workbench.protocol.fold import apply
from workbench.protocol.state import Item, SessionState
from workbench.tui.panes import runs
from workbench.tui.panes.runs import KEPT, RunsPane
from workbench.tui.panes.todo import TodoPane


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


def on_screen(pane, test, width: int = 50) -> None:
    async def run() -> None:
        app = Bench(pane)
        async with app.run_test(size=(width + 2, 12)) as pilot:
            await pilot.pause()
            await test(pilot)

    asyncio.run(run())


def rows(pane) -> list[str]:
    return [line for line in lines(pane) if line]


# --- runs --------------------------------------------------------------------------------------------------


def test_no_run_teaches():
    pane = RunsPane()
    assert not pane.filled(SessionState())
    assert pane.strip(SessionState()).plain == RunsPane.empty

    async def test(pilot):
        pane.show_session(SessionState(), ())
        await pilot.pause()
        assert " ".join(rows(pane)) == runs.TEACHES

    on_screen(pane, test)


def test_commands_with_age_and_how_they_ended():
    session = Session()
    pane = RunsPane(clock=lambda: session.now)

    async def test(pilot):
        pane.show_session(session.state, ())
        pane.show_session(*session.say(started("b1", "python train.py\n  --lr 1"), started("b2", "tensorboard")))
        session.now = 1130.0
        pane.redraw()
        assert pane.border_subtitle == "2 running"
        assert rows(pane)[0].split() == ["●", "tensorboard", "2m10s"]
        assert rows(pane)[1].split() == ["●", "python", "train.py", "--lr", "1", "2m10s"]
        pane.show_session(*session.say(ShellFinished(shell_id="b2", exit_code=1)))
        pane.show_session(*session.say(started("b3", "sleep 9")))
        pane.show_session(*session.say(ShellFinished(shell_id="b3", signal=9)))
        pane.show_session(*session.say(ShellFinished(shell_id="b1", exit_code=0)))
        session.now = 5000.0
        pane.redraw()
        assert [" ".join(row.split()) for row in rows(pane)] == [
            "■ sleep 9 signal 9 0s",
            "✗ tensorboard exit 1 2m10s",
            "✓ python train.py --lr 1 done 2m10s",
        ]
        assert {len(row) for row in rows(pane)} == {50}, "ages end in one column"
        assert pane.border_subtitle == ""

    on_screen(pane, test)


def test_what_was_there_before_is_at_least_as_old_as_known():
    session = Session()
    session.state.shells = {"b1": "python train.py"}
    pane = RunsPane(clock=lambda: session.now)

    async def test(pilot):
        pane.show_session(session.state, ())
        assert rows(pane)[0].split()[-1] == ">1m40s"
        session.state.shells = {}
        pane.show_session(*session.say(Notice(level="info", text="x")))
        pane.redraw()
        assert rows(pane)[0].split()[:2] == ["■", "python"]

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
        assert rows(pane)[0].split()[-1] == "8s"

    on_screen(pane, test)


def test_the_age_grows_by_itself_only_while_something_runs():
    session = Session()
    pane = RunsPane(clock=lambda: session.now)

    async def test(pilot):
        pane.show_session(session.state, ())
        pane.show_session(*session.say(started("b1", "x")))
        session.now = 1003.0
        await settle(pilot, lambda: rows(pane)[0].endswith(" 3s"))
        pane.show_session(*session.say(ShellFinished(shell_id="b1", exit_code=0)))
        assert pane._timer is None

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
        assert pane.virtual_size.height <= KEPT + 1
        pane.show_session(SessionState(session="other"), ())
        await pilot.pause()
        assert " ".join(rows(pane)) == runs.TEACHES

    on_screen(pane, test)


# --- to-do -------------------------------------------------------------------------------------------------

LIST = (
    Todo(content="read the loader", status="completed"),
    Todo(content="add warm-up", status="in_progress", active_form="adding warm-up to the schedule of the optimizer"),
    Todo(content="run three seeds"),
)


def test_no_list_teaches_and_the_first_one_asks_for_the_screen():
    pane = TodoPane()
    assert not pane.filled(SessionState())
    assert pane.filled(SessionState(todos=LIST))
    assert pane.strip(SessionState()).plain == TodoPane.empty
    assert pane.strip(SessionState(todos=LIST)).plain == "1/3 · adding warm-up to the schedule of the optimizer"
    assert pane.strip(SessionState(files={"/w/a": 1})).plain == "1 file changed"


def test_the_list_the_files_in_hand_and_the_changed_ones():
    state = SessionState(
        workspace="/w", todos=LIST, files={"/w/config/small.yaml": 3, "/w/train.py": 9, "/w/model.py": 5}
    )
    state.items = [
        Item(id=1, at=1, kind="call", tool="Edit", status="ok", target="/w/train.py"),
        Item(id=2, at=1, kind="call", tool="Bash", status="running", target="python train.py"),
        Item(id=3, at=1, kind="call", tool="Edit", status="running", target="/w/model.py"),
        Item(id=4, at=1, kind="call", tool="Write", status="asking", target="/else/where.py"),
    ]
    pane = TodoPane()

    async def test(pilot):
        pane.show_session(state, ())
        await pilot.pause()
        assert lines(pane)[:9] == [
            "✓ read the loader",
            "▸ adding warm-up to the schedule of",
            "  the optimizer",
            "○ run three seeds",
            "",
            "▸ model.py  editing",
            "▸ /else/where.py  writing",
            "✎ train.py",
            "✎ config/small.yaml",
        ]
        assert pane.border_subtitle == "1/3"

    on_screen(pane, test, width=36)


def test_words_of_the_model_and_paths_are_shown_as_they_are():
    state = SessionState(
        workspace="/w", todos=(Todo(content="[red]x[/] \x1b]0;t\x07 日本語"),), files={"/w/\u202eyp.exe": 1}
    )
    pane = TodoPane()

    async def test(pilot):
        pane.show_session(state, ())
        text = "\n".join(rows(pane))
        assert "[red]x[/]" in text
        assert "日本語" in text
        assert "\x1b" not in text
        assert "\u202e" not in text

    on_screen(pane, test)


def test_long_paths_are_cut_from_the_left():
    pane = TodoPane()

    async def test(pilot):
        pane.show_session(SessionState(workspace="/w", files={"/w/" + "deep/" * 30 + "train.py": 1}), ())
        (row,) = rows(pane)
        assert row.startswith("✎ …")
        assert row.endswith("deep/train.py")
        assert len(row) == 50

    on_screen(pane, test)


def test_scrolling_by_keys():
    pane = TodoPane()

    async def test(pilot):
        pane.show_session(SessionState(todos=tuple(Todo(content=f"item {at}") for at in range(50))), ())
        pane.focus()
        await pilot.pause()
        await pilot.press("j", "j")
        await settle(pilot, lambda: rows(pane)[0] == "○ item 2")
        await pilot.press("k", "G")
        await settle(pilot, lambda: rows(pane)[-1] == "○ item 49")
        await pilot.press("g")
        await settle(pilot, lambda: rows(pane)[0] == "○ item 0")

    on_screen(pane, test)


def test_text_can_be_selected():
    pane = TodoPane()

    async def test(pilot):
        pane.show_session(SessionState(todos=LIST), ())
        await pilot.pause()
        pane.text_select_all()
        await pilot.pause()
        assert "run three seeds" in (pilot.app.screen.get_selected_text() or "")

    on_screen(pane, test)
