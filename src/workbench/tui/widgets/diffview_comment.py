"""One line to write a comment on, at the foot of the diff pane."""

from dataclasses import replace

from textual import events
from textual.message import Message
from textual.widgets import Input

from workbench.tui.safe import safe
from workbench.tui.widgets.hunks_review import Comment, place


class CommentLine(Input):
    """Enter keeps the comment, without words takes it away; escape leaves all as it was."""

    DEFAULT_CSS = """
    CommentLine, CommentLine:focus {
        dock: bottom; height: 1; border: none; padding: 0 1; background: $surface; color: $foreground;
    }
    """

    class Done(Message):
        """Writing ended; `comment` is None where nothing is to change."""

        def __init__(self, comment: Comment | None) -> None:
            super().__init__()
            self.comment = comment

    def __init__(self, about: Comment) -> None:
        words = f"comment on {safe(place(about.path, about.line))}: enter keeps it, esc leaves it"
        super().__init__(value=about.text, placeholder=words)
        self._about = about
        self.cursor_blink = False

    def on_mount(self) -> None:
        """Ready to be written on."""
        self.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keeps what was written."""
        event.stop()
        self._end(replace(self._about, text=event.value.strip()))

    def on_key(self, event: events.Key) -> None:
        """Escape leaves."""
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self._end(None)

    def _end(self, comment: Comment | None) -> None:
        self.post_message(self.Done(comment))
        self.remove()
