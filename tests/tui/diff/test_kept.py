"""A review outlives the screen that it was made on."""

import asyncio

import pytest

from support.changes import FakeClient, PaneApp, until
from support.screens import text_of
from workbench.tui import prefs
from workbench.tui.widgets.hunks_kept import Keeper
from workbench.tui.widgets.hunks_review import Comment, Review, Taken

OLD = "".join(f"line {n}\n" for n in range(40))
NEW = OLD.replace("line 3\n", "line three\n").replace("line 30\n", "line thirty\n")
SESSION = "s-0000abcd"


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "mlwb"


def shown(body, session=SESSION):
    async def run():
        client = FakeClient(files={"a.py": (OLD, NEW)}, session=session)
        app = PaneApp(client)
        app.state.session = session
        async with app.run_test(size=(100, 30)) as pilot:
            await app.opened(pilot)
            await body(app, pilot)

    asyncio.run(run())


def test_marks_and_comments_are_there_when_the_workbench_is_opened_again(state):
    async def before(app, pilot):
        await pilot.press("n", "a")
        app.pane.review.put(Comment("a.py", 30, "+line thirty", "why not 31?"))
        app.pane.redraw()
        await until(pilot, lambda: "why not" in (state / f"reviews/{SESSION}.json").read_text())

    async def again(app, pilot):
        await until(pilot, lambda: "reviewed 1/2" in text_of(app))
        await until(pilot, lambda: "1 comment: C tells the agent" in text_of(app))
        assert "why not 31?" in text_of(app)
        await pilot.press("C")
        await until(pilot, lambda: "comment:" not in text_of(app))
        assert "why not 31?" in app.client.sent[-1].text
        await app.pane.keep_last()

    async def once_more(app, pilot):
        await until(pilot, lambda: "reviewed 1/2" in text_of(app))
        assert "why not" not in text_of(app)

    shown(before)
    shown(again)
    shown(once_more)


def test_the_last_change_is_kept_by_who_leaves_at_once(state):
    async def leaves(app, pilot):
        await until(pilot, lambda: "line thirty" in text_of(app))
        for text in ("first", "second", "third"):
            app.pane.review.put(Comment("a.py", 30, "+line thirty", text))
            app.pane.redraw()
        await app.pane.keep_last()
        assert '"third"' in (state / f"reviews/{SESSION}.json").read_text()

    shown(leaves)


def test_another_session_knows_nothing_of_it(state):
    async def accept(app, pilot):
        await pilot.press("n", "a")
        await until(pilot, lambda: (state / f"reviews/{SESSION}.json").exists())

    async def other(app, pilot):
        await pilot.pause(0.1)
        assert "reviewed" not in text_of(app)

    shown(accept)
    shown(other, "s-0000abce")


def test_a_session_whose_name_is_no_file_name_is_not_kept(state):
    async def accept(app, pilot):
        await pilot.press("n", "a")
        await until(pilot, lambda: "reviewed" in text_of(app))

    shown(accept, "s-../../../etc")
    assert not list(state.rglob("*.json"))


def test_what_cannot_be_read_is_nothing_and_what_was_said_meanwhile_stays(state):
    keeper = Keeper(SESSION)
    (state / "reviews").mkdir(parents=True)
    (state / f"reviews/{SESSION}.json").write_bytes(b'{"accepted": 7')
    assert keeper.load() == Review()
    assert not keeper.changed(Review({"x"}))  # before what was kept is known
    kept = Review({"a"}, {"b"}, [Comment("a.py", 1, "+x", "old", "d", 0)], [Taken("b.py", 1, 2, 3, ("-x",))])
    early = Review({"c"}, set(), [Comment("a.py", 1, "+x", "new", "d", 0)])
    joined = keeper.join(kept, early)
    assert (joined.accepted, [one.text for one in joined.comments]) == ({"a", "c"}, ["new"])
    assert keeper.changed(joined)
    keeper.save()
    assert not keeper.changed(joined) and Keeper(SESSION).load() == joined
    assert (state / f"reviews/{SESSION}.json").stat().st_mode & 0o77 == 0


def test_files_of_the_workbench_that_are_no_text_count_as_none(state):
    for path in (state / "ui.json", state / "looked.json", state / f"reviews/{SESSION}.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'{"theme": "\xff", "accepted": ["\xff"]}')
    assert Keeper(SESSION).load() == Review(set(), set(), [], [])
    assert prefs.load() == prefs.Prefs() and prefs.looked() == {}
