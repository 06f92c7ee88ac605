"""An old session, taken up from its journal where it stood: read once, event by event, and nothing of it kept."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from workbench import programs
from workbench.models.base import ModelError
from workbench.protocol import events as e
from workbench.protocol.fold import apply
from workbench.protocol.names import Mode, lower
from workbench.protocol.state import SessionState
from workbench.protocol.task import Caps
from workbench.session import questions, store
from workbench.session.adopt import unfinished
from workbench.session.blobs import BlobError, Blobs
from workbench.session.changes import Changes
from workbench.session.core import Session
from workbench.session.end import StartError
from workbench.session.head import git_head
from workbench.session.identity import boot_id, user_name
from workbench.session.journal import Journal, JournalError, Reader
from workbench.session.messages import Messages
from workbench.session.plan import Options, catalogue_of, policy_of, settings_of
from workbench.session.prompt import Frame, reminder
from workbench.session.rewind_talk import refolded
from workbench.session.start import assemble
from workbench.session.tally import Tally

_TRY_AGAIN = (
    "The session is taken up again. Calls that were denied may be allowed by now: make those that the task needs once "
    "more, and go on. What is denied again stays denied."
)


def resume(
    session_id: str,
    caps: Caps,
    answer: str | None,
    options: Options,
    mode: Mode | None = None,
    clock: Callable[[], float] = time.time,
) -> Session:
    """Takes an old session up where it stood; CAPS and MODE replace its own where given. Raises StartError."""
    try:
        folder = store.find(session_id)
        journal = Journal.open(folder, clock)
    except (store.StoreError, JournalError) as error:
        raise StartError("error_usage", str(error)) from None
    try:
        return _taken_up(journal, caps, answer, options, mode, clock)
    except (JournalError, BlobError, OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        journal.close()
        raise StartError("error_usage", f"session {journal.session} cannot be resumed: {error}") from None
    except ModelError as error:
        journal.close()
        raise StartError("error_usage", str(error)) from None
    except StartError:
        journal.close()
        raise


def _taken_up(
    journal: Journal,
    caps: Caps,
    answer: str | None,
    options: Options,
    chosen: Mode | None,
    clock: Callable[[], float],
) -> Session:
    folder = journal.folder
    first = next(journal.read(until=1)).event
    if not isinstance(first, e.SessionStarted):
        raise StartError("error_usage", f"{folder} holds no session that began")
    attended = first.task.interactive if options.attended is None else options.attended
    task = msgspec.structs.replace(first.task, interactive=attended)
    blobs = Blobs(folder / "blobs")
    frame = msgspec.json.decode(blobs.get(first.prefix), type=Frame)
    workspace, roots = Path(first.workspace), tuple(map(Path, first.roots))
    if not workspace.is_dir():
        raise StartError("error_usage", f"the workspace {workspace} of session {journal.session} is gone")
    programs.shun((workspace, *roots))
    past = fold_of(journal, blobs)
    settings = settings_of(workspace, options)
    mode = chosen or past.state.mode
    for ceiling in (frame.ceiling, settings.ceiling):
        mode = lower(mode, ceiling) if ceiling else mode
    policy = policy_of(task, settings, first.grants, frame.deny, mode, workspace, roots)
    info = catalogue_of(settings).find(first.model)
    changes = Changes.load(workspace, roots, blobs, folder, at_work=past.state.turns > 0)
    session = assemble(journal, blobs, task, frame, settings, info, policy, changes, options, clock)
    session.state, session.messages, session.tally = past.state, past.messages, past.tally
    session.watch.also(first.agent_path)
    session.began_after, session.resumed = journal.seq, True
    session.context.extras["shells_started"] = past.shells
    session.broken_calls = past.broken
    _resumed_events(session, mode, caps, answer)
    if left := _queued(journal, past.state):
        session.notice("warning", session.queue.left(left), "resume")
    return session


def _queued(journal: Reader, state: SessionState) -> list[e.PromptQueued]:
    """The words that wait in STATE, whole, as JOURNAL has them."""
    found = (next(journal.read(one.seq - 1, one.seq)).event for one in state.queued.values())
    return [event for event in found if isinstance(event, e.PromptQueued)]


@dataclass
class Past:
    """What a journal comes to.

    `shells`: background commands that were ever started. `broken`: calls that a process began and did not live to see
    the end of, with their commands.
    """

    state: SessionState
    messages: Messages
    tally: Tally
    shells: int = 0
    broken: dict[str, str] = field(default_factory=dict)


def fold_of(journal: Reader, blobs: Blobs) -> Past:
    """All folds of JOURNAL in one pass; the same as a session makes event by event. Raises JournalError, BlobError."""
    rewound = max(journal.find("rewound"), default=0)
    compacted = max(journal.find("compacted"), default=0)
    # A rewind makes history and tally anew, a compaction the history: what was said before is not encoded in vain.
    begins = max(rewound + 1, compacted)
    past = Past(SessionState(), Messages(lambda blob: blobs.get(blob)), Tally())
    for envelope in journal.read():
        apply(past.state, envelope)
        past.tally.apply(envelope)
        past.shells += isinstance(envelope.event, e.ShellStarted)
        unfinished(past.broken, envelope.event)
        if envelope.seq == rewound:
            past.messages, past.tally = refolded(journal, rewound, blobs, past.tally)
        if envelope.seq >= begins:
            past.messages.apply(envelope)
    return past


def _resumed_events(session: Session, mode: Mode, caps: Caps, answer: str | None) -> None:
    given = {field: value for field, value in msgspec.structs.asdict(caps).items() if value is not None}
    session.caps = msgspec.structs.replace(session.state.caps, **given)
    asked = session.tally.questions
    session.emit(
        e.SessionResumed(
            host=socket.gethostname(),
            boot_id=boot_id(),
            user=user_name(),
            pid=os.getpid(),
            mode=mode,
            caps=session.caps,
            cut=session.journal.cut,
            sandbox=session.confinement.name,
            network=session.confinement.network,
        ),
        sync=True,
    )
    if session.journal.cut:
        session.notice("warning", f"the journal's torn last line ({session.journal.cut} bytes) was cut off", "journal")
    if answer is not None:
        text = questions.answer_prompt(asked, answer)
        session.emit(e.PromptSubmitted(text=text, origin="answer", by=user_name(), reminder=_now(session)), sync=True)
    elif session.tally.blocked and not session.task.interactive:
        # Its last word was that it could not: without another one it would end as it did.
        session.emit(e.PromptSubmitted(text=_TRY_AGAIN, origin="resume", by="mlwb", reminder=_now(session)), sync=True)


def _now(session: Session) -> str:
    branch, commit = git_head(session.context.workspace)
    return reminder(session.clock(), branch, commit, session.context.cwd, session.confinement.words())
