"""Taking a session up: one pass over its journal gives what event by event gives, and keeps nothing of what it read."""

import random
import tracemalloc
from pathlib import Path

import pytest

from support.sample_events import SESSION, answer, call, clock, resumed, started, text
from workbench.protocol import events as e
from workbench.protocol.fold import apply
from workbench.protocol.result import Usage
from workbench.protocol.state import SessionState
from workbench.session.blobs import Blobs
from workbench.session.journal import Journal, Reader
from workbench.session.messages import Messages
from workbench.session.resume import fold_of
from workbench.session.rewind_talk import refolded
from workbench.session.tally import Tally


def turn(number: int, words: str = "") -> list:
    """A prompt, an answer that runs a command, one that ends."""
    use = {"type": "tool_use", "id": f"t{number}", "name": "Bash", "input": {"command": words}}
    return [
        e.PromptSubmitted(text=f"prompt {number} {words}", origin="person", by="ana"),
        e.RequestStarted(turn=number, model="m"),
        answer(number, text(f"I run {number}."), use, calls=1),
        *call(f"t{number}", "date", turn=number),
        e.RequestStarted(turn=number, model="m"),
        answer(number, text(f"Done with {number}."), stop_reason="end_turn"),
        e.Idle(reason="done"),
    ]


def compacted(words: str) -> e.Compacted:
    message = {"role": "user", "content": [text(words)]}
    return e.Compacted(summary=words, messages=(message,), tokens_before=9, usage=Usage())


class Writer:
    """Writes a journal and folds it event by event, as a session at work does."""

    def __init__(self, folder: Path) -> None:
        self.journal, self.blobs = Journal.create(folder, SESSION, clock()), Blobs(folder / "blobs")
        self.state, self.tally = SessionState(), Tally()
        self.messages = Messages(self.blobs.get)
        self.prompts: list[int] = []
        self.emit(started())

    def emit(self, event) -> None:
        envelope = self.journal.append(event)
        if isinstance(event, e.PromptSubmitted):
            self.prompts.append(envelope.seq)
        apply(self.state, envelope)
        if isinstance(event, e.Rewound):
            self.messages, self.tally = refolded(self.journal, envelope.seq, self.blobs, self.tally)
            return
        self.messages.apply(envelope)
        self.tally.apply(envelope)


def told(one: Messages | Tally) -> dict:
    return {name: value for name, value in vars(one).items() if name != "_blob"}


@pytest.mark.parametrize("seed", range(12))
def test_one_pass_gives_what_event_by_event_gives(tmp_path, seed):
    chance = random.Random(seed)
    writer = Writer(tmp_path / SESSION)
    for number in range(1, 25):
        for event in turn(number, f"words {chance.random()}"):
            writer.emit(event)
        what = chance.randrange(6)
        if what == 0:
            writer.emit(compacted(f"summary {number}"))
        elif what == 1:
            writer.emit(e.Rewound(seq=chance.choice(writer.prompts), talk=True, files=False, by="ana"))
        elif what == 2 and writer.state.undoable:
            writer.emit(e.Rewound(seq=3, talk=True, files=False, by="ana", undone=writer.state.undoable))
        elif what == 3:
            writer.emit(resumed(mode="plan"))
        elif what == 4:
            writer.emit(e.ShellStarted(shell_id=f"sh{number}", call_id="t1", command="make", pid=1, path="o"))
    writer.journal.close()
    with Reader(tmp_path / SESSION) as journal:
        past = fold_of(journal, writer.blobs)
        assert past.shells == sum(isinstance(x.event, e.ShellStarted) for x in journal.read())
    assert past.state == writer.state
    assert told(past.messages) == told(writer.messages)
    assert told(past.tally) == told(writer.tally)


def test_what_it_takes_does_not_grow_with_the_session(tmp_path):
    def most(turns: int) -> int:
        """Bytes held at once while a session of so many TURNS is taken up."""
        folder = tmp_path / str(turns)
        with Journal.create(folder, SESSION, clock()) as journal:
            journal.append(started())
            for number in range(turns):
                for event in turn(number, "x" * 500):
                    journal.append(event)
            journal.append(compacted("all of it"))
        with Reader(folder) as journal:
            tracemalloc.start()
            past = fold_of(journal, Blobs(folder / "blobs"))
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert past.state.items_total > 4 * turns and len(past.messages.sent) == 1
        return peak

    most(20)  # what is made once
    assert most(1600) < 1.3 * most(800)


def test_events_of_a_kind_are_found_without_reading_the_rest(tmp_path):
    sly = 'x","at":1,"event":{"type":"rewound"'
    writer = Writer(tmp_path / SESSION)
    for number in range(300):
        writer.emit(e.PromptSubmitted(text=sly * 50, origin="person", by=sly))
        if number % 100 == 7:
            writer.emit(e.Rewound(seq=2, talk=True, files=False, by=sly))
    found = [x.seq for x in writer.journal.read() if isinstance(x.event, e.Rewound)]
    assert list(writer.journal.find("rewound")) == found and len(found) == 3
    assert list(writer.journal.find("rewound", found[0], found[2] - 1)) == [found[1]]
    assert list(writer.journal.find("session_started")) == [1]
    assert not list(writer.journal.find("rewound", found[2])) and not list(writer.journal.find("compacted"))
    writer.journal.close()
