"""A sheet to read: words made for the width that there is, as many lines as fit and the rest by scrolling."""

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.tui.safe import content
from workbench.tui.screens.steady import Steady

_MOVES = {"j": 1, "k": -1, "down": 1, "up": -1, "pagedown": 10, "pageup": -10, "space": 10}
_WIDEST = 110


class Sheet(Steady, ModalScreen[None]):
    """`lines` says what stands on it."""

    DEFAULT_CSS = """
    Sheet { align: center middle; background: $background 60%; }
    Sheet > Vertical {
        width: 92%; max-width: 110; height: auto; max-height: 90%; background: $surface; padding: 0 1;
        border: round $border-dim; border-title-color: $foreground; border-subtitle-color: $muted;
    }
    Sheet VerticalScroll { height: auto; scrollbar-size-vertical: 1; background: $surface; }
    Sheet Static { height: auto; }
    """

    def __init__(self, title: str, hint: str = "esc closes") -> None:
        super().__init__()
        self._heading, self._hint = title, hint

    def lines(self, width: int) -> list[Content]:
        """What it says, in lines of WIDTH cells."""
        return []

    def compose(self) -> ComposeResult:
        """The box."""
        with Vertical() as box:
            box.border_title, box.border_subtitle = content(self._heading), content(self._hint)
            with VerticalScroll():
                yield Static()

    def on_mount(self) -> None:
        """Draws."""
        self.on_resize()

    def on_resize(self) -> None:
        """As many lines as fit."""
        self.query_one(VerticalScroll).styles.max_height = max(3, self.app.size.height * 9 // 10 - 2)
        self.draw()

    def draw(self) -> None:
        """Draws what `lines` says now."""
        width = min(_WIDEST, self.app.size.width * 92 // 100) - 6
        self.query_one(Static).update(Content("\n").join(self.lines(max(20, width))))

    def on_key(self, event: events.Key) -> None:
        """Scrolls, or closes."""
        if event.key in ("escape", "enter", "q"):
            self.dismiss(None)
        elif event.key in _MOVES:
            self.query_one(VerticalScroll).scroll_relative(y=_MOVES[event.key], animate=False)
        elif not self.letter(event.key):
            return
        event.stop()
        event.prevent_default()

    def letter(self, key: str) -> bool:
        """Whether KEY did something here."""
        return False


def hanging(first: Content, text: Content, width: int) -> list[Content]:
    """TEXT behind FIRST in lines of WIDTH cells; those that follow begin where it began."""
    indent = first.cell_length
    parts = list(text.wrap(max(10, width - indent))) or [Content("")]
    return [(Content(" " * indent) if at else first) + part.rstrip() for at, part in enumerate(parts)]
