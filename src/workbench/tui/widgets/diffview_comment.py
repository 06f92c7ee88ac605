"""One line to write a comment on, right below the line that it is about."""

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.geometry import Region
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from workbench.tui.safe import safe
from workbench.tui.screens.steady import Steady
from workbench.tui.widgets.entry import Entry


class CommentLine(Steady, ModalScreen[str | None]):
    """Gives what was written, without words too; None when it was left. WHERE tells the row to cover."""

    DEFAULT_CSS = """
    CommentLine { background: transparent; }
    CommentLine > Input, CommentLine > Input:focus {
        height: 1; border: none; padding: 0 1; background: $panel; color: $foreground;
    }
    """

    def __init__(self, about: str, text: str, where: Callable[[], Region]) -> None:
        super().__init__()
        words = f"comment on {safe(about)}: enter keeps it, esc leaves it"
        self._input = Entry(value=text, placeholder=words)
        self._input.cursor_blink = False
        self._where = where

    def compose(self) -> ComposeResult:
        """The line alone."""
        yield self._input

    def on_mount(self) -> None:
        """At its place, also after what is below has moved."""
        self._place()
        self.app.screen_stack[-2].screen_layout_refresh_signal.subscribe(self, self._below_moved)

    def _below_moved(self, _: Screen[object]) -> None:
        self.call_after_refresh(self._place)

    def _place(self) -> None:
        row = self._where()
        self._input.styles.offset = (row.x, row.y)
        self._input.styles.width = max(20, row.width)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keeps what was written."""
        event.stop()
        self.dismiss(event.value.strip())

    def on_click(self, event: events.Click) -> None:
        """A click elsewhere leaves."""
        if event.widget is not self._input:
            self.dismiss(None)

    def on_key(self, event: events.Key) -> None:
        """Escape leaves."""
        if event.key == "escape":
            event.stop()
            self.dismiss(None)
