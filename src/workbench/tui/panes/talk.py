"""The talk: what was asked, said and done, newest at the end."""

import os
from collections.abc import Callable, Sequence
from typing import Any, cast

from textual.app import ComposeResult
from textual.message import Message
from textual.widget import Widget

from workbench.host.client import Client
from workbench.protocol.events import Envelope
from workbench.protocol.state import SessionState
from workbench.tui.panes.talk_search import Search
from workbench.tui.view import View
from workbench.tui.widgets.blocks import Line
from workbench.tui.widgets.markdown_draw import load as load_parser
from workbench.tui.widgets.search import SearchBar
from workbench.tui.widgets.transcript import Transcript
from workbench.tui.widgets.transcript_entry import Entry, Scene
from workbench.tui.widgets.transcript_pages import Pages
from workbench.tui.widgets.transcript_window import Window
from workbench.tui.widgets.transcript_words import suffix, words

TICK = 0.125  # seconds between two frames of the spinner
EMPTY: list[Line] = [
    [("Say what you want done, for instance ", "muted"), ("lower the validation loss of train.py", "")],
    [("@", "agent"), (" adds a file  ", "muted"), ("!", "agent"), (" runs a command of yours  ", "muted"),
     ("/", "agent"), (" lists what else there is", "muted")],
    [("What the agent says and does is told here; nothing runs that the rules do not allow.", "muted")],
]  # fmt: skip
COPIED = 256 * 1024  # characters that go to the clipboard at most: terminals drop longer ones


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
        if state.session != self.state.session:
            self.window.clear()
            self.transcript.reset()
        self.state = state
        scene = self.scene
        if (scene.agent, scene.user, scene.session) != (state.agent, state.user, state.session):
            scene.agent, scene.user, scene.session = state.agent, state.user, state.session
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
            self.run_worker(self._load_lexers, thread=True, group="lexers", exclusive=True)
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
            if entry.blocks:
                (entry.body or entry.blocks)[0].forget()
        self.refresh_rows()

    # --- pages ----------------------------------------------------------------------------------------------

    def work(self, coroutine: Any) -> None:
        """Runs COROUTINE, which asks for pages, unless one does already."""
        if self._paging or self.client is None:
            coroutine.close()
            return
        self._paging = True
        self.run_worker(self._worked(coroutine), group="pages")

    async def _worked(self, coroutine: Any) -> None:
        try:
            await coroutine
        except (OSError, ValueError, RuntimeError) as error:
            self.app.notify(f"older parts of the talk cannot be read: {error}", severity="error", markup=False)
        finally:
            self._paging = False
        self.refresh_rows()

    def pages(self) -> Pages:
        """Pages of the client's session. Call it only while there is a client."""
        assert self.client is not None
        return Pages(self.client)

    def on_transcript_near(self, message: Transcript.Near) -> None:
        """The screen comes near an end of what is held."""
        message.stop()
        self.work(self.load_older() if message.older else self.load_newer())

    async def load_older(self) -> None:
        """A page before what is held."""
        if self.window.more:
            page = await self.pages().before(self.window.oldest)
            self.transcript.shifted(self.window.older(page.items, page.more))

    async def load_newer(self) -> None:
        """A page after what is held."""
        if self.window.live:
            return
        items = await self.pages().after(self.window.newest, self.window.last_id)
        self.transcript.shifted(-self.window.newer(items, self.state))

    async def _load_start(self) -> None:
        page = await self.pages().first()
        self.window.replace(page.items, page.more)
        self.transcript.to_top()

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
            self.work(self._load_start())
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
        if entry.lacks():
            self.work(self._fetch(entry))
        self.window.rebuild(entry)
        if self.transcript.cursor is not None:
            self.transcript.reveal(*self.transcript.cursor)
        self.refresh_rows()

    async def _fetch(self, entry: Entry) -> None:
        """The whole texts of what ENTRY shows cut."""
        cut = False
        for blob in entry.lacks():
            text, total = await (self.pages().blob(blob) if blob else self.pages().text(entry.id))
            if total < 0:
                self.app.notify("the whole text is not there any more", severity="warning")
                continue
            cut = cut or len(text.encode()) < total
            entry.full[blob] = text
        if cut:
            self.app.notify("too long to show whole: what is shown ends after 1 MB", severity="warning")
        self.window.rebuild(entry)

    def toggle_thinking(self) -> None:
        """Shows or folds all thinking."""
        self.scene.thinking = not self.scene.thinking
        for entry in self.window.entries:
            if entry.item.kind == "thinking":
                entry.opened = 0
                self.window.rebuild(entry)
        self.refresh_rows()

    def copy(self) -> None:
        """Copies what the cursor stands on, whole."""
        chosen = self.chosen()
        if chosen is None:
            return
        entry, stop = chosen
        if not stop and entry.lacks() and self.client is not None:
            self.work(self._fetch_and_copy(entry))
        else:
            self._copy(*words(entry, stop))

    async def _fetch_and_copy(self, entry: Entry) -> None:
        await self._fetch(entry)
        self._copy(*words(entry))

    def copy_reference(self) -> None:
        """Copies the name of the turn that the cursor stands on."""
        chosen = self.chosen()
        if chosen is None:
            return
        start = self.window.entries.index(chosen[0])
        turn = next((entry.item.turn for entry in self.window.entries[start:] if entry.item.turn), 0)
        reference = f"{self.state.session}:t{turn}" if turn else self.state.session
        self._copy(reference, reference)

    def _copy(self, text: str, name: str) -> None:
        from workbench.tui.panes.talk_outside import to_clipboard

        kept = to_clipboard(self.app, text, COPIED)
        size = f"{len(text):,} characters" if len(text) < 10_000 else f"{len(text) / 1000:,.0f} K"
        if kept < len(text):
            self.app.notify(f"copied the first {kept // 1024} K of {name} ({size}); e opens it whole", markup=False)
        else:
            self.app.notify(f"copied {name}" + (f", {size}" if name != text else ""), timeout=2, markup=False)

    def edit(self) -> None:
        """Opens what the cursor stands on in the person's editor."""
        from workbench.tui.panes.talk_outside import edit

        if (chosen := self.chosen()) is not None:
            entry, stop = chosen
            info = next((block.info for block in entry.blocks if block.stop == stop and block.info), "") if stop else ""
            if problem := edit(self.app, words(entry, stop)[0], suffix(entry, info), os.environ):
                self.app.notify(problem, severity="error", markup=False)

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

    def on_search_bar_changed(self, message: SearchBar.Changed) -> None:
        """Other words to look for."""
        message.stop()
        self._search.look_for(message.words)

    def on_search_bar_again(self, message: SearchBar.Again) -> None:
        """The next match."""
        message.stop()
        self._search.again(message.by)

    def on_search_bar_closed(self, message: SearchBar.Closed) -> None:
        """The matches stay marked until Escape is pressed once more; n and N go on."""
        message.stop()
        self.focus()

    def searching(self) -> None:
        """Opens the search."""
        self.query_one(SearchBar).open()

    def search_again(self, by: int) -> None:
        """The next match towards the end (1) or the beginning (-1)."""
        self._search.again(by)


_ACTIONS: dict[str, Callable[[Talk], None]] = {
    "search": Talk.searching,
    "copy": Talk.copy,
    "copy_reference": Talk.copy_reference,
    "open_card": Talk.open_chosen,
    "edit_block": Talk.edit,
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
