"""A new session that begins where another one was: with its talk as it stood before a prompt.

The same agent and model go on with the same events, so the history is the same byte for byte, thinking included. For
another agent or model it would not be valid: it begins with a brief.
"""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec

from workbench import places
from workbench.protocol import events as e
from workbench.protocol.result import Usage
from workbench.protocol.task import Task
from workbench.session import store
from workbench.session.identity import boot_id, user_name
from workbench.session.journal import Journal, JournalError, Reader
from workbench.session.rewind_talk import is_prompt, talk
from workbench.session.snapshots import FOLDER
from workbench.session.tally import answer_text

# What belongs to the process that ran the other session, and what a fold of the new one must not count again.
_OF_A_RUN = (
    e.SessionResumed, e.SessionEnded, e.Idle, e.Rewound, e.ShellStarted, e.ShellFinished, e.RequestRetried,
    e.PromptQueued, e.PromptWithdrawn,
)  # fmt: skip
# What lies beside the journal and does not change once it is written; the rest is copied.
_LINKED = ("blobs", FOLDER)
_COPIED = ("baseline.msgpack", "before.msgpack", "locked.json")
_UNFINISHED = shutil.ignore_patterns("*.lock", "tmp_*", ".*")
_SAID = 4_000  # characters of each prompt and of the last answer in a brief


class ForkError(Exception):
    """Why a session cannot be forked there; for a person."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A person's prompt, before which a session can be forked: its event, the turn it began, when, and its words."""

    seq: int
    turn: int
    at: float
    text: str


def prompts(folder: Path) -> list[Prompt]:
    """The prompts that the talk of the session in FOLDER holds, oldest first. Blocks. Raises ForkError."""
    found: list[Prompt] = []
    turn = 0
    try:
        with Reader(folder) as journal:
            for envelope in talk(journal, journal.seq):
                if isinstance(envelope.event, e.RequestStarted):
                    turn = envelope.event.turn
                elif isinstance(envelope.event, e.PromptSubmitted) and is_prompt(envelope.event):
                    text = envelope.event.text[:_SAID]
                    found.append(Prompt(seq=envelope.seq, turn=turn + 1, at=envelope.at, text=text))
    except JournalError as error:
        raise ForkError(f"session {folder.name} cannot be read: {error}") from None
    return found


def fork(folder: Path, seq: int = 0) -> str:
    """A new session with the talk of the session in FOLDER up to before the prompt of event SEQ (0: all of it).

    Returns its id; it is resumed like any other. Blobs and snapshots are shared by hard links. Also a prompt that a
    rewind took back may be named. Blocks. Raises ForkError; nothing is left behind then.
    """
    new = store.new_id()
    made = places.sessions() / f".fork-{new}"
    try:
        with Reader(folder) as journal:
            _check(journal, seq)
            _write(journal, seq, made, new)
        for name in _LINKED:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, made / name, copy_function=_link, ignore=_UNFINISHED)
        for name in _COPIED:
            if (folder / name).exists():
                shutil.copy2(folder / name, made / name)
        made.rename(places.sessions() / new)
    except (OSError, JournalError, shutil.Error) as error:
        shutil.rmtree(made, ignore_errors=True)
        raise ForkError(f"session {folder.name} cannot be forked: {error}") from None
    except ForkError:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return new


def handed_over(folder: Path, seq: int, agent: str | None, model: str | None, brief: str | None) -> Task:
    """What another agent or model begins with: BRIEF, or what was asked and answered before event SEQ (0: all of it).

    Raises ForkError.
    """
    try:
        with Reader(folder) as journal:
            _check(journal, seq)
            first = next(journal.read(until=1)).event
            assert isinstance(first, e.SessionStarted)
            words = brief or _told(journal, seq)
    except JournalError as error:
        raise ForkError(f"session {folder.name} cannot be forked: {error}") from None
    same = agent in (None, first.agent)
    return msgspec.structs.replace(
        first.task,
        agent=agent or first.agent,
        model=model or (first.task.model if same else None),
        workspace=first.workspace,
        add_dirs=first.roots[1:],
        prompt="",
        brief=words,
        source="",
        interactive=True,
    )


def _check(journal: Reader, seq: int) -> None:
    if seq == 0:
        return
    if not 1 < seq <= journal.seq or not is_prompt(next(journal.read(after=seq - 1, until=seq)).event):
        raise ForkError(f"event {seq} of session {journal.session} is no prompt of a person")


def _write(journal: Reader, seq: int, made: Path, new: str) -> None:
    at = [0.0]
    with Journal.create(made, new, lambda: at[0]) as written:
        for envelope in _kept(journal, seq):
            at[0] = envelope.at
            written.append(_as_forked(envelope.event, journal.session))
        written.sync()


def _kept(journal: Reader, seq: int) -> Iterator[e.Envelope]:
    for envelope in talk(journal, seq - 1 if seq else journal.seq):
        if not isinstance(envelope.event, _OF_A_RUN):
            yield envelope


def _as_forked(event: e.JournalEvent | e.EphemeralEvent, parent: str) -> e.JournalEvent:
    """EVENT for the new journal: what was paid for there is not paid again."""
    assert not isinstance(event, e.Ephemeral)
    if isinstance(event, e.SessionStarted):
        task = msgspec.structs.replace(event.task, interactive=True)
        return msgspec.structs.replace(
            event, parent=parent, task=task, host=socket.gethostname(), boot_id=boot_id(), user=user_name(),
            pid=os.getpid(),
        )  # fmt: skip
    if isinstance(event, e.AnswerCompleted):
        return msgspec.structs.replace(event, usage=Usage(), cost_usd=0.0, duration_ms=0, ttft_ms=None)
    if isinstance(event, e.AnswerDiscarded):
        return msgspec.structs.replace(event, usage=None, cost_usd=None)
    if isinstance(event, e.Compacted):
        return msgspec.structs.replace(event, usage=Usage(), cost_usd=0.0)
    return event


def _link(source: str, target: str) -> str:
    """A hard link: whoever changes a blob, a git object or an index writes a new file and renames it."""
    try:
        os.link(source, target)
        return target
    except OSError:  # a file system without them
        return shutil.copy2(source, target)


def _told(journal: Reader, seq: int) -> str:
    """What was asked and answered, in the words of those who did."""
    asked, answer = [], ""
    for envelope in talk(journal, seq - 1 if seq else journal.seq):
        event = envelope.event
        if isinstance(event, e.PromptSubmitted) and is_prompt(event):
            asked.append(event.text[:_SAID])
        elif isinstance(event, e.AnswerCompleted):
            answer = event.text or answer_text(event.content) or answer
        elif isinstance(event, e.Compacted):
            asked.append(f"(a summary of the work up to here)\n{event.summary}")
    parts = [f"<asked>\n{words}\n</asked>" for words in asked[-20:]]
    parts += [f"<last-answer>\n{answer[-_SAID:]}\n</last-answer>"] if answer else []
    return f"This goes on from session {journal.session}.\n" + "\n".join(parts)
