"""The workbench: a client of one session at a time. It draws first and opens the session when that stands."""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import Event, InputEvent
from textual.filter import LineFilter
from textual.widget import Widget

from workbench import places
from workbench.host.client import Client
from workbench.protocol.commands import AnyCommand
from workbench.protocol.events import Envelope
from workbench.protocol.state import SessionState
from workbench.tui import garbage, parting, prefs, signs
from workbench.tui.actions import ACTIONS
from workbench.tui.connection import Connection, parted
from workbench.tui.keys import Keymap
from workbench.tui.keys import load as load_keys
from workbench.tui.opening import NotOpenedError, Opener, OpeningClient, let_go
from workbench.tui.people import People
from workbench.tui.presenter import Presenter
from workbench.tui.safe import safe
from workbench.tui.screens.main import MainScreen
from workbench.tui.themes import DARK, Looks, ansi, defaults, pace
from workbench.tui.view import View
from workbench.tui.widgets.dock import PANES, load
from workbench.tui.widgets.header import Facts
from workbench.tui.widgets.prompt_paste import driver

if TYPE_CHECKING:
    from workbench.host.telemetry import Telemetry
    from workbench.tui.panes.talk import Talk
    from workbench.tui.surroundings import Surroundings

PARTS: Mapping[str, str | type[Widget]] = {
    "talk": "workbench.tui.panes.talk:Talk",
    "prompt": "workbench.tui.widgets.prompt:Prompt",
    **PANES,
}
_WRITTEN = 0.01  # seconds in which a thread of Textual's writes the first frame, if nothing else wants to run
_TIDIED = 5.0  # seconds between two looks at how much garbage there may be
_BY_ID = {action.id: action for action in ACTIONS}


