"""Small questions: a line of words, a yes, and something to read."""

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from workbench.tui.safe import content, safe
from workbench.tui.screens.steady import Steady
from workbench.tui.widgets.entry import Entry

_BOX = """
    {name} {{ align: center middle; background: $background 60%; }}
    {name} > * {{
        width: 80%; max-width: 90; min-width: 30; height: auto; max-height: 85%; background: $surface;
        border: round $border-dim; border-title-color: $foreground; border-subtitle-color: $muted; padding: 0 1;
    }}
    {name} Static {{ height: auto; }}
    {name} Input {{ background: $background; }}
"""


class Ask(Steady, ModalScreen[str | None]):
    """Gives the line that was written, None when it was closed without one."""

    DEFAULT_CSS = _BOX.format(name="Ask")

    def __init__(self, title: str, words: str = "", value: str = "", placeholder: str = "") -> None:
        super().__init__()
        self._heading, self._words, self._value, self._placeholder = title, words, value, placeholder

    def compose(self) -> ComposeResult:
        """Words and a line to write on."""
        with Vertical() as box:
            box.border_title, box.border_subtitle = content(self._heading), "enter takes it   esc closes"
            if self._words:
                yield Static(Content.styled(safe(self._words, newlines=True), "$muted"))
            yield Entry(value=self._value, placeholder=self._placeholder, compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        """A cursor that does not blink."""
        self.query_one(Input).cursor_blink = False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Takes the line."""
        self.dismiss(event.value.strip() or None)

    def on_key(self, event: events.Key) -> None:
        """Escape closes."""
        if event.key == "escape":
            event.stop()
            self.dismiss(None)


class Confirm(Steady, ModalScreen[bool]):
    """A question that only `y` says yes to."""

    DEFAULT_CSS = _BOX.format(name="Confirm")

    def __init__(self, title: str, words: str) -> None:
        super().__init__()
        self._heading, self._words = title, words

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical() as box:
            box.border_title, box.border_subtitle = content(self._heading), "y yes   n, esc no"
            yield Static(Content(safe(self._words, newlines=True)))

    def on_key(self, event: events.Key) -> None:
        """One key answers."""
        event.stop()
        if event.key in ("y", "Y", "n", "N", "escape"):
            self.dismiss(event.key in ("y", "Y"))


class Note(Steady, ModalScreen[None]):
    """Something to read; any of the usual keys closes it."""

    DEFAULT_CSS = _BOX.format(name="Note")

    def __init__(self, title: str, words: Content) -> None:
        super().__init__()
        self._heading, self._words = title, words

    def compose(self) -> ComposeResult:
        """The words."""
        with VerticalScroll() as box:
            box.border_title, box.border_subtitle = content(self._heading), "esc closes"
            yield Static(self._words)

    def on_key(self, event: events.Key) -> None:
        """Closes."""
        if event.key in ("escape", "enter", "q"):
            event.stop()
            self.dismiss(None)
