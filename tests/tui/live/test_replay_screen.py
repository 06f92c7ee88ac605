"""A session played in the workbench: its keys, its bar, and that nothing is sent or called."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.sample_events import answer, call, session_events, started, text, write_journal
from support.screens import text_of
from support.workbench import bounded, until
from workbench import places
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol.commands import Interrupt
from workbench.protocol.fold import apply
from workbench.protocol.state import SessionState
from workbench.session.journal import Reader
from workbench.tui import prefs
from workbench.tui.replay import ReplayApp
from workbench.tui.widgets.replay_bar import words
from workbench.verbs.replaying import Replaying


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return places.sessions()


def turns(count: int) -> list[Any]:
    events: list[Any] = [started(workspace="/nowhere", title="Played"),
                         e.PromptSubmitted(text="go on", origin="person", by="ana")]  # fmt: skip
    for turn in range(1, count + 1):
        diff = blocks.Diff(path=f"f{turn}.py", text="--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n", added=1, removed=1)
        events += [e.RequestStarted(turn=turn, model="m"), answer(turn, text(f"Words of turn {turn}."))]
        events += call(f"c{turn}", f"make {turn}", turn=turn)
        events += [
            e.CallFinished(call_id=f"d{turn}", tool="Edit", status="ok", changed=(f"f{turn}.py",), display=(diff,))
        ]
    return [*events, e.Idle(reason="done")]


def shown(folder: Path, play: Callable[[Any, ReplayApp], Awaitable[None]], speed: float = 64.0, turn: int = 0) -> None:
    """Runs PLAY(pilot, app) while the session in FOLDER is played."""
    with Reader(folder) as journal:
        state = SessionState()
        apply(state, next(journal.read(until=1)))

    async def run() -> None:
        app = ReplayApp(Replaying(folder, state, speed, turn))
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await until(pilot, lambda: hasattr(app.client, "place") and app.state.session)
            await play(pilot, app)

    asyncio.run(bounded(run()))


def at(app: ReplayApp, turn: int) -> bool:
    """Whether TURN is on the screen."""
    return app.state.turns == turn and app.client.place.turn == turn  # type: ignore[union-attr]


def test_a_session_is_played_to_its_end_and_its_keys_move_it(home):
    write_journal(home / "s-aaaaaaaa", turns(6))

    async def play(pilot: Any, app: ReplayApp) -> None:
        client: Any = app.client
        await until(pilot, lambda: client.place.ended)
        await until(pilot, lambda: "Words of turn 6." in text_of(app))
        await until(pilot, lambda: "turn 6/6" in text_of(app) and text_of(app).count("the end") == 2)
        await pilot.press("comma")
        await until(pilot, lambda: app.state.turns >= 5)
        await pilot.press("space")
        await until(pilot, lambda: client.place.paused or client.place.ended)
        client.paused = True
        await pilot.press("home")
        await until(pilot, lambda: at(app, 0) and "Words of turn" not in text_of(app))
        await pilot.press("full_stop", "full_stop", "full_stop")
        await until(pilot, lambda: at(app, 3))
        await until(pilot, lambda: "Words of turn 2." in text_of(app))
        assert "Words of turn 3." not in text_of(app) and "turn 3/6" in text_of(app)
        assert text_of(app).count("paused") == 2  # nothing says that somebody is thinking
        await pilot.press("comma")
        await until(pilot, lambda: at(app, 2))
        await pilot.press("minus", "minus")
        await until(pilot, lambda: "16x" in text_of(app))
        await pilot.press("plus")
        await until(pilot, lambda: "32x" in text_of(app))
        await pilot.press("1", "full_stop")  # also while the talk has the focus
        await until(pilot, lambda: at(app, 3))
        await pilot.press("end")
        await until(pilot, lambda: client.place.ended and app.state.waiting == "done")

    shown(home / "s-aaaaaaaa", play)


def test_the_diff_pane_shows_what_was_changed_by_then(home):
    write_journal(home / "s-aaaaaaaa", turns(4))

    async def play(pilot: Any, app: ReplayApp) -> None:
        client: Any = app.client
        client.paused = True
        client.to_turn(3)
        await until(pilot, lambda: at(app, 3))
        await until(pilot, lambda: "f2.py" in text_of(app) and "f1.py" in text_of(app))
        assert "f3.py" not in text_of(app)
        client.to_turn(2)
        await until(pilot, lambda: at(app, 2) and "f2.py" not in text_of(app))

    shown(home / "s-aaaaaaaa", play)


def test_nothing_is_sent_nobody_is_called_and_nothing_counts_as_looked_at(home):
    asked = e.ApprovalRequested(
        request_id="r", call_id="c", tool="Bash", input={"command": "rm x"}, rule=None, reason="asks", digest="d"
    )  # fmt: skip
    write_journal(home / "s-aaaaaaaa", [*session_events(ended=False), asked])
    before = (home / "s-aaaaaaaa/events.jsonl").read_bytes()

    async def play(pilot: Any, app: ReplayApp) -> None:
        bells: list[str] = []
        app.bell = lambda: bells.append("bell")  # type: ignore[method-assign]
        app.touched = time.monotonic() - 3600.0  # nobody has looked for an hour
        client: Any = app.client
        client.go_to(1)
        await until(pilot, lambda: client.place.ended and app.state.approvals)
        await until(pilot, lambda: "a person is asked: Bash" in text_of(app))
        app.command(Interrupt(id="x", by="ana"))
        await until(pilot, lambda: any("takes no commands" in toast.message for toast in app._notifications))
        await pilot.press("escape")
        await app.action_quit()
        assert bells == []

    shown(home / "s-aaaaaaaa", play)
    assert (home / "s-aaaaaaaa/events.jsonl").read_bytes() == before
    assert prefs.looked() == {}


def test_it_begins_where_it_is_told_to(home):
    write_journal(home / "s-aaaaaaaa", turns(5))

    async def play(pilot: Any, app: ReplayApp) -> None:
        await until(pilot, lambda: app.client.place.turn >= 4)  # type: ignore[union-attr]

    shown(home / "s-aaaaaaaa", play, speed=0.25, turn=4)


def test_another_session_is_played_in_its_place(home):
    write_journal(home / "s-aaaaaaaa", turns(3))
    write_journal(home / "s-bbbbbbbb", turns(5), "s-bbbbbbbb")

    async def play(pilot: Any, app: ReplayApp) -> None:
        await until(pilot, lambda: app.client.place.turn > 0)  # type: ignore[union-attr]
        app.do("sessions", "s-bbbbbbbb")
        await until(pilot, lambda: app.state.session == "s-bbbbbbbb" and app.client.place.ended)  # type: ignore[union-attr]
        await until(pilot, lambda: "turn 5/5" in text_of(app) and "Words of turn 5." in text_of(app))
        await pilot.press("comma")
        await until(pilot, lambda: app.client.renewed)  # type: ignore[union-attr]

    shown(home / "s-aaaaaaaa", play)


def test_a_folder_that_was_copied_from_elsewhere_is_played_and_written_down(home, tmp_path):
    write_journal(tmp_path / "copied", turns(3), "s-faraway0")

    async def play(pilot: Any, app: ReplayApp) -> None:
        await until(pilot, lambda: app.state.session == "s-faraway0")
        app.do("export", str(tmp_path / "page.html"))
        await until(pilot, lambda: (tmp_path / "page.html").exists())
        app.do("brief")
        await until(pilot, lambda: len(app.screen_stack) > 1 and "what happened so far" in text_of(app))
        await pilot.press("space")
        app.do("fork_before")
        await until(pilot, lambda: any("no prompt" in toast.message for toast in app._notifications))

    shown(tmp_path / "copied", play)
    assert "Words of turn 3." in (tmp_path / "page.html").read_text()
    assert not home.exists()  # nothing was begun


def test_where_it_is_in_words(home):
    from workbench.host.replay import Place

    assert words(Place(12, 40, 190.0, 720.0, 4.0, False, False)) == "turn 12/40, 3:10 of 12:00, 4x"
    assert words(Place(0, 0, 5.0, 9.5, 0.25, True, False)) == "turn 0/0, 0:05 of 0:09, 0.25x, paused"
