"""Going back to before a prompt: the talk, the files or both; and taking that back again."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

import msgspec

from workbench.protocol import events as e
from workbench.protocol.blocks import Todo
from workbench.protocol.commands import Rewind, UndoRewind
from workbench.protocol.fold import rewound_after
from workbench.protocol.state import SessionState
from workbench.session.journal import Journal, JournalError, Reader
from workbench.session.rewind_talk import is_prompt, spans_at
from workbench.session.snapshots import Snapshots
from workbench.session.snapshots_held import SnapshotError
from workbench.session.snapshots_since import UnknownMomentError, snapshot_of

_AT_WORK = "the agent is at work: interrupt it first"
_LATER = 1 << 62  # an event that is still to come


class Live(Protocol):
    """What a rewind needs of a session. `steady` is held while the agent acts."""

    state: SessionState
    journal: Journal
    snapshots: Snapshots | None
    steady: asyncio.Lock

    def emit(self, event: e.JournalEvent, *, sync: bool = False) -> None:
        """Journals EVENT and tells it."""

    def notice(self, level: str, text: str, about: str = "") -> None:
        """Journals words for the person."""


class _Refused(Exception):  # noqa: N818 - an answer, no error
    """Why a rewind is not done."""


async def rewind(session: Live, command: Rewind) -> str:
    """Goes back as COMMAND says. Returns why not, or nothing where it was done.

    Once begun it goes on to its end, whatever becomes of who asked for it.
    """
    if session.steady.locked():
        return _AT_WORK
    return await asyncio.shield(asyncio.ensure_future(_told(_rewind(session, command))))


async def undo(session: Live, command: UndoRewind) -> str:
    """Takes the last rewind back, while no request was made since. Returns why not, or nothing where it was done."""
    if session.steady.locked():
        return _AT_WORK
    return await asyncio.shield(asyncio.ensure_future(_told(_undo(session, command))))


async def _told(work: Coroutine[Any, Any, None]) -> str:
    try:
        await work
    except (_Refused, UnknownMomentError, SnapshotError, JournalError) as error:
        return str(error)
    return ""


async def _rewind(session: Live, command: Rewind) -> None:
    async with session.steady:
        _check(session, command)
        before = None
        if command.files:
            snapshot = await asyncio.to_thread(snapshot_of, session.journal, command.seq)
            before = await _restore(session, snapshot)
        event = e.Rewound(seq=command.seq, talk=command.talk, files=command.files, by=command.by, before=before)
        await _emit(session, event)


async def _undo(session: Live, command: UndoRewind) -> None:
    async with session.steady:
        number = session.state.undoable
        done = next(session.journal.read(after=number - 1, until=number)).event if number else None
        if not isinstance(done, e.Rewound):
            raise _Refused("there is no rewind to undo, or the agent was asked something since")
        before = await _restore(session, done.before) if done.files else None
        event = e.Rewound(seq=done.seq, talk=done.talk, files=done.files, by=command.by, before=before, undone=number)
        await _emit(session, event)


def _check(session: Live, command: Rewind) -> None:
    if session.state.phase == "ended":
        raise _Refused("the session has ended: fork it instead")
    if not command.talk and not command.files:
        raise _Refused("neither the talk nor the files are to go back")
    prompts = session.journal.read(after=command.seq - 1, until=command.seq) if command.seq > 0 else ()
    event = next((envelope.event for envelope in prompts), None)
    if event is None or not is_prompt(event):
        raise _Refused(f"event {command.seq} is no prompt of a person")
    spans = spans_at(session.journal, session.journal.seq)
    if any(start <= command.seq < end for start, end in spans):
        raise _Refused("that prompt was taken back already; fork the session to go on from it")


async def _restore(session: Live, snapshot: str | None) -> str:
    """Brings the files back; returns the snapshot that was taken before. Nothing to do where there is no SNAPSHOT."""
    if session.snapshots is None:
        raise _Refused("this session takes no snapshots; the talk alone can go back")
    taken = await session.snapshots.take("rewind", session.state.turns)
    # On disk first: should this process die in the middle, the files as they were can still be had.
    session.emit(taken, sync=True)
    if snapshot is not None:
        for note in (await session.snapshots.restore(snapshot)).notes:
            session.notice("warning", note, "rewind")
    if session.state.shells:
        many = len(session.state.shells)
        session.notice("warning", f"{many} background command(s) still run and may write files", "rewind")
    return taken.snapshot


async def _emit(session: Live, event: e.Rewound) -> None:
    if event.talk:
        todos, tokens = await asyncio.to_thread(_holding_after, session.journal, event)
        event = msgspec.structs.replace(event, todos=todos, context_tokens=tokens)
    session.emit(event, sync=True)


def _holding_after(journal: Reader, event: e.Rewound) -> tuple[tuple[Todo, ...], int]:
    """The to-do list and the tokens of the context, of the talk as it stands after the rewind EVENT."""
    spans = rewound_after(spans_at(journal, journal.seq), _LATER, event)
    todos: tuple[Todo, ...] = ()
    tokens = 0
    for envelope in journal.read():
        if any(start <= envelope.seq < end for start, end in spans):
            continue
        if isinstance(envelope.event, e.TodosChanged):
            todos = envelope.event.todos
        elif isinstance(envelope.event, e.AnswerCompleted):
            tokens = envelope.event.usage.total
        elif isinstance(envelope.event, e.Compacted):
            tokens = 0
    return todos, tokens