class WorkbenchApp(App[int], inherit_bindings=False):
    """`client` takes commands from the first moment on; `state` is the fold that every view draws."""

    TITLE = "mlwb"
    ENABLE_COMMAND_PALETTE = False
    DEFAULT_MODE = "session-1"  # one of Textual's modes a session: its screen and all that lies over it
    # A short word at the top right: never over the prompt.
    CSS = """
    ToastRack { dock: top; align: right top; margin: 1 1 0 0; }
    Toast { width: auto; max-width: 80vw; padding: 0 1; margin: 0; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "quit", show=False, priority=True, id="quit"),
        Binding("ctrl+c", "hint", show=False, system=True),
    ]

    def __init__(
        self, opener: Opener, parts: Mapping[str, str | type[Widget]] = PARTS, theme: str | None = None
    ) -> None:
        super().__init__(driver_class=driver(), ansi_color=ansi(os.environ))
        self.opener, self.parts = opener, parts
        self.prefs, self.keymap, self.looks = prefs.load(), Keymap(), Looks()
        self.pace = pace(os.environ)
        self._signs = signs.filters(os.environ)
        self.state = SessionState(agent=opener.agent, workspace=str(opener.workspace))
        self.client: Client | None = OpeningClient(self.state)  # commands wait for the session
        self._connection: Connection | None = None
        self.telemetry: Telemetry | None = None  # in place of this machine's own
        self.panes: dict[str, Any] = {}  # pane id -> Pane, from when their classes are loaded
        self.facts = Facts(branch=opener.branch(), user=opener.user)
        self.animation_level = "none"
        self._presenter: Presenter | None = None
        self._windows: dict[str, int | None] = {}
        self.typed: dict[str, parting.Words] = {}  # session -> what is typed there and not sent
        self.escaped = self.quitting = 0.0  # when Esc and ctrl+q were pressed last
        self.surroundings: Surroundings | None = None  # of the session that is open
        self.touched = time.monotonic()  # when the person last did something
        self.people = People(self)
        self.add_mode(self.DEFAULT_MODE, self._new_screen)
        self.wear(theme or self.prefs.theme or DARK)

    # --- opening -------------------------------------------------------------------------------------------

    def _new_screen(self) -> MainScreen:
        """Talk and prompt, without a session; they come later where they are not imported yet."""
        late = [part for part in (self.parts["talk"], self.parts["prompt"]) if isinstance(part, str)]
        if any(part.partition(":")[0] not in sys.modules for part in late):
            return MainScreen()
        return MainScreen(self._part("talk"), self._part("prompt"))

    def _part(self, name: str) -> Widget:
        part = self.parts[name]
        widget = (load(part) if isinstance(part, str) else part)()
        if widget.id is None:
            widget.id = name
        return widget

    async def _load_views(self) -> None:
        """Talk and prompt, imported in a thread while the first frame stands."""
        for part in (self.parts["prompt"], self.parts["talk"]):
            if isinstance(part, str):
                await asyncio.to_thread(load, part)
        await self.main.take(self._part("talk"), self._part("prompt"))

    @property
    def main(self) -> MainScreen:
        """The session's screen, whatever lies over it."""
        return next(one for one in self.screen_stack if isinstance(one, MainScreen))

    @property
    def still(self) -> bool:
        """Whether nothing may move that need not (reduced motion)."""
        return not self.pace.motion if self.prefs.motion is None else not self.prefs.motion

    def on_ready(self) -> None:
        """The first frame, and when it has gone to the terminal, everything else."""
        self.main.draw()
        parting.heed(self)
        self.set_timer(_WRITTEN, self.begin)
        self.set_interval(_TIDIED, lambda: garbage.tidy(time.monotonic() - self.touched))

    def begin(self) -> None:
        """The first frame stands: the panes' classes, the user's keys and the session."""
        self.beside(self._begin, "open", exclusive=True)

    def beside(self, work: Callable[[], Awaitable[None]], group: str, exclusive: bool = False) -> None:
        """WORK, while the screen goes on; whatever it fails of is told. EXCLUSIVE: in place of others of its GROUP."""

        async def tried() -> None:
            try:
                await work()
            except Exception as error:
                self.tell_fault(error)

        begin: Any = tried  # the function: a coroutine that is cancelled before it begins would never be awaited
        self.run_worker(begin, group=group, exclusive=exclusive, exit_on_error=False)

    async def _begin(self) -> None:
        if prepare := getattr(self.opener, "prepare", None):
            self.beside(lambda: asyncio.to_thread(prepare), "preparing")
        if self.main.waits:
            await self._load_views()
        await self._load_panes()
        if self._presenter is None:
            await self.open(self.opener.open)

    async def _load_panes(self) -> None:
        """Panes and keys; imported in a thread, so that the screen answers meanwhile."""
        keymap = await asyncio.to_thread(load_keys, places.config())
        if keymap.notes or keymap.keys("quit") != self.keymap.keys("quit"):
            self.set_keymap({"quit": ",".join(keymap.keys("quit"))})
        self.keymap = keymap
        for note in keymap.notes:
            self.tell(note, "warning")
        for name in PANES:
            part = self.parts[name]
            kind = await asyncio.to_thread(load, part) if isinstance(part, str) else part
            self.panes[name] = kind()
        self.main.show_session(self.state, ())

    async def open(self, opening: Callable[[], Any]) -> None:
        """Opens a session by OPENING, and shows it; where there is none, says what to do."""
        waiting = self.client if isinstance(self.client, OpeningClient) else OpeningClient(self.state)
        self.client = waiting
        began = time.time()
        self.main.footer.message = "opening…"
        self.main.chrome()
        garbage.pause()
        try:
            client: Client = await opening()
        except NotOpenedError as error:
            await self._without(waiting, error)
        except Exception as error:  # whatever it is, the person is told and the screen stays
            await self._without(waiting, NotOpenedError("error_during_execution", f"{type(error).__name__}: {error}"))
        else:
            waiting.opened(client)
            await self.attach(client, began)
        finally:
            garbage.settle()
            self.main.footer.message = ""
            self.main.chrome()

    async def _without(self, waiting: OpeningClient, error: NotOpenedError) -> None:
        from workbench.tui.screens.first_run import FirstRun

        waiting.failed(error)
        await FirstRun.stand_in(self, error)

    async def attach(self, client: Client, began: float) -> None:
        """Draws CLIENT's session from now on; BEGAN is when it was opened, in Unix time."""
        from workbench.tui.surroundings import Surroundings

        self.client, self.surroundings = client, Surroundings(self)
        self.people = People(self)
        self.facts = self.facts._replace(monitor=False, people="")
        self._presenter = Presenter(
            client, self.present, 1 / self.pace.frames, lambda: getattr(self._driver, "written", 0)
        )
        self._connection = Connection(self, client, self._presenter)
        if client.state.session:  # else nothing was received yet, and what is on the screen stays
            if not hasattr(client, "place"):  # what a replay tells was long ago
                self.main.footer.joined(client.state)
            self.present(client.state, ())
        self.beside(partial(self._follow, self._presenter), "follow", exclusive=True)
        self.beside(partial(self._look_up, began), "facts", exclusive=True)

    async def _follow(self, presenter: Presenter) -> None:
        await presenter.follow()
        words = parted(presenter.client, self.keymap.label("sessions"), getattr(self.opener, "far", ""))
        if presenter is self._presenter and words:
            self.tell(words, "warning")
            self.main.footer.lost = words
            self.main.chrome()

    def on_talk_reference(self, message: "Talk.Reference") -> None:
        """A reference in the talk was clicked."""
        self.do("open_reference", message.reference)

    async def switch(self, opening: Callable[[], Any]) -> None:
        """Leaves the session and opens another in its place, on a screen of its own. To be awaited in a worker."""
        if not await parting.agreed(self):
            return
        done = asyncio.Event()  # in a worker of its own: a list that is opened meanwhile does not end it
        self.beside(partial(self._change, opening, done), "open", exclusive=True)
        await done.wait()

    async def _change(self, opening: Callable[[], Any], done: asyncio.Event) -> None:
        await self.leave()
        self._presenter, self.client = None, OpeningClient(self.state)
        parting.keep_words(self)
        self.state = SessionState(agent=self.opener.agent, workspace=str(self.opener.workspace))
        self.panes = parting.ended(self.panes)
        self.facts = self.facts._replace(window=None, monitor=False)
        old = self.current_mode
        new = f"session-{int(old.rpartition('-')[2]) + 1}"
        self.add_mode(new, self._new_screen)
        await self.switch_mode(new)
        await self.remove_mode(old)
        await self._load_panes()
        await self.open(opening)
        parting.give_words(self)
        done.set()

    async def leave(self, lost: bool = False) -> None:
        """Lets go of the session, in bounded time; what outlives clients goes on. LOST: as if its connection was."""
        client, self._presenter, self.surroundings = self.client, None, None
        if client is not None and not (lost and client.outlives):
            self.log("leaving", *await let_go(client, self.opener.user))
        for seen in filter(None, (self.state.session, str(self.opener.workspace))):  # of the workspace its runs were
            prefs.look(seen, time.time())

    async def _look_up(self, began: float) -> None:
        """What the header needs and no session says, and what happened here."""
        rows = await self.opener.models()
        branch = await asyncio.to_thread(self.opener.branch)
        self.facts = self.facts._replace(branch=branch)
        self._windows = {row.id: row.window for row in rows}
        self._refresh_facts()
        if self.surroundings is not None:
            await self.surroundings.opened(began)

    def _refresh_facts(self) -> None:
        self.facts = self.facts._replace(window=self._windows.get(self.state.model))
        self.main.chrome()

    # --- looks ---------------------------------------------------------------------------------------------

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's, and what a terminal of few signs needs."""
        return [*super().get_line_filters(), *self._signs]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The project's own variables, before any theme of its own is worn."""
        return defaults()

    def wear(self, theme: str, keep: bool = False) -> None:
        """Puts THEME on; KEEP: also the next time."""
        if problem := self.looks.wear(self, theme, self.looks.agent):
            self.call_later(self.tell, problem, "warning")
        if keep and not problem:
            self.prefs.theme = theme
            prefs.save(self.prefs)

    def on_app_focus(self) -> None:
        """Someone looks again; a theme file that was edited meanwhile is worn anew."""
        self.touched = time.monotonic()
        if problem := self.looks.refresh(self):
            self.tell(problem, "warning")

    async def on_event(self, event: Event) -> None:
        """Notes when the person last did something."""
        if isinstance(event, InputEvent):
            self.touched = time.monotonic()
            self.people.touched()
        await super().on_event(event)

    def write(self, sequence: str) -> None:
        """Sends an escape SEQUENCE of our own to the terminal."""
        if self._driver is not None:
            self._driver.write(sequence)

    def _print_error_renderables(self) -> None:
        """What a person sees of a fault of ours is one line; the rest is kept for whoever mends it."""
        if self._exception is not None:
            from workbench.tui.faults import told

            print(told(self._exception, self.client.session if self.client else ""), file=sys.stderr)
            self._exit_renderables.clear()
        super()._print_error_renderables()

    # --- what is new ---------------------------------------------------------------------------------------

    def present(self, state: SessionState, news: Sequence[Envelope]) -> None:
        """One batch from the presenter."""
        if not self.is_running or not self.screen_stack:
            return
        self.state = state
        self.looks.recolor(self, state.color)
        self.people.given(news)
        self.main.show_session(state, news)
        if self.facts.window is None and state.model:
            self._refresh_facts()
        from workbench.tui import attention

        attention.given(self, news)
        if self.surroundings is not None:
            self.surroundings.given(news)

    def guarded(self, view: View, state: SessionState, news: Sequence[Envelope]) -> None:
        """Lets VIEW draw; one that fails is told once and left out, the rest goes on."""
        if view.failed:
            return
        try:
            view.show_session(state, news)
        except Exception as error:
            view.failed = True
            self.log.error(repr(error))
            self.tell(f"the {getattr(view, 'id', '') or 'view'} has failed: {type(error).__name__}: {error}", "error")

    def tell(self, words: str, severity: str = "information") -> None:
        """A short word in the corner; never over the prompt."""
        self.notify(safe(words), severity=severity, timeout=6, markup=False)  # type: ignore[arg-type]

    def tell_fault(self, error: Exception, doing: str = "") -> None:
        """What went wrong while DOING, in one line."""
        self.tell(": ".join(filter(None, (doing, str(error) or type(error).__name__))), "error")

    # --- actions -------------------------------------------------------------------------------------------

    def do(self, action: str, argument: str = "") -> None:
        """Carries out an action of the table, wherever it was asked for: a key, the palette, a click, a slash."""
        found = _BY_ID.get(action)
        if found is None:
            return self.tell(f"there is no action {action!r}", "warning")
        try:
            from workbench.tui import doing

            doing.carry_out(self, found, argument)
        except Exception as error:  # the reason, and the screen stays
            self.tell_fault(error, found.title)

    def command(self, command: AnyCommand, done: str = "") -> None:
        """Sends COMMAND; a refusal is told, and so is DONE where it was taken."""

        async def send() -> None:
            if self.client is None:
                return
            ack = await self.client.send(command)
            if not ack.ok:
                self.tell(ack.error, "warning")
            elif done or ack.value:
                self.tell(done or ack.value)

        self.beside(send, "commands")

    def action_hint(self) -> None:
        """ctrl+c with nothing selected."""
        self.tell(f"nothing is selected to copy; {self.keymap.label('quit')} quits, esc stops the agent")

    async def action_quit(self) -> None:
        """Back to the shell; where something runs, only when asked twice."""
        if parting.holds(self):
            return
        self.workers.cancel_group(self, "open")
        await parting.keep_unsent(self)
        await self.leave()
        self.exit(0)
