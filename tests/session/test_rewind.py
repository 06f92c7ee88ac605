"""Going back to before a prompt: talk, files or both, and undone again."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from support.sample_events import SESSION, answer, clock, started, text
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.blocks import Todo
from workbench.protocol.commands import Rewind, UndoRewind
from workbench.protocol.fold import apply
from workbench.protocol.result import Usage
from workbench.protocol.state import SessionState
from workbench.session import rewind
from workbench.session.blobs import Blobs
from workbench.session.changes import Changes
from workbench.session.journal import Journal
from workbench.session.messages import Messages
from workbench.session.pages import Pages
from workbench.session.rewind_talk import refolded
from workbench.session.snapshots import Snapshots
from workbench.session.snapshots_guard import Guard
from workbench.session.tally import Tally


class Live:
    """A session that does as it is told: journal, folds and snapshots are real."""

    def __init__(self, tmp_path: Path) -> None:
        self.workspace = tmp_path / "work"
        self.workspace.mkdir(exist_ok=True)
        self.folder = tmp_path / SESSION
        self.clock = clock()
        if (self.folder / "events.jsonl").exists():
            self.journal = Journal.open(self.folder, self.clock)
        else:
            self.journal = Journal.create(self.folder, SESSION, self.clock)
        self.blobs = Blobs(self.folder / "blobs")
        self.changes = Changes.begin(self.workspace, (), self.blobs, self.folder)
        self.snapshots: Snapshots | None = Snapshots(
            self.folder, SESSION, (self.workspace,), self.changes, self.blobs, self.clock
        )
        self.state = SessionState()
        self.messages, self.tally = Messages(self.blobs.get), Tally()
        self.steady = asyncio.Lock()
        self.guard = Guard(self)
        self.pages = Pages(self.journal, self.blobs, self.changes, snapshots=self.snapshots)
        for envelope in self.journal.read():
            self.fold(envelope)

    def fold(self, envelope: e.Envelope) -> None:
        apply(self.state, envelope)
        if isinstance(envelope.event, e.Rewound):
            self.messages, self.tally = refolded(self.journal, envelope.seq, self.blobs, self.tally)
        else:
            self.messages.apply(envelope)
            self.tally.apply(envelope)

    def emit(self, event, *, sync=False) -> int:
        envelope = self.journal.append(event, sync=sync)
        self.fold(envelope)
        return envelope.seq

    def notice(self, level, text, about="") -> None:
        self.emit(e.Notice(level=level, text=text, about=about))

    # --- what an agent and a person do ---

    async def turn(self, words: str, does: str = "", **more) -> int:
        """A prompt, and an answer that runs a command; returns the prompt's seq."""
        seq = self.emit(e.PromptSubmitted(text=words, origin="person", by="ana"))
        number = self.tally.answers + 1
        self.guard.prompted(number)
        self.emit(e.RequestStarted(turn=number, model="m"))
        usage = Usage(input_tokens=100 * number, output_tokens=1)
        if does:
            use = {"type": "tool_use", "id": f"t{number}", "name": "Bash", "input": {"command": does}}
            self.emit(
                answer(number, {"type": "thinking", "thinking": "hm", "signature": f"s{number}"}, use, usage=usage)
            )
            self.emit(e.CallDecided(call_id=f"t{number}", tool="Bash", input={}, target=does, verdict="allow"))
            await self.guard.before_effects(number)
            self.emit(e.CallStarted(call_id=f"t{number}", turn=number))
            await asyncio.to_thread(subprocess.run, does, shell=True, cwd=self.workspace, check=True)
            self.emit(e.CallFinished(call_id=f"t{number}", tool="Bash", status="ok", content=(text("done"),)))
            self.emit(e.TodosChanged(todos=(Todo(content=words),)))
            number += 1
            self.emit(e.RequestStarted(turn=number, model="m"))
        await self.guard.settled()
        self.emit(answer(number, text(f"{words}: done"), usage=usage, stop_reason="end_turn"))
        self.emit(e.Idle(reason="done"))
        return seq

    async def rewind(self, seq: int, **more) -> str:
        return await rewind.rewind(self, Rewind(id="r", seq=seq, by="ana", **more))

    async def undo(self) -> str:
        return await rewind.undo(self, UndoRewind(id="u", by="ana"))

    def files(self) -> dict[str, str]:
        found = [path for path in self.workspace.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.workspace)): path.read_text() for path in found}

    def marks(self) -> list[tuple[str, bool]]:
        return [(item.text or item.target, item.rewound) for item in self.state.items if item.kind != "notice"]


