"""The diff pane where it lives: docked beside the talk, fed by news, reached by the keys of the screen."""

import asyncio

import pytest
from textual.events import Resize, Show

from support import changes, workbench
from support.changes import until
from support.screens import text_of
from workbench.protocol import events as e
from workbench.protocol.state import SessionState
from workbench.tui.app import WorkbenchApp
from workbench.tui.panes.diff import DiffPane


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("COLORTERM", "truecolor")


class Client(workbench.FakeClient):
    """Tells changes, too."""

    def __init__(self, session):
        super().__init__(session)
        self.changes = changes.FakeClient()

    async def query(self, query):
        return await self.changes.query(query)


class Opener(workbench.FakeOpener):
    async def open(self, agent=None, model=None):
        client = Client("s-1")
        client.give(workbench.started(workspace=str(self.workspace)))
        self.clients.append(client)
        return client


def drive(body, workspace, size, pane=DiffPane):
    async def run():
        opener = Opener(workspace)
        parts = {
            "talk": workbench.PlainTalk, "prompt": workbench.PlainPrompt, "diff": pane, "runs": workbench.PlainRuns,
            "gpu": workbench.PlainGpu, "todo": workbench.PlainTodo,
        }  # fmt: skip
        app = WorkbenchApp(opener, parts)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.state.session)
            await body(app, pilot, opener.client)

    asyncio.run(run())


def by_bash(client):
    """A command of the agent changes a file; only the session knows which."""
    client.changes.files["train.py"] = ("lr = 1\n", "lr = 2\nlr = 3\n")
    client.give(e.RequestStarted(turn=1, model="x"), e.CallFinished(call_id="b", tool="Bash", status="ok"))
    client.give(e.Idle(reason="done"))


def test_what_a_command_changed_opens_the_pane_beside_the_talk(tmp_path):
    async def body(app, pilot, client):
        assert "changes will show here" in text_of(app)
        before = app.focused
        by_bash(client)
        await until(pilot, lambda: "+ lr = 3" in text_of(app))
        assert "since start · +2 −1 · 1 file" in text_of(app)
        assert app.focused is before

    drive(body, tmp_path, (130, 40))


def test_its_keys_work_from_the_screen(tmp_path):
    async def body(app, pilot, client):
        by_bash(client)
        await until(pilot, lambda: "+ lr = 3" in text_of(app))
        await pilot.press("tab", "tab", "n", "c", *"2 is too much", "left", "enter")
        await until(pilot, lambda: "✎ 2 is too much" in text_of(app))
        await pilot.press("a")
        await until(pilot, lambda: "reviewed 1/1" in text_of(app))

    drive(body, tmp_path, (130, 40))


def test_narrow_it_is_a_word_in_the_strip_and_one_key_away(tmp_path):
    async def body(app, pilot, client):
        by_bash(client)
        await until(pilot, lambda: "+2 −1" in text_of(app))
        assert "+ lr = 3" not in text_of(app)
        await pilot.press("tab", "2")
        await until(pilot, lambda: "+ lr = 3" in text_of(app))

    drive(body, tmp_path, (80, 24))


def test_the_line_of_a_comment_moves_with_what_it_covers(tmp_path):
    async def body(app, pilot, client):
        by_bash(client)
        await until(pilot, lambda: "+2 −1" in text_of(app))
        await pilot.press("tab", "2", "n", "c", *"why")
        for width, height in ((160, 48), (120, 40), (80, 24)):
            await pilot.resize_terminal(width, height)
            line, view = app.screen.query_one("Input"), app.main.query_one(DiffPane).view
            await until(pilot, lambda line=line, view=view: line.region == view.below_cursor())

    drive(body, tmp_path, (80, 24))


def test_the_footer_tells_what_would_be_judged(tmp_path):
    async def body(app, pilot, client):
        def foot():
            return text_of(app).splitlines()[-1]

        by_bash(client)
        await until(pilot, lambda: "+ lr = 3" in text_of(app))
        await pilot.press("tab", "tab", "n")
        await until(pilot, lambda: "esc back  s last turn  a accept hunk  x revert hunk  c comment " in foot())
        await pilot.press("g")
        await until(pilot, lambda: "a accept file  x revert file" in foot())
        await pilot.press("s")
        await until(pilot, lambda: "s against HEAD" in foot())

    drive(body, tmp_path, (130, 40))


def test_its_title_is_told_also_while_a_list_lies_over_it(tmp_path):
    async def body(app, pilot, client):
        await pilot.press("ctrl+p")
        by_bash(client)
        await pilot.resize_terminal(160, 48)
        await until(pilot, lambda: "since start · +2 −1 · 1 file" in text_of(app).splitlines()[1])

    drive(body, tmp_path, (80, 24))


class Untold(DiffPane):
    """Textual leaves Show out where somebody asked for a place before the layout that brings it is drawn."""

    def __init__(self):
        super().__init__()
        self.disable_messages(Show, Resize)


def test_it_draws_when_nothing_tells_it_that_it_appears(tmp_path):
    async def body(app, pilot, client):
        by_bash(client)
        await until(pilot, lambda: "+ lr = 3" in text_of(app))

    drive(body, tmp_path, (130, 40), Untold)


def test_a_review_stays_when_the_whole_state_is_told_anew(tmp_path):
    async def body(app, pilot, client):
        by_bash(client)
        await until(pilot, lambda: "+ lr = 3" in text_of(app))
        await pilot.press("tab", "tab", "n", "c", *"2 is too much", "enter")
        await pilot.press("a")
        await until(pilot, lambda: "reviewed 1/1" in text_of(app))
        pane = app.main.query_one(DiffPane)
        client.changes.files["train.py"] = ("lr = 1\n", "lr = 2\nlr = 3\nlr = 4\n")  # told by nothing that came
        app.present(SessionState(), ())
        app.present(client.state, ())
        await until(pilot, lambda: "+ lr = 4" in text_of(app))
        assert [one.text for one in pane.review.comments] == ["2 is too much"] and pane.review.accepted
        assert "1 comment: C tells the agent" in text_of(app)

    drive(body, tmp_path, (130, 40))


def test_a_pane_of_a_session_that_was_left_asks_and_draws_nothing_more(tmp_path):
    async def body(app, pilot, client):
        made = Client("s-2")
        made.changes.files["train.py"] = ("lr = 1\n", "lr = 2\n")
        made.give(workbench.started(workspace=str(tmp_path), title="the other"))

        async def resume(session):
            return made

        app.opener.resume = resume
        left = app.panes["diff"]
        await until(pilot, lambda: not left.feed.busy)
        left.feed.ask()  # it waits a moment for more to ask about
        app.do("sessions", "s-2")
        await until(pilot, lambda: app.state.session == "s-2" and "+1 −1" in text_of(app))
        await until(pilot, lambda: not left.feed.busy)
        assert not left.source.sets["start"].files
        assert {state.session for state in app.main.talk.states} <= {"", "s-2"}

    drive(body, tmp_path, (80, 24))
