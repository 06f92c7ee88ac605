"""A session owned by this process, and a client of it: what `mlwb run`, the demo and tests stand on."""

from collections.abc import AsyncIterator

from workbench.host.client import Client
from workbench.host.hub import Feed
from workbench.protocol.commands import Ack, AnyCommand, Compact, Rename, SetMode, Stop, SubmitPrompt
from workbench.protocol.events import Envelope, PromptSubmitted, Renamed
from workbench.protocol.names import Mode
from workbench.protocol.queries import AnyPage, AnyQuery
from workbench.protocol.state import SessionState
from workbench.protocol.task import Caps, Task
from workbench.session import loop
from workbench.session import resume as resuming
from workbench.session import start as starting
from workbench.session.core import Session
from workbench.session.end import StartError
from workbench.session.pages import Pages
from workbench.session.plan import Options
from workbench.session.preflight import Finding
from workbench.session.preflight import preflight as _preflight

__all__ = ["Finding", "LocalClient", "Options", "StartError", "begin_imports", "preflight", "resume", "start"]


def begin_imports() -> None:
    """Starts the model SDK's import in a thread: it is the longest part of a start, and all else overlaps it."""
    from workbench.models.anthropic import begin_import

    begin_import()


class LocalClient:
    """A client in the session's own process."""

    def __init__(self, session: Session, after: int = 0) -> None:
        self.session = session.id
        self._session = session
        self._feed = Feed(lambda seq: session.journal.read(seq), after)
        self._pages = Pages(session.journal, session.blobs, session.changes)
        session.listeners.append(self._feed.push)

    @property
    def state(self) -> SessionState:
        """The session's own fold: in this process there is no need for a second one."""
        return self._session.state

    async def send(self, command: AnyCommand) -> Ack:
        """Carries COMMAND out, or says why not."""
        session = self._session
        if isinstance(command, Stop):
            session.stop(command.reason)
        elif isinstance(command, SubmitPrompt):
            session.submit(PromptSubmitted(text=command.text, origin="person", by=command.by))
        elif isinstance(command, SetMode):
            if not session.lower_mode(command.mode, command.by):
                return Ack(id=command.id, ok=False, error="a running session's mode can only be lowered")
        elif isinstance(command, Rename):
            session.emit(Renamed(title=command.title))
        elif isinstance(command, Compact):
            session.compact_now = True
        else:
            return Ack(id=command.id, ok=False, error="this session asks no one and is not interactive")
        return Ack(id=command.id, ok=True)

    def events(self) -> AsyncIterator[Envelope]:
        """Envelopes until the session ends."""
        return self._feed.envelopes()

    async def query(self, query: AnyQuery) -> AnyPage:
        """A page from the journal, the blobs or the files."""
        return await self._pages.answer(query)

    async def close(self) -> None:
        """Leaves, and lets go of the journal: this process owned the session."""
        self._feed.close()
        if self._feed.push in self._session.listeners:
            self._session.listeners.remove(self._feed.push)
        self._session.journal.close()


async def start(task: Task, options: Options) -> Client:
    """A new session at work on TASK. Raises StartError."""
    session = starting.create(task, options)
    client = LocalClient(session)
    session.start(loop.work)
    return client


async def resume(session: str, caps: Caps, answer: str | None, options: Options, mode: Mode | None = None) -> Client:
    """An old session at work again, in another MODE if one is given. Raises StartError."""
    resumed = resuming.resume(session, caps, answer, options, mode)
    client = LocalClient(resumed, after=resumed.began_after)
    resumed.start(loop.work)
    return client


async def preflight(task: Task, options: Options) -> list[Finding]:
    """What would stand in TASK's way, found without spending a token."""
    return await _preflight(task, options)
