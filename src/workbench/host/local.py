"""A session owned by this process, and a client of it: what `mlwb run`, the demo and tests stand on."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from workbench import places
from workbench.definitions import discovery
from workbench.definitions.types import Definition
from workbench.host.client import Client
from workbench.host.hub import Feed
from workbench.models.base import ModelInfo
from workbench.models.catalogue import Catalogue
from workbench.protocol.commands import (
    Ack,
    AnyCommand,
    Approve,
    Compact,
    Fork,
    Interrupt,
    Rename,
    RevertHunks,
    Rewind,
    RunShell,
    SetMode,
    StageHunks,
    Stop,
    SubmitPrompt,
    UndoRewind,
    Withdraw,
)
from workbench.protocol.events import Envelope, Renamed
from workbench.protocol.fold import PLACES
from workbench.protocol.names import Mode
from workbench.protocol.queries import AnyPage, AnyQuery, InForce
from workbench.protocol.state import SessionState
from workbench.protocol.task import Caps, Task
from workbench.session import attended, fork, hunk_actions, loop, rewind, store
from workbench.session import resume as resuming
from workbench.session import start as starting
from workbench.session.approvals import Approvals
from workbench.session.core import Session
from workbench.session.end import StartError
from workbench.session.file_index import FileIndex
from workbench.session.fork import ForkError
from workbench.session.in_force import in_force
from workbench.session.journal import JournalError
from workbench.session.pages import Pages
from workbench.session.plan import Options, settings_of
from workbench.session.preflight import Finding
from workbench.session.preflight import preflight as _preflight
from workbench.session.snapshots import prune_daily
from workbench.session.store import SessionSummary
from workbench.settings import put_off
from workbench.settings import trust as trusting
from workbench.settings.standing import Standing, standing
from workbench.settings.types import SettingsError

__all__ = [
    "Finding",
    "LocalClient",
    "Options",
    "SessionSummary",
    "StartError",
    "begin_imports",
    "list_agents",
    "list_models",
    "list_sessions",
    "preflight",
    "resume",
    "start",
    "trust",
    "trust_is_asked",
    "trust_later",
    "trust_no_longer",
    "trust_standing",
]

_PRUNED_AFTER_S = 60.0


def begin_imports() -> None:
    """Starts the model SDK's import in a thread: it is the longest part of a start, and all else overlaps it."""
    from workbench.models.anthropic import begin_import

    begin_import()


class LocalClient:
    """A client in the session's own process."""

    def __init__(self, session: Session, options: Options, after: int = 0) -> None:
        self.session = session.id
        self._session, self._options = session, options
        self._feed = Feed(lambda seq: session.journal.read(seq), after)
        files = FileIndex(session.context.workspace)
        self._pages = Pages(session.journal, session.blobs, session.changes, snapshots=session.snapshots, files=files)
        self._approvals = Approvals(session) if session.task.interactive else None
        self._shells: set[asyncio.Task[None]] = set()
        if self._approvals is not None:
            session.ask = self._approvals.ask
        session.listeners.append(self._feed.push)

    @property
    def state(self) -> SessionState:
        """The session's own fold: in this process there is no need for a second one."""
        return self._session.state

    async def send(self, command: AnyCommand) -> Ack:
        """Carries COMMAND out, or says why not."""
        error = value = ""
        try:
            if isinstance(command, Fork):
                value = await asyncio.to_thread(self._fork, command)
            else:
                error = await self._carry_out(command)
        except (ForkError, JournalError, StartError, OSError) as failure:
            error = str(failure)
        return Ack(id=command.id, ok=not error, error=error, value=value)

    def _fork(self, command: Fork) -> str:
        """The id of the new session; it is resumed like any other."""
        session = self._session
        if command.agent is None and command.model is None and not command.brief:
            return fork.fork(session.folder, command.seq)
        task = fork.handed_over(session.folder, command.seq, command.agent, command.model, command.brief)
        return starting.laid_down(task, self._options, session.id)

    async def _carry_out(self, command: AnyCommand) -> str:
        """Why COMMAND was refused; empty where it was not."""
        session = self._session
        match command:
            case Stop(reason=reason):
                session.stop(reason)
            case SubmitPrompt():
                session.submit(command)
            case Withdraw(prompt=prompt, by=by):
                return "" if session.withdraw(prompt, by) else "it is on its way to the agent already"
            case Interrupt():
                session.interrupt()
                self._end_shells()
            case SetMode(mode=mode, by=by):
                return "" if session.lower_mode(mode, by) else "a running session's mode can only be lowered"
            case Rename(title=title):
                session.emit(Renamed(title=title))
            case Compact():
                session.compact_now = True
            case Approve():
                return self._approvals.resolve(command) if self._approvals else "this session asks nobody"
            case RunShell() if session.task.interactive:
                self._shells.add(task := asyncio.create_task(attended.run_shell(session, command)))
                task.add_done_callback(self._shells.discard)
            case _:
                return await self._change_files(command)
        return ""

    async def _change_files(self, command: AnyCommand) -> str:
        match command:
            case Rewind():
                return await rewind.rewind(self._session, command)
            case UndoRewind():
                return await rewind.undo(self._session, command)
            case RevertHunks():
                return await hunk_actions.revert(self._session, command)
            case StageHunks():
                return await hunk_actions.stage(self._session, command)
            case _:
                return f"this session does not take {type(command).__name__}"

    def events(self) -> AsyncIterator[Envelope]:
        """Envelopes until the session ends."""
        return self._feed.envelopes()

    async def query(self, query: AnyQuery) -> AnyPage:
        """A page from the journal, the blobs or the files; or which rules hold."""
        if isinstance(query, InForce):
            return await asyncio.to_thread(in_force, self._session)
        return await self._pages.answer(query)

    def _end_shells(self) -> None:
        for shell in self._shells:
            shell.cancel()

    async def close(self) -> None:
        """Leaves, and lets go of the journal: this process owned the session."""
        self._end_shells()
        await asyncio.gather(*self._shells, return_exceptions=True)
        self._feed.close()
        if self._feed.push in self._session.listeners:
            self._session.listeners.remove(self._feed.push)
        self._session.journal.close()