def played(tmp_path, script):
    """Runs SCRIPT(live) on a session whose workspace holds one file."""

    async def whole():
        (tmp_path / "work").mkdir()
        (tmp_path / "work" / "a.py").write_text("a\n")  # first: what there is at the start is read beside the rest
        live = Live(tmp_path)
        live.emit(started(workspace=str(live.workspace), roots=(str(live.workspace),)))
        await script(live)
        return live

    return asyncio.run(whole())


def test_talk_and_files_go_back_and_come_again(tmp_path):
    async def script(live):
        await live.turn("first", "echo one > one.txt")
        files, sent, todos = live.files(), list(live.messages.sent), live.state.todos
        tokens = live.state.context_tokens
        second = await live.turn("second", "echo two > two.txt; rm a.py; echo more >> one.txt")
        everything, all_sent, all_todos = live.files(), list(live.messages.sent), live.state.todos
        assert await live.rewind(second) == ""
        assert live.files() == files
        assert live.messages.sent == sent and live.messages.pending == []
        assert (live.state.todos, live.state.context_tokens) == (todos, tokens)
        assert live.tally.prompts == ["first"] and live.tally.answers == 4
        assert [words for words, gone in live.marks() if gone] == [
            "second", "hm", "echo two > two.txt; rm a.py; echo more >> one.txt", "second: done",
        ]  # fmt: skip
        assert live.state.undoable
        assert await live.undo() == ""
        assert live.files() == everything and live.messages.sent == all_sent and live.state.todos == all_todos
        assert not any(gone for _, gone in live.marks())
        assert "no rewind to undo" in await live.undo()

    played(tmp_path, script)


def test_after_a_resume_it_is_the_same(tmp_path):
    async def script(live):
        await live.turn("first", "echo one > one.txt")
        second = await live.turn("second", "echo two > two.txt")
        await live.rewind(second)
        await live.turn("another second", "echo 2 > 2.txt")

    live = played(tmp_path, script)
    sent, marks, files = live.messages.sent, live.marks(), live.files()
    live.journal.close()

    async def again():
        later = Live(tmp_path)
        assert later.messages.sent == sent and later.marks() == marks
        assert later.tally.prompts == ["first", "another second"]
        first = next(x.seq for x in later.journal.read() if isinstance(x.event, e.PromptSubmitted))
        assert await later.rewind(first) == ""
        assert later.files() == {"a.py": "a\n"} and later.messages.sent == []
        assert await later.undo() == ""
        assert later.files() == files and later.messages.sent == sent
        later.journal.close()

    asyncio.run(again())


def test_the_talk_or_the_files_alone(tmp_path):
    async def script(live):
        first = await live.turn("first", "echo one > one.txt")
        files, sent = live.files(), list(live.messages.sent)
        assert await live.rewind(first, files=False) == ""
        assert live.files() == files and live.messages.sent == []
        assert await live.undo() == ""
        assert await live.rewind(first, talk=False) == ""
        assert live.files() == {"a.py": "a\n"} and live.messages.sent == sent
        assert not any(gone for _, gone in live.marks())

    played(tmp_path, script)


def test_a_rewind_before_a_compaction(tmp_path):
    async def script(live):
        await live.turn("first")
        sent = list(live.messages.sent)
        second = await live.turn("second")
        message = {"role": "user", "content": [text("summary")]}
        live.emit(e.Compacted(summary="s", messages=(message,), tokens_before=9, usage=Usage()))
        await live.turn("third")
        assert await live.rewind(second, files=False) == ""
        assert live.messages.sent == sent

    played(tmp_path, script)


