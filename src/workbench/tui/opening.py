"""What the workbench asks of the program around it: sessions to open, and lists to choose from.

The screen is drawn before any of this is asked; whoever carries it out imports what it needs by then.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from workbench.host.client import Client
from workbench.protocol.commands import Ack, AnnotateRun, AnyCommand, Stop, StopRuns
from workbench.protocol.events import Envelope
from workbench.protocol.queries import AnyPage, AnyQuery
from workbench.protocol.state import SessionState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.protocol.wire import Live
    from workbench.tui.tour import Tour

_GOING_S = 3.0  # for each step of leaving a session


class NotOpenedError(Exception):
    """No session: the message says why, `subtype` is the contract's word for it.

    `steps`: commands that go on from here and what each does, where the subtype's own would not help.
    """

    def __init__(self, subtype: str, message: str, steps: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.subtype, self.message, self.steps = subtype, message, steps


class AgentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One agent that can be chosen."""

    name: str
    description: str = ""
    source: str = ""


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One model that can be chosen. `window` is in tokens; prices are dollars a million tokens, None if not known."""

    id: str
    aliases: tuple[str, ...] = ()
    window: int | None = None
    input: float | None = None
    output: float | None = None


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One session of this user. `state`: live, resumable, done. Times are Unix time in seconds.

    `attended`: a person is at it, it is no headless run.
    """

    id: str
    title: str = ""
    workspace: str = ""
    state: str = "resumable"
    started: float = 0.0
    updated: float = 0.0
    agent: str = ""
    model: str = ""
    turns: int = 0
    cost_usd: float | None = None
    subtype: str | None = None
    attended: bool = False


