"""The to-do pane: what it shows of a session, and when it asks for the screen."""

import asyncio

from support.panes import Bench, lines, settle
from workbench.protocol.blocks import Todo
from workbench.protocol.state import Item, SessionState
from workbench.tui.panes.todo import TodoPane


def on_screen(pane, test, width: int = 50) -> None:
    async def run() -> None:
        app = Bench(pane)
        async with app.run_test(size=(width + 2, 12)) as pilot:
            await pilot.pause()
            await test(pilot)

    asyncio.run(run())


def rows(pane) -> list[str]:
    return [line for line in lines(pane) if line]


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