def _prune_later(session: Session, options: Options) -> None:
    """Has old snapshots given up once a day, long after the session was opened, in a thread that holds up no end."""
    if session.snapshots is not None:
        later = threading.Timer(_PRUNED_AFTER_S, _prune, (session.context.workspace, options))
        later.daemon = True
        later.start()


def _prune(workspace: Path, options: Options) -> None:
    with contextlib.suppress(StartError):  # settings that became unreadable since
        kept = settings_of(workspace, options).snapshots
        prune_daily(places.sessions(), time.time(), kept.max_age_s, kept.max_size)


async def start(task: Task, options: Options) -> Client:
    """A new session at work on TASK. Raises StartError."""
    session = starting.create(task, options)
    client = LocalClient(session, options)
    _prune_later(session, options)
    session.start(attended.work if task.interactive else loop.work)
    return client


async def resume(session: str, caps: Caps, answer: str | None, options: Options, mode: Mode | None = None) -> Client:
    """An old session at work again, in another MODE if one is given. Raises StartError.

    The client's events begin with the resume. Where a person takes it up, with those that the state's items came from:
    what an item does not hold, such as the arguments of a call, is told in them.
    """
    resumed = resuming.resume(session, caps, answer, options, mode)
    after, items = resumed.began_after, resumed.state.items
    if options.attended and items:
        after = min(after, items[0].id // PLACES - 1)
    client = LocalClient(resumed, options, after)
    _prune_later(resumed, options)
    resumed.start(attended.work if resumed.task.interactive else loop.work)
    return client


async def preflight(task: Task, options: Options) -> list[Finding]:
    """What would stand in TASK's way, found without spending a token."""
    return await _preflight(task, options)


def trust_standing(workspace: Path) -> Standing:
    """What WORKSPACE would widen, and whether the user trusts it. Blocks. Raises StartError."""
    try:
        return standing(workspace.resolve(), Path.home(), places.config(), places.state())
    except SettingsError as error:
        raise StartError("error_usage", str(error)) from None


def trust_is_asked(found: Standing) -> bool:
    """Whether a person is to be asked before a session starts: not where they said `not now` within a day."""
    workspace = Path(found.workspace)
    return bool(found.brings) and not (
        found.trusted or put_off.is_put_off(workspace, found.digest, places.state(), time.time())
    )


def trust(workspace: Path, digest: str) -> None:
    """Trusts WORKSPACE as a person was shown it: the files whose content is DIGEST. Blocks. Raises StartError."""
    found = trust_standing(workspace)
    if found.digest != digest:
        raise StartError("error_usage", "its settings have changed meanwhile, so nothing was trusted")
    with _recorded():
        trusting.trust(Path(found.workspace), found.files, places.state(), time.time())


def trust_later(workspace: Path, digest: str) -> None:
    """Nobody is asked about WORKSPACE with the content DIGEST for a day. Blocks. Raises StartError."""
    with _recorded():
        put_off.put_off(workspace.resolve(), digest, places.state(), time.time())


def trust_no_longer(workspace: Path) -> bool:
    """Forgets that the user trusts WORKSPACE; whether they did. Blocks. Raises StartError."""
    with _recorded():
        return trusting.revoke(workspace.resolve(), places.state())


@contextlib.contextmanager
def _recorded() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        words = f"the record of trust in {places.state()} cannot be written: {error.strerror or error}"
        raise StartError("error_usage", words) from None


def list_sessions() -> list[SessionSummary]:
    """The sessions of this user, the newest first. Blocks."""
    return store.list_sessions()


def list_agents(workspace: Path) -> list[Definition]:
    """The agents that a session in WORKSPACE can be started with, by name. Blocks."""
    found = discovery.discover(workspace, Path.home(), places.config())
    nearest = [row.definition for row in found if row.shadowed_by is None]
    return sorted((one for one in nearest if discovery.startable(one) is None), key=lambda one: one.name)


def list_models() -> list[ModelInfo]:
    """The models of the catalogue, without the settings' corrections."""
    return list(Catalogue.load({}).rows.values())
