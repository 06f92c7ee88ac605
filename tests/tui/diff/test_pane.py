"""The diff pane by its keys: what it shows, what it tells the session, and what it tells the agent."""

import asyncio
import sys

import pytest
from textual.widgets import Input

from support.changes import FakeClient, PaneApp, unread, until
from support.lexers import RAISES, install
from support.screens import text_of
from workbench.protocol import commands as c
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.blocks import Diff
from workbench.protocol.hunks import hunk_digest, parse
from workbench.protocol.result import FileChange

MODES = ["old mode 100644", "new mode 100755"]
LINES = [f"line {n}" for n in range(1, 41)]
OLD = "\n".join(LINES) + "\n"
NEW = OLD.replace("line 3\n", "line three\n").replace("line 30\n", "line 30\nmore\n")
FILES = {"src/a.py": (OLD, NEW), "src/b.py": (None, "x = 1\n"), "old.txt": ("gone\n", None)}


def drive(body, files=None, size=(100, 40), **given):
    """Runs BODY(app, pilot, client) over an opened pane."""

    async def run():
        client = FakeClient(files=dict(FILES if files is None else files), **given)
        app = PaneApp(client)
        async with app.run_test(size=size) as pilot:
            await app.opened(pilot)
            await body(app, pilot, client)

    asyncio.run(run())


def finished(path, old_lines, new_lines, tool="Edit", changed=None):
    text = f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{old_lines}\n+{new_lines}\n"
    event = e.CallFinished(
        call_id="c1", tool=tool, status="ok", changed=(f"/w/{path}",) if changed is None else changed,
        display=(Diff(path=path, text=text, added=1, removed=1),),
    )  # fmt: skip
    return e.Envelope(seq=5, session="s-1", at=0.0, event=event)


def sent(client, kind):
    return [command for command in client.sent if isinstance(command, kind)]


def test_an_empty_pane_says_what_will_fill_it():
    async def body(app, pilot, client):
        assert "changes will show here, whoever makes them" in text_of(app)
        assert app.pane.strip(app.state).plain == "diff: changes will show here, whoever makes them"
        assert not app.pane.filled(app.state)

    drive(body, files={})


def test_files_and_hunks_are_shown_with_their_counts():
    async def body(app, pilot, client):
        shown = text_of(app)
        assert app.pane.filled(app.state)
        assert app.pane.strip(app.state).plain == "diff +3 −2 · 3 files"
        assert app.pane.border_subtitle == "since start · +3 −2 · 3 files"
        for words in ("▾ src/", "A b.py", "D old.txt", "src/b.py  created", "lines 1–6", "- line 3", "+ line three"):
            assert words in shown
        await pilot.press("G", "n", "g")

    drive(body)


def test_hunks_are_walked_accepted_and_forgotten_when_they_change():
    async def body(app, pilot, client):
        pane = app.pane
        await pilot.press("}")
        await pilot.press("n", "a")
        assert "reviewed 1/2" in text_of(app)
        assert pane.view.chosen()[1] is pane.source.changes.file("src/a.py").hunks[1]  # on to what is left
        client.files["src/a.py"] = (OLD, NEW.replace("three", "3.0"))
        app.pane.show_session(app.state, [finished("src/a.py", "a", "b")])
        await until(pilot, lambda: "3.0" in text_of(app))
        assert "reviewed" not in text_of(app)

    drive(body)


def test_a_mark_survives_when_its_hunk_only_moves():
    async def body(app, pilot, client):
        await pilot.press("}", "n", "n", "a")
        client.files["src/a.py"] = (OLD, "first\n" + NEW)
        app.pane.show_session(app.state, [finished("src/a.py", "a", "b")])
        await until(pilot, lambda: "+ first" in text_of(app))
        assert "reviewed 1/2" in text_of(app)

    drive(body)


def test_a_revert_is_asked_for_twice_and_names_the_hunk():
    async def body(app, pilot, client):
        await pilot.press("}", "n", "x")
        assert not client.sent
        assert "x again takes back this hunk (+1 −1)" in text_of(app)
        await pilot.press("j", "x")  # a move calls it off only when it leaves the hunk; here it is asked anew
        await pilot.press("n", "x")
        assert not sent(client, c.RevertHunks)[1:]
        client.sent.clear()
        await pilot.press("p", "x", "x")
        await until(pilot, lambda: client.sent)
        command = client.sent[0]
        hunks = parse_of("src/a.py")
        assert (command.path, command.since, command.by) == ("src/a.py", "start", "ana")
        assert command.hunks == (hunk_digest("src/a.py", hunks[0]),)
        await until(pilot, lambda: "line three" not in text_of(app))
        assert "1 taken back: C tells the agent" in text_of(app)

    drive(body)


