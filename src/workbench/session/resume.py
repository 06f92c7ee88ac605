"""An old session, taken up from its journal where it stood."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from workbench.models.base import ModelError
from workbench.protocol import events as e
from workbench.protocol.names import Mode, lower
from workbench.protocol.task import Caps
from workbench.session import questions, store
from workbench.session.blobs import BlobError, Blobs
from workbench.session.changes import Changes
from workbench.session.core import Session
from workbench.session.end import StartError
from workbench.session.head import git_head
from workbench.session.identity import boot_id, user_name
from workbench.session.journal import Journal, JournalError
from workbench.session.plan import Options, catalogue_of, policy_of, settings_of
from workbench.session.prompt import Frame, reminder
from workbench.session.start import assemble


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
    except (JournalError, BlobError, OSError, msgspec.DecodeError) as error:
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
    history, folder = list(journal.read()), journal.folder
    first = history[0].event
    if not isinstance(first, e.SessionStarted):
        raise StartError("error_usage", f"{folder} holds no session that began")
    task = msgspec.structs.replace(first.task, interactive=True) if options.attended else first.task
    blobs = Blobs(folder / "blobs")
    frame = msgspec.json.decode(blobs.get(first.prefix), type=Frame)
    workspace, roots = Path(first.workspace), tuple(map(Path, first.roots))
    if not workspace.is_dir():
        raise StartError("error_usage", f"the workspace {workspace} of session {journal.session} is gone")
    settings = settings_of(workspace, options)
    mode = chosen or _mode_of(history, first)
    for ceiling in (frame.ceiling, settings.ceiling):
        mode = lower(mode, ceiling) if ceiling else mode
    policy = policy_of(task, settings, first.grants, frame.deny, mode, workspace, roots)
    info = catalogue_of(settings).find(first.model)
    changes = Changes.load(workspace, folder, blobs)
    session = assemble(journal, blobs, task, frame, settings, info, policy, changes, options, clock)
    for envelope in history:
        session.fold(envelope)
    session.began_after, session.resumed = history[-1].seq, True
    session.context.extras["shells_started"] = sum(isinstance(x.event, e.ShellStarted) for x in history)
    _resumed_events(session, mode, caps, answer)
    return session


def _mode_of(history: list[e.Envelope], first: e.SessionStarted) -> Mode:
    """The mode that held when the session last stood."""
    for envelope in reversed(history):
        if isinstance(envelope.event, e.ModeChanged | e.SessionResumed):
            return envelope.event.mode
    return first.mode


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
        ),
        sync=True,
    )
    if session.journal.cut:
        session.notice("warning", f"the journal's torn last line ({session.journal.cut} bytes) was cut off", "journal")
    if answer is not None:
        branch, commit = git_head(session.context.workspace)
        now = reminder(session.clock(), branch, commit, session.context.cwd)
        text = questions.answer_prompt(asked, answer)
        session.emit(e.PromptSubmitted(text=text, origin="answer", by=user_name(), reminder=now), sync=True)
