"""A session that begins where another one was."""

import asyncio

import pytest

from support.sample_events import SESSION, answer, started, text, write_journal
from workbench import places
from workbench.protocol import events as e
from workbench.protocol.fold import apply
from workbench.protocol.result import Usage
from workbench.protocol.state import SessionState
from workbench.session import store
from workbench.session.blobs import Blobs
from workbench.session.changes import Changes
from workbench.session.fork import ForkError, fork, handed_over
from workbench.session.journal import Journal, Reader
from workbench.session.messages import Messages
from workbench.session.snapshots import Snapshots

THINKING = {"type": "thinking", "thinking": "hm", "signature": "bound to what came before"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return places.sessions()


def prompt(words):
    return e.PromptSubmitted(text=words, origin="person", by="ana", reminder="<now>noon</now>")


def turn(number, *content, **more):
    return [e.RequestStarted(turn=number, model="m"), answer(number, *content, **more), e.Idle(reason="done")]


def history(folder):
    with Reader(folder) as journal:
        messages = Messages(Blobs(folder / "blobs").get)
        for envelope in journal.read():
            messages.apply(envelope)
        return messages.sent, messages.pending


@pytest.fixture
def parent(home):
    """Two prompts; the first answer lies in a blob."""
    folder = home / SESSION
    blob = Blobs(folder / "blobs").put(b'[{"type":"text","text":"long"}]')
    write_journal(folder, [
        started(), prompt("first"), *turn(1, blob=blob, text="long"), prompt("second"),
        *turn(2, THINKING, text("done")), e.SnapshotTaken(snapshot="x/1", turn=1, reason="prompt"),
    ])  # fmt: skip
    (folder / "baseline.msgpack").write_bytes(b"b")
    return folder


def test_the_talk_before_a_prompt_goes_on_byte_for_byte(parent, home):
    new = fork(parent, 6)
    sent, pending = history(home / new)
    assert sent == history(parent)[0][:2] and pending == []
    with Reader(home / new) as journal:
        first = next(journal.read()).event
        assert journal.session == new and first.parent == SESSION and first.task.interactive
        state = SessionState()
        for envelope in journal.read():
            apply(state, envelope)
    assert state.cost_usd == 0.0 and state.usage == Usage() and state.turns == 1
    assert (home / new / "baseline.msgpack").read_bytes() == b"b"
    told = store.summary(home / new)
    assert (told.id, told.state, told.problem) == (new, "resumable", "")
    store.remove(new)
    assert history(parent)[0]


def test_all_of_it_with_its_thinking(parent, home):
    assert history(home / fork(parent)) == history(parent)


def test_what_was_taken_back_is_not_in_it_and_can_be_gone_on_from(parent, home):
    with Journal.open(parent, lambda: 1.0) as journal:
        journal.append(e.Rewound(seq=6, talk=True, files=False, by="ana"))
        journal.append(prompt("another second"))
        last = journal.seq
        journal.append(e.RequestStarted(turn=3, model="m"))
        journal.append(answer(3, text("other")))
    before = history(home / fork(parent, last))
    assert before == history(home / fork(parent, 6))
    assert b"another second" in history(home / fork(parent))[0][-2]
    assert not any(b'"second"' in message for message in history(home / fork(parent))[0])


def test_what_cannot_be_forked_leaves_nothing_behind(parent, home):
    before = sorted(path.name for path in home.iterdir())
    for seq in (1, 3, 999, -1):
        with pytest.raises(ForkError, match="no prompt"):
            fork(parent, seq)
    with pytest.raises(ForkError, match="cannot be forked"):
        fork(home / "s-nothing0", 0)
    assert sorted(path.name for path in home.iterdir()) == before


def test_another_agent_begins_with_a_brief(parent):
    task = handed_over(parent, 6, "ml-reviewer", None, None)
    assert (task.agent, task.model, task.prompt, task.interactive) == ("ml-reviewer", None, "", True)
    assert task.workspace == "/data/project"
    assert "first" in task.brief and "long" in task.brief and "second" not in task.brief
    assert handed_over(parent, 0, "ml-reviewer", None, "do this").brief == "do this"
    assert handed_over(parent, 0, None, "opus", "x").agent == "ml-engineer"


def test_files_go_back_in_the_fork_as_well(home, tmp_path):
    work, folder = tmp_path / "work", home / SESSION
    work.mkdir()
    (work / "a.py").write_text("one\n")
    write_journal(folder, [started(), prompt("first")])

    def snapshots(of, name):
        blobs = Blobs(of / "blobs")
        changes = Changes.begin(work, (), blobs, of)
        return Snapshots(of, name, (work,), changes, blobs, lambda: 1.0)

    mine = snapshots(folder, SESSION)
    one = asyncio.run(mine.take("prompt", 1)).snapshot
    new = fork(folder)
    theirs = snapshots(home / new, new)
    (work / "a.py").write_text("two\n")
    two = asyncio.run(theirs.take("prompt", 1)).snapshot
    assert two != one
    asyncio.run(theirs.restore(one))
    assert (work / "a.py").read_text() == "one\n"
    (work / "a.py").write_text("three\n")
    three = asyncio.run(mine.take("prompt", 2)).snapshot
    asyncio.run(theirs.take("rewind", 2))
    asyncio.run(theirs.restore(two))
    assert (work / "a.py").read_text() == "two\n"
    asyncio.run(mine.take("rewind", 2))
    asyncio.run(mine.restore(three))
    assert (work / "a.py").read_text() == "three\n"