def test_what_was_asked_stands_while_other_changes_come_in():
    async def body(app, pilot, client):
        await pilot.press("}", "n", "x")
        client.files["new.py"] = (None, "y = 2\n")
        app.pane.show_session(app.state, [finished("new.py", "a", "b")])
        await until(pilot, lambda: app.pane.source.changes.file("new.py") and not unread(app.pane))
        assert "x again takes back this hunk (+1 −1)" in text_of(app)
        await pilot.press("s")
        assert "x again" not in text_of(app)

    drive(body)


def parse_of(path):
    from support.changes import unified

    return parse(unified(*FILES[path])).hunks


def test_a_whole_file_is_taken_back_from_the_tree():
    async def body(app, pilot, client):
        await pilot.press("f", "g", "j", "j", "X")
        assert "X again takes back all changes of src/a.py" in text_of(app)
        await pilot.press("X")
        await until(pilot, lambda: client.sent)
        assert (client.sent[0].path, client.sent[0].hunks) == ("src/a.py", ())
        await until(pilot, lambda: app.pane.source.changes.file("src/a.py") is None)

    drive(body)


def test_a_refusal_is_told_where_one_looks():
    async def body(app, pilot, client):
        await pilot.press("}", "n", "+")
        await until(pilot, lambda: "not in a git repository" in text_of(app))
        assert "staged" not in text_of(app)

    drive(body, refuse="this is not in a git repository")


def test_staging_names_the_hunk_and_marks_it():
    async def body(app, pilot, client):
        await pilot.press("}", "n", "+")
        await until(pilot, lambda: "staged" in text_of(app))
        assert sent(client, c.StageHunks)[0].hunks == (hunk_digest("src/a.py", parse_of("src/a.py")[0]),)

    drive(body)


def test_comments_and_reverts_go_to_the_agent_as_one_message():
    async def body(app, pilot, client):
        await pilot.press("}", "n", "j", "j", "j", "j", "c")
        assert isinstance(app.focused, Input)
        await pilot.press(*"why", "left", "enter")
        assert "✎ why" in text_of(app)
        await pilot.press("n", "x", "x")
        await until(pilot, lambda: "1 comment, 1 taken back: C tells the agent" in text_of(app))
        await pilot.press("C")
        await until(pilot, lambda: sent(client, c.SubmitPrompt))
        text = sent(client, c.SubmitPrompt)[0].text
        assert "src/a.py:3\n> +line three\nwhy" in text
        assert "do not make them again:\n\nsrc/a.py:31 (+1 -0)\n> +more" in text
        await until(pilot, lambda: "✎" not in text_of(app))

    drive(body)


def test_a_comment_is_edited_left_and_taken_away():
    async def body(app, pilot, client):
        await pilot.press("}", "n", "c", *"one", "enter", "c", *" two", "escape")
        assert "✎ one" in text_of(app)
        await pilot.press("c", *([*["backspace"] * 3]), "enter")
        assert "✎" not in text_of(app)
        await pilot.press("C")
        assert "nothing to send" in text_of(app)

    drive(body)


def test_a_comment_on_a_hunk_that_changed_stays_with_its_file():
    async def body(app, pilot, client):
        await pilot.press("}", "n", "c", *"hm", "enter")
        client.files["src/a.py"] = (OLD, NEW.replace("three", "3.0"))
        app.pane.show_session(app.state, [finished("src/a.py", "a", "b")])
        await until(pilot, lambda: "✎ line 3, changed since: hm" in text_of(app))

    drive(body)


def test_the_moment_can_be_chosen():
    async def body(app, pilot, client):
        await pilot.press("s")
        await until(pilot, lambda: q.ChangedFiles(since="turn") in client.asked and not unread(app.pane))
        assert app.pane.border_subtitle.startswith("last turn")
        await pilot.press("s")
        await until(pilot, lambda: q.ChangedFiles(since="head") in client.asked and not unread(app.pane))
        assert app.pane.strip(app.state).plain == "diff +3 −2 · 3 files"  # the strip tells the start
        await pilot.press("n", "x", "x")
        await until(pilot, lambda: client.sent)
        assert client.sent[0].since == "head"

    drive(body)


