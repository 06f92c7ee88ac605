"""The search of the talk: one line under it, looking as one types."""

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from workbench.tui.safe import content
from workbench.tui.widgets.entry import Entry


class SearchBar(Horizontal):
    """A line to type in. Hidden until `open`."""

    DEFAULT_CSS = """
    SearchBar { height: 1; width: 1fr; display: none; background: $surface; padding: 0 1; }
    SearchBar.-open { display: block; }
    SearchBar #search-sign { width: auto; color: $muted; }
    SearchBar Input { width: 1fr; border: none; height: 1; padding: 0; background: $surface; color: $foreground; }
    SearchBar Input:focus { border: none; height: 1; background: $surface; }
    SearchBar #search-said { width: auto; color: $muted; }
    """

    class Changed(Message):
        """Other words are looked for."""

        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

    class Again(Message):
        """The next match: `by` -1 towards the beginning, 1 towards the end."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    class Closed(Message):
        """The search is over."""

    def compose(self) -> ComposeResult:
        """The line."""
        yield Static("find ", id="search-sign")
        yield Entry(id="search-words", compact=True)
        yield Static("", id="search-said")

    def open(self) -> None:
        """Shows the line and takes the focus."""
        self.add_class("-open")
        words = self.query_one("#search-words", Input)
        words.focus()
        words.action_select_all()

    @property
    def is_open(self) -> bool:
        """Whether the line is there."""
        return self.has_class("-open")

    def close(self) -> None:
        """Hides the line."""
        self.remove_class("-open")
        self.post_message(self.Closed())

    def say(self, text: str) -> None:
        """What came of it, at the line's end."""
        self.query_one("#search-said", Static).update(content(text))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Looks as one types."""
        event.stop()
        self.post_message(self.Changed(event.value))

    def on_key(self, event: events.Key) -> None:
        """Enter and down look on, up looks back, Escape ends the search."""
        steps = {"enter": -1, "up": -1, "down": 1}
        if event.key in steps:
            self.post_message(self.Again(steps[event.key]))
        elif event.key == "escape":
            self.close()
        else:
            return
        event.stop()
        event.prevent_default()
