"""`mlwb` without a verb: the workbench on a session in this folder. What opens the session is imported when it does."""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from workbench import entry
from workbench.verbs import workbench_work as work
from workbench.verbs.options import fail
from workbench.verbs.workbench_flags import HELP, LAST, Asked, UsageError, read
from workbench.verbs.workbench_safety import Safety, workspace_of

if TYPE_CHECKING:
    from workbench.host.client import Client
    from workbench.host.spawn import Spawned
    from workbench.protocol.commands import AnnotateRun, StopRuns
    from workbench.protocol.queries import AnyPage, AnyQuery
    from workbench.protocol.wire import Live
    from workbench.session.neighbours import Neighbour, Neighbourhood
    from workbench.session.run_pages import RunPages
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.opening import (
        AgentRow,
        Asking,
        ModelRow,
        NeighbourRow,
        SessionRow,
        StandingRow,
        TurnRow,
    )
    from workbench.tui.tour import Tour
    from workbench.verbs.attach_far import FarOpening

T = TypeVar("T")
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL")
_AGENT = "ml-engineer"
_ENDING_S, _AGAIN_S = 10.0, 0.1  # what a session that ends is waited for, and between two looks


def main(args: list[str]) -> int:
    """Opens the workbench; returns the exit status."""
    if any(arg in ("--help", "-h") for arg in args):
        print(HELP, end="")
        return 0
    try:
        asked = read(args)
        workspace = _here()
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError("the workbench needs a terminal; `mlwb run TASK.md` works without one")
        if why := entry.no_home():
            raise UsageError(why)
    except UsageError as error:
        return fail(error)
    return show(Opening(asked, workspace, os.environ), asked.theme)


def show(opener: "Opening | FarOpening", theme: str | None = None) -> int:
    """The workbench, until it is left; then one line says how to come back."""
    from workbench.tui import frames, garbage

    garbage.manage()
    frames.often()
    from workbench.tui.app import WorkbenchApp

    app = WorkbenchApp(opener, theme=theme)
    opener.asking = lambda row: _ask_trust(app, row)
    if hasattr(opener, "choosing"):
        opener.choosing = lambda sessions: _choose(app, sessions)
    if far := getattr(opener, "far", ""):
        from workbench.host.telemetry import Elsewhere

        app.telemetry = Elsewhere(far)
    status = app.run()
    from workbench.tui import parting

    if words := parting.farewell(app):
        print(words, file=sys.stderr)
    return app.return_code or status or 0


async def _ask_trust(app: "WorkbenchApp", row: "StandingRow") -> None:
    from workbench.tui.screens import trust

    await trust.ask(app, row)


async def _choose(app: "WorkbenchApp", sessions: "Sequence[Live]") -> str | None:
    from workbench.tui import connection

    return await connection.choose(app, sessions)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise UsageError("the current folder is gone; change to the folder of the workspace") from None


