"""The workbench for tests: a client and an opener without a session behind them, and plain stand-ins for the views."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from support.sample_events import started
from workbench.protocol import events as e
from workbench.protocol.commands import Ack
from workbench.protocol.fold import apply
from workbench.protocol.queries import Brief, BriefSince
from workbench.protocol.state import SessionState
from workbench.tui.opening import AgentRow, ModelRow, NeighbourRow, NotOpenedError, SessionRow, TurnRow
from workbench.tui.view import Pane, View

SESSION = "s-aaaaaaaa"


class FakeClient:
    """A client whose events the test gives, one `give` at a time; what it is sent is kept in `sent`."""

    outlives = False

    def __init__(self, session: str = SESSION) -> None:
        self.session, self.state = session, SessionState()
        self.sent: list[Any] = []
        self.closed = False
        self.answers: dict[type, Ack] = {}
        self.brief: Any = None
        self._seq = 0
        self._queue: asyncio.Queue[e.Envelope | None] = asyncio.Queue()

    def give(self, *events: Any) -> None:
        """EVENTS happen."""
        for event in events:
            seq = 0
            if not isinstance(event, e.Ephemeral):
                self._seq += 1
                seq = self._seq
            self._queue.put_nowait(e.Envelope(seq=seq, session=self.session, at=1e9 + self._seq, event=event))

    def end(self) -> None:
        """The host lets go of the client."""
        self._queue.put_nowait(None)

    async def events(self) -> AsyncIterator[e.Envelope]:
        while (envelope := await self._queue.get()) is not None:
            apply(self.state, envelope)
            yield envelope

    async def send(self, command: Any) -> Ack:
        self.sent.append(command)
        return self.answers.get(type(command), Ack(id=command.id, ok=True))

    async def query(self, query: Any) -> Any:
        """Only runs are known, and what its opener tells of the session."""
        if isinstance(query, BriefSince):
            return await self.brief(self.session, query.after, query.until)
        from workbench.session.run_pages import RunPages

        return await RunPages(Path(self.state.workspace)).answer(query)

    async def close(self) -> None:
        self.closed = True
        self.end()


class FakeOpener:
    """Opens `client`, or fails with `error`; with a gate it waits until the test opens that."""

    def __init__(self, workspace: Path, error: NotOpenedError | None = None) -> None:
        self.agent, self.workspace, self.user = "ml-engineer", workspace, "ana"
        self.error, self.gate = error, asyncio.Event()
        self.gate.set()
        self.clients: list[FakeClient] = []
        self.asked: list[Any] = []
        self.rows: list[SessionRow] = []
        self.done: list[tuple[str, ...]] = []
        self.phrases: dict[str, tuple[str, ...]] = {}  # session -> what happened in it
        self.beside: list[NeighbourRow] = []
        self.settled = False  # a session is open, and it is judged from where on it is told: a fake's began in 2001
        self.prompts: dict[str, list[TurnRow]] = {}
        self.told = Brief(heading="nothing happened")
        self.tour = None

    @property
    def client(self) -> FakeClient:
        """The client that was opened last."""
        return self.clients[-1]

    def branch(self) -> str | None:
        return "main"

    async def open(self, agent: str | None = None, model: str | None = None) -> FakeClient:
        self.asked.append(("open", agent, model))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        client = FakeClient(f"s-{len(self.clients):08}")
        client.brief = self.brief
        client.give(started(agent=agent or self.agent, workspace=str(self.workspace), branch="main"))
        self.clients.append(client)
        return client

    async def resume(self, session: str) -> FakeClient:
        self.asked.append(("resume", session))
        client = FakeClient(session)
        client.brief = self.brief
        client.give(started(workspace=str(self.workspace), title="resumed"))
        self.clients.append(client)
        return client

    async def sessions(self) -> list[SessionRow]:
        return self.rows

    async def agents(self) -> list[AgentRow]:
        return [AgentRow(name="ml-engineer", description="trains"), AgentRow(name="devops", description="deploys")]

    async def models(self) -> list[ModelRow]:
        return [
            ModelRow(id="claude-sonnet-5-5", aliases=("sonnet",), window=200_000, input=2.0, output=10.0),
            ModelRow(id="local-7b"),
        ]

    async def rename(self, session: str, title: str) -> None:
        self.done.append(("rename", session, title))

    async def export(self, session: str, path: Path) -> None:
        self.done.append(("export", session, str(path)))

    async def remove(self, session: str) -> None:
        if session.endswith("x"):
            raise NotOpenedError("error_usage", f"{session} cannot be removed: the disk is read-only")
        self.done.append(("remove", session))

    async def find(self, prefix: str) -> str:
        for row in self.rows:
            if row.id.startswith(prefix):
                return row.id
        raise NotOpenedError("error_usage", f"there is no session {prefix!r}")

    async def turns(self, session: str) -> list[TurnRow]:
        return self.prompts.get(session, [])

    async def fork(self, session: str, seq: int) -> str:
        self.done.append(("fork", session, str(seq)))
        return "s-forked00"

    async def happened(self, session: str, after: float, until: float | None = None) -> tuple[str, ...]:
        self.asked.append(("happened", session, after))
        return self.phrases.get(session, ())

    async def brief(self, session: str, after: float, until: float | None = None) -> Brief:
        self.asked.append(("brief", session, after))
        return msgspec.structs.replace(self.told, phrases=self.phrases.get(session, ()))

    async def runs(self, query: Any) -> Any:
        from workbench.session.run_pages import RunPages

        return await RunPages(self.workspace).answer(query)

    async def runs_since(self, after: float) -> tuple[str, ...]:
        from workbench.session.run_pages import RunPages

        return await RunPages(self.workspace).since(after)

    async def neighbours(self, session: str) -> list[NeighbourRow]:
        self.settled = True
        return self.beside


class Seen(View):
    """Keeps what it was shown."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.batches: list[list[Any]] = []
        self.did: list[str] = []
        self.states: list[SessionState] = []

    def show_session(self, state: SessionState, news: Any) -> None:
        self.states.append(state)
        self.batches.append([envelope.event for envelope in news])

    def do(self, action: str) -> None:
        self.did.append(action)

    @property
    def news(self) -> list[Any]:
        """All events it was shown."""
        return [event for batch in self.batches for event in batch]