def test_side_by_side_only_where_there_is_room():
    async def wide(app, pilot, client):
        await pilot.press("u", "}")
        assert any(line.count("line 3") + line.count("line three") == 2 for line in text_of(app).split("\n"))

    async def narrow(app, pilot, client):
        await pilot.press("u")
        assert "side by side needs 100 columns" in text_of(app)
        assert not app.pane.view.side

    drive(wide, size=(130, 40))
    drive(narrow, size=(80, 40))


def test_what_a_call_changed_is_shown_before_the_session_is_asked():
    async def body(app, pilot, client):
        app.pane.show_session(app.state, [finished("new.py", "was", "is now")])
        assert app.pane.filled(app.state)
        await pilot.pause()
        assert "+ is now" in text_of(app)
        client.files["new.py"] = ("was\n", "is now truly\n")
        await until(pilot, lambda: "is now truly" in text_of(app))

    drive(body, files={})


@pytest.mark.parametrize(
    "event",
    [
        e.CallFinished(call_id="c", tool="Bash", status="ok"),
        e.Rewound(seq=1, talk=True, files=True, by="ana"),
        e.HunksReverted(path="src/a.py", hunks=1, by="ana"),
        e.ShellRan(command="ls", output="", exit_code=0, by="ana"),
        e.Idle(reason="done"),
    ],
)
def test_whatever_may_change_a_file_is_looked_into(event):
    async def body(app, pilot, client):
        client.files["src/a.py"] = (OLD, NEW.replace("three", "drei"))
        app.pane.show_session(app.state, [e.Envelope(seq=7, session="s-1", at=0.0, event=event)])
        await pilot.press("}")
        await until(pilot, lambda: "drei" in text_of(app))

    drive(body)


def test_reading_changes_nothing_and_asks_nothing():
    async def body(app, pilot, client):
        await until(pilot, lambda: not app.pane.feed.busy)
        for tool in ("Read", "Bash"):
            event = e.CallFinished(call_id="c", tool=tool, status="ok")
            app.pane.show_session(app.state, [e.Envelope(seq=7, session="s-1", at=0.0, event=event)])
            assert app.pane.feed.busy == (tool == "Bash")  # at once: what else is asked now and then does not count

    drive(body)


def test_where_one_looks_stays_when_changes_come_in_above():
    async def body(app, pilot, client):
        await pilot.press("}", "n", "n", "j", "j")
        here, row = app.pane.view.line(), app.pane.view.cursor - app.pane.view.scroll_y
        client.files["config.yaml"] = (None, "a: 1\n" * 5)
        app.pane.show_session(app.state, [finished("config.yaml", "a", "b", changed=("/w/config.yaml",))])
        await until(pilot, lambda: app.pane.source.changes.file("config.yaml") and not unread(app.pane))
        assert app.pane.view.line() == here
        assert app.pane.view.cursor - app.pane.view.scroll_y in (row, row + 1)

    drive(body, size=(100, 16))


def test_nothing_of_a_file_can_move_the_terminal():
    async def body(app, pilot, client):
        shown = text_of(app)
        assert "evil␊␛[31mname.py" in shown
        assert "\\u{202E}" in shown
        assert "␛[2J" in shown
        assert not any(character in shown for character in "\x1b\u202e\x07\r")

    drive(body, files={"evil\n\x1b[31mname.py": ("a\n", "b\u202e \x1b[2J [bold]x[/bold]\n")})


def test_ends_of_lines_tabs_and_long_lines_are_seen():
    async def body(app, pilot, client):
        shown = text_of(app)
        assert "dos.txt  CRLF" in shown and "␍" in shown.split("mixed.txt")[-1]
        assert "no newline at end" in shown
        assert "+ a   b" in shown
        assert any(line.endswith("…") and "yyy" in line for line in shown.split("\n"))
        assert max(len(line) for line in shown.split("\n")) <= 80

    files = {
        "dos.txt": ("a\r\nb\r\n", "a\r\nc\r\n"),
        "mixed.txt": ("a\nb\n", "a\nc\r\n"),
        "tabs.txt": ("", "a\tb"),
        "long.txt": ("", "y" * 300_000 + "\n"),
    }
    drive(body, files=files, size=(80, 50))