class Opening(Safety):
    """Opens sessions, each in a process of its own, and answers what the workbench asks around them.

    OPTIONS are more fields of the sessions' options (a replay), GIVEN of a new one's task. TOUR leads through it.
    """

    def __init__(
        self,
        asked: Asked,
        workspace: Path,
        env: Mapping[str, str],
        options: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None,
        tour: "Tour | None" = None,
    ) -> None:
        from workbench.session.identity import user_name

        self._asked, self._env, self._options, self._given = asked, env, dict(options or {}), dict(given or {})
        self.tour = tour
        self.asking: Asking | None = None
        self.recorded = "replay" in self._options
        self.agent = asked.agent or ("" if asked.resume else _AGENT)
        self.workspace, self.user = workspace, user_name()
        self._around: tuple[str, Neighbourhood] | None = None
        self._looking, self._beginning = threading.Lock(), threading.Lock()
        self._host: Spawned | None = None  # waits to be told what to host
        self._runs: RunPages | None = None

    def branch(self) -> str | None:
        """The branch of the workspace."""
        from workbench.session.head import git_head

        return git_head(self.workspace)[0]

    # --- sessions ------------------------------------------------------------------------------------------

    async def open(self, agent: str | None = None, model: str | None = None) -> "Client":
        """The session that the command line asks for."""
        if (resumed := self._asked.resume) and agent is None and model is None:
            return await self.resume(await self._last() if resumed == LAST else resumed)
        self._need_key()
        await _in_thread(self.prepare)
        await self.settle(self.workspace)
        from workbench.protocol.task import Task

        asked = self._asked
        task = Task(
            prompt="",
            workspace=str(self.workspace),
            add_dirs=asked.add_dirs,
            agent=agent or self.agent or _AGENT,
            model=model or asked.model,
            permission_mode=asked.mode,
            interactive=True,
            **self._given,
        )
        client = await self._begun(task=task)
        self.agent = task.agent
        return client

    def prepare(self) -> None:
        """Begins the process that will host a session: it imports what it needs while others do something else."""
        with self._beginning:
            if self._host is None and not self.recorded and self._has_key():
                from workbench.host.spawn import Spawned

                self._host = Spawned(self.workspace, self._env)

    async def _last(self) -> str:
        """The session of this folder that was at work last, and at which nobody is: live or not."""
        from workbench.host import sockets
        from workbench.tui.opening import NotOpenedError

        here, clients = os.path.realpath(self.workspace), await _in_thread(sockets.clients)
        free = [row for row in await self.sessions() if row.turns and not clients.get(row.id)]
        free = [row for row in free if row.state != "live" or row.attended]
        rows = [row for row in free if os.path.realpath(row.workspace) == here]
        if not rows:
            raise NotOpenedError(
                "error_usage", f"No session of {self.workspace} can be gone on with; `mlwb` begins one."
            )
        return max(rows, key=lambda row: row.updated).id

    async def resume(self, session: str) -> "Client":
        """An old session, taken up; one that is live is joined."""
        if (client := await self._joined(session)) is not None:
            return client
        self._need_key()
        await _in_thread(self.prepare)
        if (workspace := await _in_thread(lambda: workspace_of(session))) is not None:
            await self.settle(workspace)
        from workbench.tui.opening import NotOpenedError

        try:
            return await self._begun(resume=session, mode=self._asked.mode)
        except NotOpenedError:
            if (client := await self._joined(session)) is None:
                raise
            return client  # somebody else was quicker

    async def _joined(self, session: str) -> "Client | None":
        """A client of SESSION, where a process hosts it already. Raises NotOpenedError."""
        import asyncio

        from workbench.host import remote
        from workbench.session.whereabouts import elsewhere
        from workbench.tui.opening import NotOpenedError

        folder = await self.tried(lambda: work.folder(session))
        until = time.monotonic() + _ENDING_S
        while await _in_thread(lambda: work.is_live(folder)):
            if there := await _in_thread(lambda: elsewhere(folder)):
                words = f"{folder.name} lives on {there}: `mlwb attach ssh://{there}/{folder.name}`"
                raise NotOpenedError("error_usage", words)
            try:
                return await remote.attach(folder)
            except remote.NotAttachedError as error:
                if error.code != "gone" or time.monotonic() > until:
                    words = f"{folder.name} is at work, and cannot be joined: {error}"
                    raise NotOpenedError("error_usage", words) from None
            await asyncio.sleep(_AGAIN_S)  # its host may just be leaving
        return None

    async def _begun(self, **asked: Any) -> "Client":
        """A session in a process of its own, as ASKED; a recorded one in this process, with which it ends."""
        from workbench.tui.opening import NotOpenedError

        bypass = self._asked.mode == "bypassPermissions"
        if self.recorded:
            return await self._recorded(bypass, **asked)
        from workbench.host.asked import Asked as Wanted
        from workbench.host.spawn import NotBegunError

        await _in_thread(self.prepare)
        host, self._host = self._host, None
        assert host is not None  # who has a key has a host
        try:
            return await host.begin(Wanted(allow_bypass=bypass, **asked))
        except NotBegunError as error:
            raise NotOpenedError(error.subtype, error.message) from None

    async def _recorded(self, bypass: bool, task: Any = None, resume: str = "", mode: Any = None) -> "Client":
        from workbench.protocol.task import Caps
        from workbench.tui.opening import NotOpenedError

        local, threaded = await _in_thread(work.hosts)
        options = local.Options(env=dict(self._env), allow_bypass=bypass, **self._options)
        try:
            if task is not None:
                client: Client = await threaded.start(task, options)
            else:
                client = await threaded.resume(resume, Caps(), None, options, mode)
            return client
        except local.StartError as error:
            raise NotOpenedError(error.subtype, error.message) from None

    def _has_key(self) -> bool:
        return self.recorded or any(self._env.get(name, "").strip() for name in KEYS)

    def _need_key(self) -> None:
        from workbench.tui.opening import NotOpenedError

        if not self._has_key():
            raise NotOpenedError("error_authentication", "The agent needs a model, and no key for one is set.")

    # --- lists ---------------------------------------------------------------------------------------------

    async def sessions(self) -> "list[SessionRow]":
        """All sessions, the newest first."""
        from workbench.tui.opening import SessionRow

        found = await _in_thread(lambda: work.local().list_sessions())
        return [SessionRow(**{name: getattr(one, name) for name in SessionRow.__struct_fields__}) for one in found]

    async def agents(self) -> "list[AgentRow]":
        """The agents that can be started here."""
        from workbench.tui.opening import AgentRow

        found = await _in_thread(lambda: work.local().list_agents(self.workspace))
        return [AgentRow(name=one.name, description=one.description, source=one.source) for one in found]

    async def models(self) -> "list[ModelRow]":
        """The models of the catalogue."""
        from workbench.tui.opening import ModelRow

        found = await _in_thread(lambda: work.local().list_models())
        return [ModelRow(**{name: getattr(one, name) for name in ModelRow.__struct_fields__}) for one in found]

    # --- one session ---------------------------------------------------------------------------------------

    async def rename(self, session: str, title: str) -> None:
        """Another title for a session that is not open."""
        await self.tried(lambda: work.renamed(session, title))

    async def export(self, session: str, path: Path) -> None:
        """Writes a session as the ending of PATH says: .html, .json, else Markdown."""
        await self.tried(lambda: work.exported(session, path))

    async def remove(self, session: str) -> None:
        """Deletes a session."""
        await self.tried(lambda: work.removed(session))

    async def find(self, prefix: str) -> str:
        """The id of the one session that begins so."""
        return await self.tried(lambda: work.folder(prefix).name)

    async def turns(self, session: str) -> "list[TurnRow]":
        """The prompts of a session."""
        from workbench.tui.opening import TurnRow

        found = await self.tried(lambda: work.prompts(session))
        return [TurnRow(seq=one.seq, turn=one.turn, at=one.at, text=one.text) for one in found]

    async def fork(self, session: str, seq: int) -> str:
        """A new session with the talk of SESSION up to before the prompt SEQ."""
        return await self.tried(lambda: work.forked(session, seq))

    async def happened(self, session: str, after: float, until: float | None = None) -> tuple[str, ...]:
        """What happened in SESSION after Unix time AFTER."""
        return await self.tried(lambda: work.happened(session, after, until))

    async def runs(self, query: "AnyQuery") -> "AnyPage":
        """The page of a query for runs, session or not."""
        return await self._run_pages().answer(query)

    async def change_runs(self, command: "StopRuns | AnnotateRun") -> str:
        """Does what COMMAND asks with runs of the workspace."""
        from workbench.session.run_acts import carried_out

        return await carried_out(self.workspace, command)

    async def runs_since(self, after: float) -> tuple[str, ...]:
        """Which runs ended after Unix time AFTER and what came of them."""
        return await self._run_pages().since(after)

    def _run_pages(self) -> "RunPages":
        from workbench.session.run_pages import RunPages

        if self._runs is None:
            self._runs = RunPages(self.workspace)
        return self._runs

    async def neighbours(self, session: str) -> "list[NeighbourRow]":
        """Who else is live in this workspace."""
        from workbench.tui.opening import NeighbourRow

        found = await _in_thread(lambda: self._look(session))
        return [NeighbourRow(**{name: getattr(one, name) for name in NeighbourRow.__struct_fields__}) for one in found]

    def _look(self, session: str) -> "Sequence[Neighbour]":
        from workbench.session.neighbours import Neighbourhood

        with self._looking:
            if self._around is None or self._around[0] != session:
                self._around = session, Neighbourhood(self.workspace, session)
            return self._around[1].look()

    async def tried(self, work: Callable[[], T]) -> T:
        """WORK, beside the screen. Raises NotOpenedError for what it fails of."""
        from workbench.session.end import StartError
        from workbench.session.fork import ForkError
        from workbench.session.journal import JournalError
        from workbench.session.store import StoreError
        from workbench.tui.opening import NotOpenedError

        try:
            return await _in_thread(work)
        except StartError as error:
            raise NotOpenedError(error.subtype, error.message) from None
        except (StoreError, JournalError, ForkError) as error:
            raise NotOpenedError("error_usage", str(error)) from None
        except OSError as error:
            raise NotOpenedError("error_usage", f"{error.filename}: {error.strerror}") from None


async def _in_thread(work: Callable[[], T]) -> T:
    """WORK, which may block or import for long, beside the screen."""
    import asyncio

    return await asyncio.to_thread(work)
