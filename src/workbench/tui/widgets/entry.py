"""A line to write on, through the one door: what is pasted or put into it is shown, and obeyed by no terminal."""

from textual.widgets import Input

from workbench.tui.safe import safe


class Entry(Input):
    """Textual's own, which writes control characters to the terminal as they came."""

    # In 16 colours Textual reverses a cursor that stands out already: it would be as the line it is in.
    DEFAULT_CSS = """
    Entry:ansi > .input--cursor { background: $input-cursor-background; color: $input-cursor-foreground; }
    """

    def validate_value(self, value: str) -> str:
        """VALUE as it can be shown."""
        return safe(value)

    def validate_placeholder(self, placeholder: str) -> str:
        """PLACEHOLDER as it can be shown."""
        return safe(placeholder)
