"""A replay is a client whose host is the past: what it shows is the fold of the journal up to where it is."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.sample_events import answer, call, clock, result, started, text, write_journal
from workbench.host.replay import REFUSED, SPEEDS, ReplayClient
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.commands import Interrupt, SubmitPrompt
from workbench.protocol.fold import PLACES, apply
from workbench.protocol.state import SessionState, state_digest
from workbench.session.journal import Journal, JournalError, Reader

WORKSPACE = "/nowhere/project"


def edited(path: str, old: str, new: str, **more: Any) -> e.CallFinished:
    words = f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{old}\n+{new}\n"
    diff = blocks.Diff(path=f"{WORKSPACE}/{path}", text=words, added=1, removed=1, **more)
    return e.CallFinished(call_id="e", tool="Edit", status="ok", changed=(f"{WORKSPACE}/{path}",), display=(diff,))


def session(turns: int = 12) -> list[Any]:
    """A session in which each turn edits a file of its own, the first one twice."""
    events: list[Any] = [started(workspace=WORKSPACE), e.PromptSubmitted(text="go", origin="person", by="ana")]
    for turn in range(1, turns + 1):
        events += [e.RequestStarted(turn=turn, model="m"), answer(turn, text(f"These are the words of turn {turn}."))]
        events += [*call(f"c{turn}", f"python train.py {turn}", turn=turn), edited(f"f{turn}.py", "a", "b")]
        if turn == 1:
            events.append(edited("f1.py", "-- b", "c"))
    return [*events, e.SessionEnded(result=result())]


def fold(folder: Path, seq: int) -> str:
    """The digest of the state at SEQ, folded from the first line."""
    state = SessionState()
    with Reader(folder) as journal:
        for envelope in journal.read(until=seq):
            apply(state, envelope)
    return state_digest(state)


def playing(
    folder: Path, play: Callable[[ReplayClient, list[e.Envelope]], Awaitable[None]], speed: float = 64.0
) -> None:
    """Runs PLAY(client, what it has sent so far)."""

    async def run() -> None:
        client, sent = ReplayClient(folder, speed), list[e.Envelope]()

        async def follow() -> None:
            async for envelope in client.events():
                sent.append(envelope)

        following = asyncio.create_task(follow())
        try:
            await asyncio.wait_for(play(client, sent), 100)
        finally:
            await client.close()
            await following

    asyncio.run(run())


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - of what plays nothing tells
            await asyncio.sleep(0.002)


async def gone(client: ReplayClient, seq: int) -> None:
    """Paused at line SEQ."""
    client.paused = True
    before = client.renewed
    client.go_to(seq)
    await until(lambda: client.renewed > before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_journal(tmp_path / "s-aaaaaaaa", session())
    return tmp_path / "s-aaaaaaaa"


def test_all_of_it_is_played_in_order_and_nothing_twice(folder):
    async def play(client: ReplayClient, sent: list[e.Envelope]) -> None:
        await until(lambda: client.place.ended)
        told = [envelope for envelope in sent if envelope.seq]
        with Reader(folder) as journal:
            assert told == list(journal.read(after=1))  # the first line is in the state that it begins with
        assert state_digest(client.state) == fold(folder, client.last)
        assert client.renewed == 0

    playing(folder, play)


def test_an_answer_is_written_again_before_it_is_whole(tmp_path):
    said = answer(1, {"type": "thinking", "thinking": "hm " * 300, "signature": "x"}, text("words " * 300))
    write_journal(tmp_path / "s-aaaaaaaa", [started(), said])

    async def play(client: ReplayClient, sent: list[e.Envelope]) -> None:
        await until(lambda: client.place.ended)
        assert isinstance(sent[-1].event, e.AnswerCompleted)
        for kind, index, whole in ((e.ThinkingDelta, 0, "hm " * 300), (e.TextDelta, 1, "words " * 300)):
            written = [one.event for one in sent if isinstance(one.event, kind)]
            assert "".join(one.text for one in written) == whole
            assert len(written) > 2 and {(one.turn, one.index) for one in written} == {(1, index)}

    playing(tmp_path / "s-aaaaaaaa", play, 8.0)


def test_long_waits_are_cut_and_the_speed_counts(tmp_path):
    times = iter([0.0, 0.0, 0.0, 9000.0])
    with Journal.create(tmp_path / "s-aaaaaaaa", "s-aaaaaaaa", lambda: next(times)) as journal:
        for event in (
            started(),
            e.Notice(level="info", text="a"),
            e.Notice(level="info", text="b"),
            e.Idle(reason="done"),
        ):
            journal.append(event)

    async def play(client: ReplayClient, sent: list[e.Envelope]) -> None:
        began = time.monotonic()
        assert client.place.length == 9000.0
        await until(lambda: client.place.ended)
        assert 1.9 < time.monotonic() - began < 30  # a wait of a second at half the speed
        assert client.place.at == 9000.0

    playing(journal.folder, play, 0.5)


def test_wherever_it_goes_it_shows_the_fold_of_the_journal(tmp_path):
    write_journal(tmp_path / "s-aaaaaaaa", session(400))  # several kept states
    folder = tmp_path / "s-aaaaaaaa"

    async def play(client: ReplayClient, sent: list[e.Envelope]) -> None:
        assert client.last > 2000
        for seq in (client.last, 1, 1000, 1001, 999, 17, 2001, client.last - 1):
            await gone(client, seq)
            assert client.state.seq == seq and state_digest(client.state) == fold(folder, seq)
            page = await client.query(q.ItemsBefore(n=1000))
            shown = {item.id: msgspec.to_builtins(item) for item in client.state.items}
            assert max((item.id for item in page.items), default=0) // PLACES <= seq  # nothing that is yet to come
            assert {item.id: msgspec.to_builtins(item) for item in page.items if item.id in shown} == shown

    playing(folder, play)


def test_turns_are_stepped_through_both_ways(folder):
    async def play(client: ReplayClient, sent: list[e.Envelope]) -> None:
        await gone(client, 1)
        assert (client.place.turn, client.place.turns) == (0, 12)
        for step, turn in ((1, 1), (1, 2), (1, 3), (-1, 2), (-1, 1), (-1, 0), (-1, 0), (5, 5)):
            client.step(step)
            assert client.place.turn == turn  # at once, so that a key held down is not lost
        await until(lambda: client.state.turns == 5)
        client.step(100)
        await until(lambda: client.place.ended and client.state.end == "success")
        client.to_turn(7)
        await until(lambda: client.state.turns == 7)
        client.pause()
        await until(lambda: client.place.ended)
        client.pause()  # from the end: again
        await until(lambda: 0 < client.state.turns < 12)

    playing(folder, play)


def test_a_pause_holds_even_within_an_answer(tmp_path):
    write_journal(tmp_path / "s-aaaaaaaa", [started(), answer(1, text("word " * 4000)), e.Idle(reason="done")])

    async def play(client: ReplayClient, sent: list[e.Envelope]) -> None:
        await until(lambda: len(sent) > 2)
        client.pause()
        await asyncio.sleep(0.15)
        held = len(sent)
        await asyncio.sleep(0.3)
        assert len(sent) == held and client.state.seq == 1
        client.pause()
        for _ in SPEEDS:
            client.faster(1)
        assert client.speed == SPEEDS[-1]
        await until(lambda: client.place.ended)
        words = "".join(one.event.text for one in sent if isinstance(one.event, e.TextDelta))
        assert words == "word " * 4000  # none twice

    playing(tmp_path / "s-aaaaaaaa", play, 1.0)


def test_it_takes_no_commands(folder):
    async def play(client: ReplayClient, sent: list[e.Envelope]) -> None:
        before = (folder / "events.jsonl").read_bytes()
        for command in (SubmitPrompt(id="1", text="x", by="ana"), Interrupt(id="2", by="ana")):
            ack = await client.send(command)
            assert (ack.ok, ack.error) == (False, REFUSED)
        assert (folder / "events.jsonl").read_bytes() == before

    playing(folder, play)


def test_changes_are_those_that_the_journal_holds_up_to_there(folder):
    async def play(client: ReplayClient, sent: list[e.Envelope]) -> None:
        await gone(client, client.last)
        page = await client.query(q.ChangedFiles())
        assert [(one.path, one.change, one.added, one.removed) for one in page.files if one.path.startswith("f1.")] == [
            ("f1.py", "modified", 2, 2)
        ]
        assert len(page.files) == 13 and "commands" in page.notes[0]  # a command has changed one, unknown how
        assert next(one for one in page.files if one.path == "/data/project/train.py").added is None
        diff = await client.query(q.DiffPage(path="f1.py"))
        assert diff.lines == (
            "--- a/f1.py", "+++ b/f1.py", "@@ -1 +1 @@", "-a", "+b", "@@ -1 +1 @@", "--- b", "+c",
        )  # fmt: skip
        await gone(client, client._turns[2])
        assert {one.path for one in (await client.query(q.ChangedFiles())).files} == {
            "f1.py", "f2.py", "/data/project/train.py",
        }  # fmt: skip
        assert (await client.query(q.DiffPage(path="f9.py"))).total == 0
        assert (await client.query(q.ChangedFiles(since="head"))).files == ()

    playing(folder, play)


def test_what_a_rewind_took_back_is_no_change(tmp_path):
    write_journal(tmp_path / "s-aaaaaaaa", [
        started(workspace=WORKSPACE), e.PromptSubmitted(text="go", origin="person", by="ana"),
        edited("a.py", "a", "b"), e.Rewound(seq=2, talk=True, files=True, by="ana", before="t"),
    ])  # fmt: skip

    async def play(client: ReplayClient, sent: list[e.Envelope]) -> None:
        await gone(client, 3)
        assert len((await client.query(q.ChangedFiles())).files) == 1
        await gone(client, 4)
        assert (await client.query(q.ChangedFiles())).files == ()

    playing(tmp_path / "s-aaaaaaaa", play)


def test_of_a_workspace_that_is_elsewhere_it_is_said_that_nothing_is_known(folder):
    async def play(client: ReplayClient, sent: list[e.Envelope]) -> None:
        runs = await client.query(q.ListRuns())
        assert runs.rows == () and "not on this machine" in runs.notes[0]
        assert (await client.query(q.SeriesPage(run="r-1", key="loss"))).points == ()
        assert (await client.query(q.FindFiles(pattern="a"))).paths == ()
        assert (await client.query(q.InForce())).rules == ()

    playing(folder, play)


def test_a_live_session_is_played_up_to_where_it_was(tmp_path):
    with Journal.create(tmp_path / "s-aaaaaaaa", "s-aaaaaaaa", clock()) as journal:
        journal.append(started())
        journal.append(e.Notice(level="info", text="a"))

        async def play(client: ReplayClient, sent: list[e.Envelope]) -> None:
            journal.append(e.Notice(level="info", text="b"))
            await until(lambda: client.place.ended)
            assert client.state.seq == client.last == 2

        playing(journal.folder, play)


def test_the_verb_says_what_it_cannot_do(folder, tmp_path):
    def mlwb(*args: str) -> tuple[int, str]:
        run = "import sys; from workbench.cli import main; sys.exit(main())"
        done = subprocess.run([sys.executable, "-c", run, "sessions", "replay", *args], capture_output=True, text=True,
                              env={**os.environ, "XDG_STATE_HOME": str(tmp_path)}, timeout=60)  # fmt: skip
        assert done.stdout == "" and "Traceback" not in done.stderr
        return done.returncode, done.stderr.splitlines()[-1]

    assert mlwb(str(folder)) == (
        2,
        "mlwb: a replay is drawn on a terminal; `mlwb sessions export` writes a session down",
    )
    assert mlwb(f"{folder}:t4")[0] == 2
    status, words = mlwb(str(tmp_path / "no"))
    assert status == 2 and "is no folder of a session" in words
    status, words = mlwb("--speed", "0", str(folder))
    assert status == 2 and "'0' is no speed from 0.25 to 64" in words
    (folder / "events.jsonl").write_bytes(b"")
    assert mlwb(str(folder))[0] == 1


def test_a_folder_without_a_journal_is_refused(tmp_path):
    with pytest.raises(JournalError):
        ReplayClient(tmp_path)


def test_a_damaged_line_is_told_and_what_comes_before_it_is_played(tmp_path):
    write_journal(tmp_path / "s-aaaaaaaa", session(400))
    path = tmp_path / "s-aaaaaaaa" / "events.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[1499] = b"{" + lines[1499][:-1]
    path.write_bytes(b"\n".join(lines))

    async def play() -> None:
        client = ReplayClient(path.parent, 64.0)
        client.go_to(1490)
        with pytest.raises(JournalError, match="line 1500"):
            async for _ in client.events():
                pass
        assert client.state.seq == 1499
        client.go_to(1600)
        with pytest.raises(JournalError, match="line 1500"):
            await anext(client.events())
        await client.close()

    asyncio.run(asyncio.wait_for(play(), 100))