class PlainTalk(Seen, Static, can_focus=True):
    """Stands for the talk."""


class PlainPrompt(Seen, Widget):
    """Stands for the prompt: one line to type on."""

    DEFAULT_CSS = "PlainPrompt { height: 1; } PlainPrompt Input { border: none; height: 1; padding: 0; }"

    def compose(self) -> ComposeResult:
        field = Input(placeholder="ask")
        field.cursor_blink = False
        yield field

    def put(self, text: str) -> None:
        self.query_one(Input).value = text


class PlainDiff(Seen, Pane, Static, can_focus=True):
    """Filled as soon as a file was changed."""

    pane_id: ClassVar[str] = "diff"
    title: ClassVar[str] = "diff"
    empty: ClassVar[str] = "what the agent changes"

    def filled(self, state: SessionState) -> bool:
        return bool(state.files)

    def strip(self, state: SessionState) -> Content:
        return Content(f"{len(state.files)} files" if state.files else self.empty)


class PlainRuns(Seen, Pane, Static, can_focus=True):
    """Never filled."""

    pane_id: ClassVar[str] = "runs"
    title: ClassVar[str] = "runs"
    empty: ClassVar[str] = "no runs yet: mlwb exp run -- python train.py"


class PlainGpu(Seen, Pane, Static):
    """Nothing in it takes the focus."""

    pane_id: ClassVar[str] = "gpu"
    title: ClassVar[str] = "gpu"
    empty: ClassVar[str] = "no NVIDIA driver"


class PlainTodo(Seen, Pane, Static, can_focus=True):
    """Filled with the to-do list."""

    pane_id: ClassVar[str] = "todo"
    title: ClassVar[str] = "to-do"
    empty: ClassVar[str] = "the agent's plan"

    def filled(self, state: SessionState) -> bool:
        return bool(state.todos)


PLAIN: dict[str, type[Widget]] = {
    "talk": PlainTalk, "prompt": PlainPrompt, "diff": PlainDiff, "runs": PlainRuns, "gpu": PlainGpu, "todo": PlainTodo,
}  # fmt: skip


async def until(pilot: Any, true: Callable[[], Any], most: float = 30.0) -> None:
    """Lets the app go on until TRUE holds; fails after MOST seconds."""
    end = asyncio.get_running_loop().time() + most
    while not true():
        assert asyncio.get_running_loop().time() < end, "this never became true"
        await pilot.pause(0.01)


async def bounded(work: Awaitable[None], most: float = 100.0) -> None:
    """WORK, which fails rather than waits for ever."""
    await asyncio.wait_for(work, most)


def is_open(app: Any, opener: FakeOpener) -> bool:
    """Whether a session is open in APP, and all that follows from OPENER's opening it."""
    return bool(app.state.session) and opener.settled


def playing(
    play: Callable[[Any, FakeOpener], Awaitable[None]],
    workspace: Path,
    size: tuple[int, int] = (120, 40),
    parts: dict[str, Any] | None = None,
    **opener: Any,
) -> None:
    """Runs PLAY(pilot, opener) in a workbench of SIZE whose session is open."""
    from workbench.tui.app import WorkbenchApp

    async def run() -> None:
        fake = FakeOpener(workspace, **opener)
        app = WorkbenchApp(fake, parts or PLAIN)
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(
                pilot, lambda: app.panes and (is_open(app, fake) or app.facts.monitor or not fake.gate.is_set())
            )
            await play(pilot, fake)

    asyncio.run(bounded(run()))
