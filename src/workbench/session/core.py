"""A session at work: its journal and the folds of it, and what its rooms need. `loop.py` makes it move."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import msgspec

from workbench.models.base import ModelClient, ModelInfo, Retry
from workbench.permissions.types import Need, Verdict
from workbench.protocol import events as e
from workbench.protocol.commands import Approve, SubmitPrompt
from workbench.protocol.fold import apply
from workbench.protocol.names import Mode
from workbench.protocol.result import Usage
from workbench.protocol.state import KEPT_QUEUED, SessionState
from workbench.protocol.task import Caps, Task
from workbench.session.blobs import Blobs
from workbench.session.changes import Changes
from workbench.session.confinement import Confinement
from workbench.session.end import EndSession
from workbench.session.gate import Gate
from workbench.session.head import git_head
from workbench.session.journal import Journal, JournalError
from workbench.session.messages import Messages
from workbench.session.prompt import Frame, reminder
from workbench.session.queue import Queue
from workbench.session.redact_stream import ANSWER, Deltas
from workbench.session.rewind_talk import refolded
from workbench.session.runs_watch import RunsWatch
from workbench.session.snapshots import Snapshots
from workbench.session.snapshots_guard import Guard
from workbench.session.tally import Tally
from workbench.session.watch import Watch
from workbench.tools.base import Context

# Asks a person about a call: (call, tool, decoded input, needs, verdict, how it would run, whether it failed
# confined) -> the answer.
Asker = Callable[[dict[str, Any], str, Any, tuple[Need, ...], Verdict, str, bool], Awaitable[Approve]]
# Larger things lie in blobs, so that a journal line stays short and a client's queue small.
LINE_LIMIT = 32_768
# What comes behind the last delta of an answer; a request, too, where the answer before it was stopped without a word.
ENDS_ANSWER = (e.AnswerCompleted, e.AnswerDiscarded, e.RequestRetried, e.RequestStarted)
BROKE_OFF = "it broke off"  # the reason of an answer of which the last attempt failed
LEFT_OUT_OF_PROMPT = (
    "What you wrote held a key or another secret. It was replaced before it was kept or sent, so the model does not "
    "have it. Put it into a variable of your environment, and name that in the setting shell.env."
)


class Session:
    """The one writer of a session's journal. All of it runs in one event loop."""

    def __init__(
        self,
        *,
        journal: Journal,
        blobs: Blobs,
        task: Task,
        frame: Frame,
        model: ModelClient,
        info: ModelInfo,
        gate: Gate,
        context: Context,
        changes: Changes,
        grants: dict[str, tuple[str, ...]],
        confinement: Confinement,
        clock: Callable[[], float],
    ) -> None:
        self.confinement = confinement
        self.id = journal.session
        self.folder: Path = journal.folder
        self.journal, self.blobs, self.task, self.frame = journal, blobs, task, frame
        self.model, self.info, self.gate, self.context = model, info, gate, context
        self.changes, self.grants, self.clock = changes, grants, clock
        self.state = SessionState()
        self.messages = Messages(lambda blob: blobs.get(blob))
        self.tally = Tally()
        self.system = msgspec.json.encode(frame.system)
        self.tools = msgspec.json.encode(frame.tools)
        self.caps: Caps = task.caps
        self.listeners: list[Callable[[e.Envelope], None]] = []
        self.broken: JournalError | None = None  # the journal cannot be written any more
        self.stopping: str | None = None
        self.verified = False  # checks ran after the last answer, and all passed
        self.structured: Any = None
        self.compact_now = False
        self.resumed = False  # taken up from a journal, and nothing was done yet
        self.broken_calls: dict[str, str] = {}  # begun by an earlier process that did not see their end: id -> command
        self.began_after = 0  # seq of the last event before this start or resume
        self._worker: asyncio.Task[None] | None = None
        self.acting: asyncio.Task[EndSession | None] | None = None
        self.ask: Asker | None = None  # a person to ask; None where there is nobody
        self.steady = asyncio.Lock()  # held while the agent acts: a rewind waits for it
        self.snapshots: Snapshots | None = None
        self.guard = Guard(self)
        self.watch = Watch(context.roots, journal.folder / "aside")
        self.runs = RunsWatch(self.id, context.workspace)
        self.wakes = True  # whether a run's end or alert begins a turn while a person is waited for
        self.unwatched = False  # a command ran, or runs, after which nobody looked yet
        self._deltas = Deltas(journal.redactor)
        self.queue = Queue(self.emit)

    # --- events ---

    def fold(self, envelope: e.Envelope) -> None:
        """Takes a journalled envelope into every fold. Used for each new event and for all of them on a resume."""
        apply(self.state, envelope)
        if isinstance(envelope.event, e.SessionStarted):
            self.watch.also(envelope.event.agent_path)
        if isinstance(envelope.event, e.Rewound):
            self.messages, self.tally = refolded(self.journal, envelope.seq, self.blobs, self.tally)
            return
        self.messages.apply(envelope)
        self.tally.apply(envelope)

    def emit(self, event: e.JournalEvent, *, sync: bool = False) -> None:
        """Journals EVENT, folds it, tells the clients. With SYNC it is on the disk when this returns."""
        envelope = self.journal.append(event, sync=sync)
        self.fold(envelope)
        if isinstance(event, e.RunLinked):
            self.runs.linked.set()
        if isinstance(event, ENDS_ANSWER):
            self._tell_deltas(self._deltas.flush(ANSWER))
        elif isinstance(event, e.CallFinished):
            self.printed(event.call_id)
        self._tell(envelope)
        if isinstance(event, e.PromptSubmitted) and envelope.event is not event:
            self.notice("warning", LEFT_OUT_OF_PROMPT, "redaction")

    def show(self, event: e.EphemeralEvent) -> None:
        """Sends an event that is not journalled."""
        if self.listeners:
            self._tell_deltas((event,) if isinstance(event, e.Tick | e.Presence) else self._deltas.take(event))

    def printed(self, call_id: str) -> None:
        """The command of CALL_ID prints no more: what was held back of it is told."""
        self._tell_deltas(self._deltas.flush(call_id))

    def _tell_deltas(self, events: Iterable[e.EphemeralEvent]) -> None:
        for event in events:
            self._tell(e.Envelope(seq=0, session=self.id, at=self.clock(), event=event))

    def _tell(self, envelope: e.Envelope) -> None:
        for listener in self.listeners:
            listener(envelope)

    def tell_unwritten(self, event: e.SessionEnded) -> None:
        """Tells the clients an end that could not be journalled, so that none of them waits for ever."""
        told = self.journal.redactor.struct(event)
        self._tell(e.Envelope(seq=self.state.seq + 1, session=self.id, at=self.clock(), event=told))

    def tell_retry(self, turn: int, retry: Retry) -> None:
        """Journals that a request failed and is made again; what it had used counts."""
        self.emit(
            e.RequestRetried(
                turn=turn,
                attempt=retry.attempt,
                delay_s=retry.delay_s,
                reason=retry.reason,
                usage=retry.usage,
                cost_usd=None if retry.usage is None else self.info.cost(retry.usage),
            )
        )

    def tell_discarded(self, turn: int, used: Usage | None, reason: str = "", text: str = "") -> None:
        """Journals that an answer came to nothing, if anything of it had come: TEXT, and what it had USED, counts."""
        if text or used is not None:
            cost = None if used is None else self.info.cost(used)
            words = self.journal.redactor.text(text)[:LINE_LIMIT]  # in this order: half of a secret is not known as one
            self.emit(e.AnswerDiscarded(turn=turn, reason=reason, text=words, usage=used, cost_usd=cost))

    def notice(self, level: str, text: str, about: str = "") -> None:
        """Journals words for the person."""
        self.emit(e.Notice(level=level, text=text, about=about))

    # --- steering ---

    def start(self, work: Callable[["Session"], Coroutine[Any, Any, None]]) -> None:
        """Begins WORK in the running event loop."""
        self._worker = asyncio.create_task(work(self))

    def stop(self, reason: str) -> None:
        """Ends the work now: stream, call and everything it started. A later reason replaces an earlier one."""
        self.stopping = reason
        if self._worker is not None and not self._worker.done():
            # Not at once: work that is cancelled before it has begun would end without a word.
            asyncio.get_running_loop().call_soon(self._worker.cancel)

    def interrupt(self) -> None:
        """Ends what the agent does now. The session stays; a headless run, which nobody would tell to go on, ends."""
        if self.acting is not None:
            self.acting.cancel()
        elif not self.task.interactive:
            self.stop("interrupt")

    def submit(self, command: SubmitPrompt) -> str:
        """Queues words for the model; they go with the next request, with what holds at that moment. Says why not.

        Raises JournalError where they cannot be kept.
        """
        if self.stopping or self.state.phase == "ended":
            return "the session has ended"
        if len(self.state.queued) >= KEPT_QUEUED:
            return f"{KEPT_QUEUED} prompts wait for the agent already"
        self.queue.put(command)
        return ""

    def withdraw(self, prompt: str, by: str) -> SubmitPrompt | None:
        """Takes back queued words, named as in `Withdraw`; None where they are on their way already."""
        return self.queue.withdraw(prompt, by)

    @property
    def unheard(self) -> bool:
        """Whether something was said that the model has not heard."""
        return bool(self.queue)

    async def prompted(self) -> None:
        """Until something was said that the model has not heard."""
        await self.queue.some()

    def take_waiting(self) -> bool:
        """Journals queued prompts; tells whether there were any."""
        waiting = self.queue.take()
        for name, words in waiting:
            first = words is waiting[0][1]
            self.emit(
                e.PromptSubmitted(
                    text=words.text,
                    origin="person",
                    by=words.by,
                    content=words.content,
                    reminder=self._now() if first else "",
                    queued=name,
                )
            )
        if waiting:
            self.guard.prompted(self.tally.answers + 1)
        return bool(waiting)

    def _now(self) -> str:
        branch, commit = git_head(self.context.workspace)
        return reminder(self.clock(), branch, commit, self.context.cwd, self.confinement.words())

    def lower_mode(self, mode: Mode, by: str) -> bool:
        """Lowers the mode; False where MODE is not narrower."""
        before = self.gate.policy.mode
        if self.gate.lower_mode(mode) == before:
            return mode == before
        self.emit(e.ModeChanged(mode=self.gate.policy.mode, by=by), sync=True)
        return True