def test_binary_files_modes_and_renames_are_said():
    async def body(app, pilot, client):
        shown = text_of(app)
        assert "binary, or too large to compare" in shown
        assert "old mode 100644, new mode 100755" in shown
        assert "renamed from was.py" in shown
        assert "no commits yet" in shown

    raw = {
        "model.bin": (FileChange(path="model.bin", change="modified"), []),
        "run.sh": (FileChange(path="run.sh", change="modified", added=0, removed=0), MODES),
    }  # fmt: skip
    drive(body, files={"was.py": (OLD, None), "is.py": (None, OLD)}, raw=raw, notes=("no commits yet",), size=(90, 120))


def test_a_session_that_cannot_tell_is_not_silent():
    async def body(app, pilot, client):
        client.broken = "the host has gone"
        await pilot.press("s")
        await until(pilot, lambda: "the changes cannot be told: the host has gone" in text_of(app))
        client.broken = ""
        app.pane.feed.ask()
        await until(pilot, lambda: "cannot be told" not in text_of(app))

    drive(body)


def test_pages_are_asked_a_few_at_a_time_and_long_diffs_whole():
    async def body(app, pilot, client):
        assert client.most_at_once <= 4
        assert not app.pane.source.changes.file("big.py").missing
        assert app.pane.source.changes.file("big.py").hunks[0].added == 5_000

    files = {f"f{n}.py": ("a\n", "b\n") for n in range(30)} | {"big.py": (None, "x\n" * 5_000)}
    drive(body, files=files)


def test_a_click_chooses_a_line_a_file_and_what_to_do():
    async def body(app, pilot, client):
        await pilot.press("}", "n")
        view = app.pane.view
        head = next(y for y, line in enumerate(text_of(app).split("\n")) if "a accept" in line)
        line = text_of(app).split("\n")[head]
        await pilot.click(offset=(line.index("accept") + 1, head))
        assert "reviewed 1/2" in text_of(app)
        tree_row = next(y for y, line in enumerate(text_of(app).split("\n")) if "D old.txt" in line)
        await pilot.click(offset=(5, tree_row))
        assert view.page.file_at(view.cursor).path == "old.txt"

    drive(body)


def test_a_file_is_folded_and_long_lines_are_shifted():
    async def body(app, pilot, client):
        await pilot.press("}", "space")
        assert "line three" not in text_of(app)
        await pilot.press("space", "n", "l")
        assert "line three" not in text_of(app) and "+ ee" in text_of(app)

    drive(body)


def test_another_session_begins_with_nothing_reviewed():
    async def body(app, pilot, client):
        await pilot.press("}", "n", "a")
        app.state.session = "s-2"
        other = type(app.state)(session="s-2", workspace="/w")
        app.pane.state = type(app.state)(session="s-1", workspace="/w")
        app.pane.show_session(other, ())
        await until(pilot, lambda: app.pane.source.changes.known and not unread(app.pane))
        assert "reviewed" not in text_of(app)

    drive(body)


def test_what_another_program_changes_shows_by_itself():
    async def body(app, pilot, client):
        client.files["src/b.py"] = (None, "x = 1\nby_hand = 2\n")  # and nothing tells of it
        await until(pilot, lambda: "by_hand" in text_of(app))
        await pilot.press("}", "}")  # looks at it
        client.files["src/b.py"] = (None, "x = 1\nby_hand = 3\n")  # as many lines as before
        await until(pilot, lambda: "by_hand = 3" in text_of(app))

    drive(body)


@pytest.mark.parametrize("module", [RAISES, "import nothing_of_that_name"])
def test_a_lexer_that_fails_leaves_the_change_plain(tmp_path, monkeypatch, module):
    install(tmp_path, module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd_lexers", raising=False)

    async def body(app, pilot, client):
        await until(pilot, lambda: "+ x = 2" in text_of(app))
        await app.workers.wait_for_complete()
        await pilot.press("j", "j")
        assert app.is_running and "+ x = 2" in text_of(app)

    drive(body, files={"a.odd": ("x = 1\n", "x = 2\n")})