class TurnRow(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt of a session, before which it can be forked. `seq` names it, `turn` is the turn that it began."""

    seq: int
    turn: int
    at: float
    text: str


class NeighbourRow(msgspec.Struct, frozen=True, kw_only=True):
    """Another live session in the workspace. `changed`: absolute path -> when its agent changed it (Unix seconds).

    `rests`: nobody is at it and it does nothing; it only waits for somebody to come back.
    """

    id: str
    agent: str = ""
    title: str = ""
    user: str = ""
    pid: int = 0
    rests: bool = False
    changed: dict[str, float] = {}


class StandingRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a workspace stands with the user. `brings`: (file, what it would widen); `changed`: a diff since trusted.

    `digest` stands for the files' content: what is trusted is what was shown.
    """

    workspace: str
    brings: tuple[tuple[str, str], ...] = ()
    trusted: bool = False
    changed: str = ""
    digest: str = ""


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """A call in the audit, as `session.audit.Row` has it. `seq` is the event that names it in the talk."""

    seq: int
    at: float
    turn: int
    tool: str
    target: str = ""
    verdict: str = ""
    rule: str | None = None
    reason: str = ""
    asked: bool = False
    decision: str | None = None
    by: str | None = None
    sandbox: str = ""
    status: str = ""
    exit_code: int | None = None
    signal: int | None = None
    duration_ms: int = 0
    files_changed: tuple[str, ...] = ()


class AuditRows(msgspec.Struct, frozen=True, kw_only=True):
    """The audit of a session: its calls, what the watch over protected paths said, lines that could not be read."""

    calls: tuple[CallRow, ...] = ()
    remarks: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


class FindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the doctor looked at; `ok` is None where it is missing and can be done without."""

    name: str
    ok: bool | None
    detail: str
    fix: str = ""


Asking = Callable[[StandingRow], Awaitable[None]]
Choosing = Callable[["Sequence[Live]"], Awaitable[str | None]]


class Opener(Protocol):
    """Opens sessions and answers what no session knows. What can block runs in a thread of its own."""

    agent: str
    workspace: Path
    user: str
    tour: "Tour | None"  # the demo's guide
    asking: Asking | None  # asks a person about a workspace that would widen, before a session starts there

    def branch(self) -> str | None:
        """The branch of the workspace, read from a file."""

    async def open(self, agent: str | None = None, model: str | None = None) -> Client:
        """The session that the command line asks for, with another AGENT or MODEL where named. NotOpenedError."""

    async def resume(self, session: str) -> Client:
        """An old session, taken up. Raises NotOpenedError."""

    async def sessions(self) -> list[SessionRow]:
        """All sessions, the newest first."""

    async def agents(self) -> list[AgentRow]:
        """The agents that can be started in the workspace."""

    async def models(self) -> list[ModelRow]:
        """The models of the catalogue."""

    async def rename(self, session: str, title: str) -> None:
        """Another title for a session that is not open here. Raises NotOpenedError."""

    async def export(self, session: str, path: Path) -> None:
        """Writes a session as the ending of PATH says: .html, .json, else Markdown. Raises NotOpenedError."""

    async def remove(self, session: str) -> None:
        """Deletes a session. Raises NotOpenedError."""

    async def find(self, prefix: str) -> str:
        """The id of the one session that begins so. Raises NotOpenedError."""

    async def turns(self, session: str) -> list[TurnRow]:
        """The prompts of a session, oldest first. Raises NotOpenedError."""

    async def fork(self, session: str, seq: int) -> str:
        """A new session with SESSION's talk up to before the prompt SEQ (0: all of it). Raises NotOpenedError."""

    async def happened(self, session: str, after: float, until: float | None = None) -> tuple[str, ...]:
        """In phrases, what happened in SESSION after Unix time AFTER, up to UNTIL. Raises NotOpenedError."""

    async def runs(self, query: AnyQuery) -> AnyPage:
        """The page of a query for runs (`ListRuns`, `SeriesPage`, `RunLogPage`, `RunChangesPage`), session or not."""

    async def change_runs(self, command: StopRuns | AnnotateRun) -> str:
        """Does what COMMAND asks with runs of the workspace, session or not; empty, or why not."""

    async def runs_since(self, after: float) -> tuple[str, ...]:
        """In phrases, which runs of the workspace ended after Unix time AFTER and what came of them."""

    async def neighbours(self, session: str) -> list[NeighbourRow]:
        """The other sessions that are live in the workspace beside SESSION, as of now."""

    async def standing(self, workspace: str) -> StandingRow:
        """How WORKSPACE stands with the user. Raises NotOpenedError."""

    async def trust(self, workspace: str, digest: str) -> None:
        """Trusts WORKSPACE as it was shown. Raises NotOpenedError, also where it has changed since."""

    async def trust_later(self, workspace: str, digest: str) -> None:
        """Has nobody asked about this content of WORKSPACE for a day. Raises NotOpenedError."""

    async def trust_no_longer(self, workspace: str) -> None:
        """Forgets that WORKSPACE is trusted. Raises NotOpenedError."""

    async def audit(self, session: str) -> AuditRows:
        """Each call of SESSION: its verdict, who approved it, how it was confined, what it changed. NotOpenedError."""

    def findings(self) -> AsyncIterator[FindingRow]:
        """What the doctor finds, each as soon as it was looked at."""


class OpeningClient:
    """Stands for a session that is still being opened: what is sent waits for it, so that nothing typed is lost."""

    session = ""
    outlives = False

    def __init__(self, state: SessionState) -> None:
        self.state = state
        self._told = asyncio.Event()
        self._client: Client | None = None
        self._error = NotOpenedError("error_during_execution", "")

    def opened(self, client: Client) -> None:
        """The session is there: what was sent goes to it."""
        self._client = client
        self._told.set()

    def failed(self, error: NotOpenedError) -> None:
        """There will be none: what was sent is refused, in these words."""
        self._error = error
        self._told.set()

    async def _there(self) -> Client:
        await self._told.wait()
        if self._client is None:
            raise self._error
        return self._client

    async def send(self, command: AnyCommand) -> Ack:
        """Passes COMMAND on as soon as there is a session."""
        try:
            client = await self._there()
        except NotOpenedError as error:
            return Ack(id=command.id, ok=False, error=f"there is no session: {error.message}")
        return await client.send(command)

    async def events(self) -> AsyncIterator[Envelope]:
        """None: whoever opens the session reads its own."""
        nothing: tuple[Envelope, ...] = ()
        for envelope in nothing:
            yield envelope

    async def query(self, query: AnyQuery) -> AnyPage:
        """Passes QUERY on as soon as there is a session. Raises NotOpenedError."""
        return await (await self._there()).query(query)

    async def close(self) -> None:
        """Lets go of what waits."""
        self.failed(NotOpenedError("error_during_execution", "the workbench was closed"))


async def let_go(client: Client, user: str) -> list[str]:
    """Closes CLIENT; a session that does not outlive it ends its work so that it can be taken up again.

    What failed; bounded in time. Whatever fails, the session ends with its process, and its journal is whole.
    """

    def stop() -> Awaitable[object]:
        return client.send(Stop(id="stop", reason="signal", by=user))

    problems = []
    endings: tuple[Callable[[], Awaitable[object]], ...] = (client.close,) if client.outlives else (stop, client.close)
    for ending in endings:
        try:
            await asyncio.wait_for(ending(), 0.1 if isinstance(client, OpeningClient) else _GOING_S)
        except Exception as error:
            problems.append(repr(error))
    return problems