def test_what_is_refused(tmp_path):
    async def script(live):
        first = await live.turn("first", "echo one > one.txt")
        second = await live.turn("second")
        assert "no prompt" in await live.rewind(first + 1)
        assert "no prompt" in await live.rewind(10**6) and "no prompt" in await live.rewind(-3)
        assert "neither" in await live.rewind(first, talk=False, files=False)
        async with live.steady:
            assert "at work" in await live.rewind(first)
            assert "at work" in await live.undo()
        assert await live.rewind(first) == ""
        assert "taken back already" in await live.rewind(second)
        await live.turn("anew")
        assert "no rewind to undo" in await live.undo()
        live.snapshots = None
        third = await live.turn("third")
        assert "talk alone" in await live.rewind(third)
        assert await live.rewind(third, files=False) == ""

    played(tmp_path, script)


def test_a_prompt_without_a_snapshot_before_a_write_is_no_way_back_for_files(tmp_path):
    async def script(live):
        seq = live.emit(e.PromptSubmitted(text="go", origin="person", by="ana"))
        live.emit(e.CallDecided(call_id="t", tool="Bash", input={}, target="x", verdict="allow"))
        live.emit(e.CallStarted(call_id="t", turn=1))
        live.emit(await live.snapshots.take("answer", 2))
        assert "no snapshot" in await live.rewind(seq)
        assert await live.rewind(seq, files=False) == ""

    played(tmp_path, script)


def test_files_that_stay_are_told(tmp_path):
    async def script(live):
        live.snapshots._store._limit = 100
        first = await live.turn("first", "head -c 500 /dev/zero > big.bin; echo 1 > small")
        live.emit(e.ShellStarted(shell_id="b1", call_id="t1", command="python train.py", pid=1, path="x"))
        assert await live.rewind(first) == ""
        assert sorted(live.files()) == ["a.py", "big.bin"]
        notices = " ".join(item.text for item in live.state.items if item.kind == "notice")
        assert "big.bin" in notices and "1 background command(s) still run" in notices

    played(tmp_path, script)


@pytest.mark.parametrize("n", [1, 3, 100])
def test_pages_and_state_mark_the_same_items(tmp_path, n):
    async def script(live):
        await live.turn("first", "true")
        second = await live.turn("second", "true")
        await live.turn("third")
        await live.rewind(second)
        third = await live.turn("another", "true")
        await live.rewind(third, files=False)
        await live.undo()
        found, before = [], 0
        while (page := await live.pages.answer(q.ItemsBefore(before=before, n=n))).items:
            found[:0] = page.items
            before = found[0].id
        assert found == live.state.items
        assert [item.text for item in found if item.rewound and item.kind == "prompt"] == ["second", "third"]

    played(tmp_path, script)


def test_changed_files_since(tmp_path):
    async def script(live):
        def git(*words):
            given = ("git", "-c", "user.name=a", "-c", "user.email=a@b", *words)
            subprocess.run(given, cwd=live.workspace, check=True, capture_output=True)

        async def changed(since):
            page = await live.pages.answer(q.ChangedFiles(since=since))
            return [(x.path, x.change, x.added, x.removed) for x in page.files], " ".join(page.notes)

        await live.changes.ready()
        assert "not in a git repository" in (await changed("head"))[1]
        assert await changed("turn") == ([], "")
        first = await live.turn("first", "echo one > one.txt")
        await live.turn("second", "echo b >> a.py; printf 'x\\r\\ny\\r\\n' > crlf.txt")
        assert (await changed("turn"))[0] == [("a.py", "modified", 1, 0), ("crlf.txt", "created", 2, 0)]
        everything = [("a.py", "modified", 1, 0), ("crlf.txt", "created", 2, 0), ("one.txt", "created", 1, 0)]
        assert (await changed(f"rewind:{first}"))[0] == everything
        assert (await changed("start"))[0] == everything
        assert "no moment" in (await changed("rewind:x"))[1] and "no moment" in (await changed("yesterday"))[1]
        page = await live.pages.answer(q.DiffPage(path="a.py", since="turn"))
        assert page.lines == ("--- a/a.py", "+++ b/a.py", "@@ -1 +1,2 @@", " a", "+b")
        assert (await live.pages.answer(q.DiffPage(path="../../etc/passwd", since="turn"))).lines == ()
        git("init", "-q")
        assert (await changed("head"))[0] == [(path, "created", n, 0) for path, _, n, _ in [
            ("a.py", 0, 2, 0), ("crlf.txt", 0, 2, 0), ("one.txt", 0, 1, 0)
        ]]  # fmt: skip
        git("-c", "core.autocrlf=input", "add", "-A")
        git("commit", "-qm", "one")
        assert (await changed("head"))[0] == []  # though git keeps crlf.txt with other line ends
        (live.workspace / "crlf.txt").write_bytes(b"x\r\nz\r\n")
        (live.workspace / "one.txt").unlink()
        (live.workspace / "new.txt").write_text("n\n")
        assert (await changed("head"))[0] == [
            ("crlf.txt", "modified", 1, 1), ("new.txt", "created", 1, 0), ("one.txt", "deleted", 0, 1),
        ]  # fmt: skip
        page = await live.pages.answer(q.DiffPage(path="crlf.txt", since="head"))
        assert page.lines[2:] == ("@@ -1,2 +1,2 @@", " x\r", "-y\r", "+z\r")

    played(tmp_path, script)


