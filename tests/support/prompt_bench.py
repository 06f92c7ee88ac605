"""A prompt alone on a screen, before a client that notes what it is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from textual.app import App, ComposeResult
from textual.events import Key, Paste
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widgets import Static

from workbench.protocol.commands import Ack, AnyCommand, SubmitPrompt, Withdraw
from workbench.protocol.events import AnyEvent, Envelope, PromptQueued, PromptWithdrawn
from workbench.protocol.fold import apply
from workbench.protocol.queries import AnyPage, AnyQuery, FindFiles, Paths
from workbench.protocol.state import SessionState
from workbench.tui.themes import DARK, Looks, defaults
from workbench.tui.widgets.prompt import Prompt


class NotingClient:
    """Takes every command, unless `refuse` says why not; finds `files` by part of their path."""

    session = "s-1"

    def __init__(self, files: Sequence[str] = ()) -> None:
        self.state = SessionState()
        self.files = files
        self.sent: list[Any] = []
        self.asked: list[str] = []
        self.refuse, self.words = "", ""
        self.heard: Callable[[AnyEvent], None] = lambda event: None
        self.answering = asyncio.Event()
        self.answering.set()

    async def send(self, command: AnyCommand) -> Ack:
        self.sent.append(command)
        await self.answering.wait()
        if isinstance(command, SubmitPrompt) and not self.refuse:
            name = f"q-{len(self.sent)}"
            self.heard(PromptQueued(queued=name, command=command.id, text=command.text, by=command.by))
        elif isinstance(command, Withdraw) and not self.refuse:
            self.heard(PromptWithdrawn(queued=command.prompt, by=command.by))
        value = self.words if isinstance(command, Withdraw) else ""
        return Ack(id=command.id, ok=not self.refuse, error=self.refuse, value=value)

    async def query(self, query: AnyQuery) -> AnyPage:
        assert isinstance(query, FindFiles)
        self.asked.append(query.pattern)
        await self.answering.wait()
        found = [path for path in self.files if query.pattern.lower() in path.lower()]
        return Paths(paths=tuple(found[: query.n]), total=len(found))

    async def events(self) -> AsyncIterator[Envelope]:
        for envelope in ():
            yield envelope

    async def close(self) -> None:
        pass


class Bench(App[None]):
    """The prompt under an empty talk. `happens` folds events and shows them."""

    def __init__(self, client: NotingClient | None = None, theme: str = DARK) -> None:
        super().__init__()
        self.client = client
        if client is not None:
            client.heard = self.happens
        self.state = SessionState(workspace="/srv/nanogpt", session="s-1")
        self.prompt = Prompt()
        self.at = 1.0
        self.done: list[tuple[str, str]] = []
        self.escapes = 0
        Looks(env={"COLORTERM": "truecolor"}).wear(self, theme)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return defaults()

    def compose(self) -> ComposeResult:
        talk = Static("talk", id="talk")
        talk.styles.height = "1fr"
        talk.can_focus = True
        yield talk
        yield self.prompt

    def on_mount(self) -> None:
        self.prompt.focus()

    def on_key(self, event: Any) -> None:
        self.escapes += event.key == "escape"

    def do(self, action: str, argument: str = "") -> None:
        self.done.append((action, argument))

    def happens(self, *events: AnyEvent) -> None:
        news = []
        for event in events:
            envelope = Envelope(seq=self.state.seq + 1, session="s-1", at=self.at, event=event)
            apply(self.state, envelope)
            news.append(envelope)
        self.prompt.show_session(self.state, news)


@asynccontextmanager
async def bench(
    client: NotingClient | None = None, size: tuple[int, int] = (100, 30), theme: str = DARK
) -> AsyncIterator[tuple[Bench, Pilot[None]]]:
    app = Bench(client, theme)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield app, pilot


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Presses KEYS in one burst, as a driver hands them on: letters, or names such as `ctrl+j`."""
    for key in keys:
        letter = key if len(key) == 1 else " " if key == "space" else None
        pilot.app.post_message(Key(_character_to_key(key) if letter else key, letter))
    await pilot.pause()


async def say(pilot: Pilot[None], words: str) -> None:
    """Puts WORDS in at once, as a paste."""
    pilot.app.post_message(Paste(words))
    await pilot.pause()


async def until(pilot: Pilot[None], true: Callable[[], object], seconds: float = 60.0) -> None:
    """Waits until TRUE holds; an assertion fails when it never does."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not true():
        assert asyncio.get_running_loop().time() < deadline, "it never came about"
        await pilot.pause(0.01)
