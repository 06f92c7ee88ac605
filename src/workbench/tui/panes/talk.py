"""The talk: what was asked, said and done, newest at the end."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from textual.app import ComposeResult
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.widget import Widget

from workbench.host.client import Client
from workbench.protocol.events import Envelope
from workbench.protocol.state import SessionState
from workbench.tui.panes.talk_search import Search
from workbench.tui.panes.talk_taken import Taken
from workbench.tui.safe import safe
from workbench.tui.view import View
from workbench.tui.widgets.blocks import Line
from workbench.tui.widgets.markdown_draw import load as load_parser
from workbench.tui.widgets.search import SearchBar
from workbench.tui.widgets.transcript import Transcript
from workbench.tui.widgets.transcript_entry import Entry, Scene
from workbench.tui.widgets.transcript_pages import Pages
from workbench.tui.widgets.transcript_window import Window

TICK = 0.125  # seconds between two frames of the spinner
EMPTY: list[Line] = [
    [("Say what you want done, for instance ", "muted"), ("lower the validation loss of train.py", "")],
    [("@", "agent"), (" adds a file  ", "muted"), ("!", "agent"), (" runs a command of yours  ", "muted"),
     ("/", "agent"), (" lists what else there is", "muted")],
    [("What the agent says and does is told here; nothing runs that the rules do not allow.", "muted")],
]  # fmt: skip


class Talk(View, Widget):
    """The transcript, and the line to search it. Focus goes to the transcript."""

    DEFAULT_CSS = """
    Talk { width: 1fr; height: 1fr; layout: vertical; }
    """
    title = "talk"

    class Reference(Message):
        """A reference such as `s-4f:t12` or `r-14@812` was clicked."""

        def __init__(self, reference: str) -> None:
            super().__init__()
            self.reference = reference

    def __init__(self) -> None:
        super().__init__(id="talk")
        self.scene = Scene()
        self.window = Window(self.scene)
        self.transcript = Transcript(self.window, id="transcript")
        self.transcript.empty = EMPTY
        self.state = SessionState()
        self._paging = False
        self._search = Search(self)
        self._ticks = 0

    def compose(self) -> ComposeResult:
        """Transcript and search line."""
        yield self.transcript
        yield SearchBar(id="search")

    def on_mount(self) -> None:
        """The clock stands still until something runs."""
        self._ticker = self.set_interval(TICK, self._tick, pause=True)
        self.call_after_refresh(self.run_worker, load_parser, thread=True, group="parser")

    def focus(self, scroll_visible: bool = True, *, from_app_focus: bool = False) -> "Talk":
        """Gives the focus to the transcript."""
        self.transcript.focus(scroll_visible)
        return self

    @property
    def client(self) -> Client | None:
        """The app's."""
        return cast("Client | None", getattr(self.app, "client", None))

    # --- the session --------------------------------------------------------------------------------------

    def show_session(self, state: SessionState, news: Sequence[Envelope]) -> None:
        """Takes in NEWS and draws what changed."""
        if self.state.session and not state.session and not self.transcript.follow and self.window.oldest:
            self.window.part()  # all is told anew: what is read stays where it is
            return
        if state.session != self.state.session:
            self.window.clear()
            self.transcript.reset()
        self.state = state
        scene = self.scene
        scene.session, scene.agent = state.session, state.agent
        scene.user = getattr(getattr(self.app, "client", None), "user", "") or state.user  # a guest is not the owner
        scene.workspace = state.workspace
        self.window.take(state, news)
        if self.transcript.follow and (gone := self.window.trim()):
            self.transcript.shifted(-gone)
        self.refresh_rows()

    def refresh_rows(self) -> None:
        """Draws what changed, and lets the clock run while something does."""
        if not self.is_mounted:
            return
        self.transcript.show()
        if self.scene.highlighter.wanted:
            self.run_worker(self._load_lexers, thread=True, group="lexers", exclusive=True, exit_on_error=False)
        if self.window.running():
            self._ticker.resume()
        else:
            self.scene.frame = None
            self._ticker.pause()

    def _load_lexers(self) -> None:
        self.scene.highlighter.load()
        self.app.call_from_thread(self._recolour)

    def _recolour(self) -> None:
        for entry in self.window.entries:
            for block in entry.blocks:
                if block.code is not None:
                    block.forget()
        self.transcript.show()

    def _tick(self) -> None:
        self._ticks += 1
        moving = not getattr(self.app, "still", False)
        if not moving and self._ticks % round(1 / TICK):
            return
        self.scene.frame = self._ticks if moving else None
        for entry in self.window.running():
            for block in entry.blocks[entry.heads : entry.heads + 1]:
                block.forget()
        self.refresh_rows()

    # --- pages ----------------------------------------------------------------------------------------------

    def move(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Runs COROUTINE, which changes what is held, unless one does already."""
        if self._paging or self.client is None:
            coroutine.close()
            return
        self._paging = True
        self.ask(coroutine, pages=True)

    def ask(self, coroutine: Coroutine[Any, Any, None], pages: bool = False) -> None:
        """Runs COROUTINE, which asks the client; tells what went wrong, and draws."""

        async def run() -> None:
            try:
                await coroutine
            except Exception as error:  # whatever a journal, a host or a connection fails of
                self.tell(f"a part of the talk cannot be read: {error}", "error")
            finally:
                self._paging = self._paging and not pages
            self.refresh_rows()

        self.run_worker(run(), group="pages")

    def tell(self, words: str, severity: SeverityLevel = "information") -> None:
        """A short word in the corner."""
        self.app.notify(safe(words), severity=severity, timeout=3, markup=False)

    def pages(self) -> Pages:
        """Pages of the client's session. Call it only while there is a client."""
        assert self.client is not None
        return Pages(self.client)

    def on_transcript_near(self, message: Transcript.Near) -> None:
        """The screen comes near an end of what is held."""
        message.stop()
        self.move(self.load_older() if message.older else self.load_newer())

    async def load_older(self) -> None:
        """A page before what is held."""
        if self.window.more:
            page = await self.pages().before(oldest := self.window.oldest)
            if self.window.oldest == oldest:  # else something else is held by now
                self.transcript.shifted(self.window.older(page.items, page.more))

    async def load_newer(self) -> None:
        """A page after what is held."""
        if self.window.live:
            return
        items = await self.pages().after(newest := self.window.newest, self.window.last_id)
        if self.window.newest == newest and not self.window.live:
            self.transcript.shifted(-self.window.newer(items, self.state))

    async def _load_start(self) -> None:
        page = await self.pages().first()
        self.window.replace(page.items, page.more)
        self.transcript.to_top()

    async def load_at(self, item: int) -> None:
        """Shows what follows ITEM."""
        pages = self.pages()
        items = await pages.after(item, self.window.last_id)
        page = await pages.before(items[0].id if items else 0)
        self.window.replace([*page.items, *items], page.more)
        self.transcript.follow, self.transcript.cursor = False, None
        self.transcript.stand((min(len(page.items), len(self.window.entries) - 1), 0, 0))

    # --- actions ----------------------------------------------------------------------------------------------

    def do(self, action: str) -> None:
        """Carries out an action of the talk."""
        if step := _ACTIONS.get(action):
            step(self)

    def to_end(self) -> None:
        """Follows the end."""
        if not self.window.live:
            self.window.to_end(self.state)
        self.transcript.to_end()

    def to_start(self) -> None:
        """The session's beginning."""
        if self.window.more and self.client is not None:
            self.move(self._load_start())
        else:
            self.transcript.to_top()

    def chosen(self) -> tuple[Entry, int] | None:
        """What the cursor stands on; without a cursor the last answer."""
        entries, cursor = self.window.entries, self.transcript.cursor
        if cursor is not None and cursor[0] < len(entries):
            return entries[cursor[0]], cursor[1]
        answers = [entry for entry in entries if entry.item.kind == "answer"]
        return (answers[-1], 0) if answers else (entries[-1], 0) if entries else None

    def open_chosen(self) -> None:
        """Opens or closes what the cursor stands on; without a cursor the last call."""
        if self.transcript.cursor is None:
            calls = [entry for entry in self.window.entries if entry.item.kind in ("call", "thinking")]
            if calls:
                self.open_entry(calls[-1])
        elif (chosen := self.chosen()) is not None:
            self.open_entry(chosen[0])

    def open_entry(self, entry: Entry) -> None:
        """One step further: closed, open, all of it, closed."""
        if entry.item.kind == "answer" and not (entry.item.cut and "" not in entry.full):
            return
        last = 2 if entry.more_inside() else 1
        entry.opened = entry.opened + 1 if entry.opened < last else 0
        if entry.lacks() or entry.unseen():
            self.ask(self.fetch(entry))
        self.window.rebuild(entry)
        if self.transcript.cursor is not None:
            self.transcript.reveal(self.transcript.cursor)
        self.refresh_rows()

    async def fetch(self, entry: Entry) -> None:
        """The whole texts of what ENTRY shows cut."""
        from workbench.tui.panes.talk_fetch import fetch

        for problem in await fetch(entry, self.pages()):
            self.tell(problem, "warning")
        self.window.rebuild(entry)

    def toggle_thinking(self) -> None:
        """Shows or folds all thinking."""
        self.scene.thinking = not self.scene.thinking
        for entry in self.window.entries:
            if entry.item.kind == "thinking":
                entry.opened = 0
                self.window.rebuild(entry)
        self.refresh_rows()

    # --- mouse and search ---------------------------------------------------------------------------------------

    def on_transcript_pressed(self, message: Transcript.Pressed) -> None:
        """A click opens what can be opened."""
        message.stop()
        if message.reference:
            self.post_message(self.Reference(message.reference))
        elif message.entry.item.kind not in ("answer",) or message.entry.item.cut:
            self.open_entry(message.entry)

    def on_transcript_to_end(self, message: Transcript.ToEnd) -> None:
        """The mark at the end was clicked."""
        message.stop()
        self.to_end()

    def on_transcript_to_share(self, message: Transcript.ToShare) -> None:
        """The bar was clicked: another part of the session."""
        message.stop()
        if message.share >= 0.98:
            self.to_end()
        elif self.client is not None:
            self.move(self.load_at(int(message.share * self.window.last_id)))

    def on_search_bar_changed(self, message: SearchBar.Changed) -> None:
        """Other words to look for."""
        message.stop()
        self._search.look_for(message.words)

    def on_search_bar_again(self, message: SearchBar.Again) -> None:
        """The next match."""
        message.stop()
        self._search.again(message.by)

    def on_search_bar_closed(self, message: SearchBar.Closed) -> None:
        """Nothing is marked any more; n and N go on looking for the same."""
        message.stop()
        self.transcript.find = ""
        self.focus()
        self.transcript.show()

    def searching(self) -> None:
        """Opens the search."""
        self.query_one(SearchBar).open()

    def search_again(self, by: int) -> None:
        """The next match towards the end (1) or the beginning (-1)."""
        self._search.again(by)


_ACTIONS: dict[str, Callable[[Talk], None]] = {
    "search": Talk.searching,
    "copy": lambda talk: Taken(talk).copy(),
    "copy_reference": lambda talk: Taken(talk).copy_reference(),
    "open_card": Talk.open_chosen,
    "edit_block": lambda talk: Taken(talk).edit(),
    "to_end": Talk.to_end,
    "to_start": Talk.to_start,
    "thinking": Talk.toggle_thinking,
    "item_next": lambda talk: talk.transcript.step(1),
    "item_previous": lambda talk: talk.transcript.step(-1),
    "page_down": lambda talk: talk.transcript.scroll_pages(1),
    "page_up": lambda talk: talk.transcript.scroll_pages(-1),
    "search_next": lambda talk: talk.search_again(-1),
    "search_previous": lambda talk: talk.search_again(1),
}