def test_when_snapshots_are_taken_and_what_is_told_once(tmp_path):
    async def script(live):
        (live.workspace / "big.bin").write_bytes(b"x" * 500)
        live.snapshots = Snapshots(
            live.folder, SESSION, (live.workspace,), live.changes, live.blobs, live.clock, limit=100
        )
        live.guard.prompted(1)
        await live.guard.before_effects(1)
        (live.workspace / "a.py").write_text("by the first call\n")
        await live.guard.before_effects(1)
        await live.guard.before_effects(2)
        live.guard.prompted(3)
        await live.guard.settled()
        events = [x.event for x in live.journal.read()]
        taken = [(x.snapshot[-1], x.reason, x.turn) for x in events if isinstance(x, e.SnapshotTaken)]
        assert taken == [("1", "prompt", 1), ("1", "answer", 1), ("2", "answer", 2), ("2", "prompt", 3)]
        assert ["big.bin" in x.text for x in events if isinstance(x, e.Notice)] == [True]

    played(tmp_path, script)


def test_a_snapshot_that_fails_is_told_and_holds_nothing_up(tmp_path):
    async def script(live):
        (live.folder / "snapshots").write_text("in the way")
        first = await live.turn("first", "echo one > one.txt")
        notices = [item.text for item in live.state.items if item.kind == "notice"]
        assert len(notices) == 1 and "could not be kept" in notices[0]
        assert "no snapshot" in await live.rewind(first)
        assert live.files()["one.txt"] == "one\n"

    played(tmp_path, script)


def test_what_differs_right_after_a_rewind(tmp_path):
    async def script(live):
        def git(*words):
            words = ("git", "-c", "user.name=a", "-c", "user.email=a@localhost", *words)
            subprocess.run(words, cwd=live.workspace, check=True, capture_output=True)

        async def changed(since):
            files = (await live.pages.answer(q.ChangedFiles(since=since))).files
            for file in files:  # the lines are of the same two moments as the counts
                lines = (await live.pages.answer(q.DiffPage(path=file.path, since=since))).lines[2:]
                assert sum(line.startswith("+") for line in lines) == file.added, (since, lines)
                assert sum(line.startswith("-") for line in lines) == file.removed, (since, lines)
            return [(file.path, file.change) for file in files]

        await live.changes.ready()  # what there is at the start is not read of a half-made repository
        for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "one")):
            git(*words)
        first = await live.turn("first", "echo one > one.txt")
        second = await live.turn("second", "echo two > two.txt; echo b >> a.py")
        two = [("a.py", "modified"), ("two.txt", "created")]
        assert await changed("turn") == two
        assert await changed("head") == [two[0], ("one.txt", "created"), two[1]]

        assert await live.rewind(second) == ""  # the last turn is the first one now
        assert await changed("turn") == await changed("head") == [("one.txt", "created")]
        assert await live.undo() == ""
        assert await changed("turn") == two

        assert await live.rewind(second, files=False) == ""  # the files of the turn that was taken back stay
        assert await changed("turn") == await changed("head") == [two[0], ("one.txt", "created"), two[1]]
        assert await live.undo() == ""

        assert await live.rewind(first) == ""  # no prompt is left, and nothing differs
        assert await changed("turn") == await changed("head") == []
        await live.turn("again", "echo three > three.txt")
        assert await changed("turn") == await changed("head") == [("three.txt", "created")]

    played(tmp_path, script)
