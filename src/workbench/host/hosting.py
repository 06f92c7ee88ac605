"""A session as its host keeps it: it carries out what clients ask, whoever and wherever they are."""

import asyncio

import msgspec

from workbench.host.hub import Drafting, Feed, no_drafts
from workbench.protocol.commands import (
    Ack,
    AnnotateRun,
    AnyCommand,
    Approve,
    Compact,
    Fork,
    Interrupt,
    RaiseGpuHours,
    Rename,
    RevertHunks,
    Rewind,
    RunShell,
    SetMode,
    StageHunks,
    Stop,
    StopRuns,
    SubmitPrompt,
    UndoRewind,
    Withdraw,
)
from workbench.protocol.events import Renamed
from workbench.protocol.queries import AnyPage, AnyQuery, Brief, InForce, RunChanges, RunLog, Runs
from workbench.session import attended, fork, hunk_actions, rewind, run_acts
from workbench.session import start as starting
from workbench.session.approvals import Approvals
from workbench.session.core import Session
from workbench.session.end import StartError
from workbench.session.file_index import FileIndex
from workbench.session.fork import ForkError
from workbench.session.in_force import in_force
from workbench.session.journal import JournalError
from workbench.session.pages import Pages
from workbench.session.plan import Options
from workbench.session.redact import Redactor
from workbench.session.run_pages import RunPages


class Hosting:
    """One session and what its clients have in common: open approvals, pages, commands of a person that run."""

    def __init__(self, session: Session, options: Options) -> None:
        self.session, self._options = session, options
        files, runs = FileIndex(session.context.workspace), RunPages(session.context.workspace)
        self._pages = Pages(session.journal, session.blobs, session.changes, runs, session.snapshots, files)
        self._approvals = Approvals(session) if session.task.interactive else None
        self._shells: set[asyncio.Task[None]] = set()
        if self._approvals is not None:
            session.ask = self._approvals.ask

    def feed(self, after: int, most_missed: int | None = None, drafts: Drafting = no_drafts) -> Feed:
        """A stream of envelopes from behind AFTER on; to be given back to `leave`."""
        feed = Feed(lambda seq: self.session.journal.read(seq), after, most_missed, drafts)
        self.session.listeners.append(feed.push)
        return feed

    def leave(self, feed: Feed) -> None:
        """Nobody reads FEED any more."""
        feed.close()
        if feed.push in self.session.listeners:
            self.session.listeners.remove(feed.push)

    async def carry_out(self, command: AnyCommand) -> Ack:
        """Does what COMMAND asks, or says why not."""
        error = value = ""
        try:
            if isinstance(command, Fork):
                value = await asyncio.to_thread(self._fork, command)
            elif isinstance(command, Withdraw):
                words = self.session.withdraw(command.prompt, command.by)
                value = self.redactor.text(words.text) if words else ""
                error = "" if words else "it is on its way to the agent already"
            else:
                error = await self._carry_out(command)
        except (ForkError, JournalError, StartError, OSError) as failure:
            error = str(failure)
        return Ack(id=command.id, ok=not error, error=error, value=value)

    def _fork(self, command: Fork) -> str:
        """The id of the new session; it is resumed like any other."""
        session = self.session
        if command.agent is None and command.model is None and not command.brief:
            return fork.fork(session.folder, command.seq)
        task = fork.handed_over(session.folder, command.seq, command.agent, command.model, command.brief)
        return starting.laid_down(task, self._options, session.id)

    async def _carry_out(self, command: AnyCommand) -> str:
        """Why COMMAND was refused; empty where it was not."""
        session = self.session
        match command:
            case Stop(reason=reason):
                session.stop(reason)
            case SubmitPrompt():
                return session.submit(command)
            case Interrupt():
                session.interrupt()
                self._end_shells()
            case SetMode(mode=mode, by=by):
                return "" if session.lower_mode(mode, by) else "a running session's mode can only be lowered"
            case Rename(title=title):
                session.emit(Renamed(title=title))
            case Compact():
                session.compact_now = True
            case StopRuns() | AnnotateRun():
                return await run_acts.carried_out(session.context.workspace, command)
            case RaiseGpuHours():
                return run_acts.raise_hours(session, command)
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
                return await rewind.rewind(self.session, command)
            case UndoRewind():
                return await rewind.undo(self.session, command)
            case RevertHunks():
                return await hunk_actions.revert(self.session, command)
            case StageHunks():
                return await hunk_actions.stage(self.session, command)
            case _:
                return f"this session does not take {type(command).__name__}"

    async def query(self, query: AnyQuery) -> AnyPage:
        """A page from the journal, the blobs or the files; or which rules hold. What runs said is told redacted.

        What stands in the journal is already. Diffs are as the files are: whoever takes hunks of them back, as the
        owner may, names them by what is in them; guests are told them redacted.
        """
        if isinstance(query, InForce):
            return await asyncio.to_thread(in_force, self.session)
        page = await self._pages.answer(query)
        if isinstance(page, RunLog):
            return msgspec.structs.replace(page, lines=self.redactor.lines(page.lines))
        return self.redactor.struct(page) if isinstance(page, Runs | RunChanges | Brief) else page

    @property
    def redactor(self) -> Redactor:
        """What takes the secrets out of what clients are told."""
        return self.session.journal.redactor

    @property
    def busy(self) -> bool:
        """Whether something that a person asked for goes on, or is yet to begin."""
        return bool(self._shells) or self.session.unheard

    def _end_shells(self) -> None:
        for shell in self._shells:
            shell.cancel()

    async def close(self) -> None:
        """Ends what a person's commands left running, and lets go of the journal."""
        self._end_shells()
        await asyncio.gather(*self._shells, return_exceptions=True)
        self.session.journal.close()
