"""What a person must not miss: the watch found that a protected path was changed, or moved one aside."""

from pathlib import Path
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from workbench.tui.safe import content
from workbench.tui.widgets.line import Line, Part

_KEPT = 20  # remarks; what came before stands in the talk
_STOPPED = "The agent has stopped. Look at what changed and put it right; then tell it to go on."
_ASIDE = "Look at it where it lies now. If you want it, move it back yourself; the agent goes on without it."


class Remark(NamedTuple):
    """Words of the watch. STOPS: the agent was stopped for it."""

    text: str
    stops: bool


class Alert(Vertical):
    """Stands above the prompt until it is closed, or until the person tells the agent something."""

    DEFAULT_CSS = """
    Alert {
        height: auto; border: round $warning; border-title-color: $warning; border-title-style: bold; padding: 0 1;
        border-subtitle-color: $muted;
        &.-stops { border: round $error; border-title-color: $error; }
        VerticalScroll { height: auto; max-height: 8; scrollbar-size-vertical: 1; }
        Static { height: auto; }
        #advice { color: $foreground; }
        &.-high #advice, &.-high Line { margin-top: 1; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.remarks: list[Remark] = []

    def compose(self) -> ComposeResult:
        """What was found, what to do, and where to look."""
        with VerticalScroll(can_focus=False):
            yield Static(id="found")
        yield Static(id="advice")
        yield Line()

    def on_mount(self) -> None:
        """The ways on; what was found before there was a place to show it."""
        self.query_one(Line).put([
            Part("/audit", "$agent", "audit"), Part(" which call   ", "$muted", "audit"),
            Part("/diff", "$agent", "diff"), Part(" what changed   ", "$muted", "diff"),
            Part("esc", "bold $agent", "stop"), Part(" closes", "$muted", "stop"),
        ])  # fmt: skip
        self._draw()

    def on_resize(self) -> None:
        """A low screen keeps room for the talk."""
        self.set_class(self.app.size.height >= 30, "-high")
        self.query_one(VerticalScroll).styles.max_height = max(2, min(8, self.app.size.height - 11))

    def add(self, remark: Remark) -> None:
        """One more; the newest is shown first."""
        self.remarks = [remark, *self.remarks][:_KEPT]
        if self.is_mounted:
            self._draw()

    def _draw(self) -> None:
        stops = any(one.stops for one in self.remarks)
        self.set_class(stops, "-stops")
        what = "stopped: a protected path was changed" if stops else "moved aside: a protected path appeared"
        self.border_title = f"{'✗' if stops else '!'} {what}"
        count = len(self.remarks)
        self.border_subtitle = f"{count} remarks" if count > 1 else ""
        lines = [content(_shorter(one.text.strip()), newlines=True) for one in self.remarks]
        self.query_one("#found", Static).update(Content("\n").join(lines))
        self.query_one("#advice", Static).update(_STOPPED if stops else _ASIDE)


def _shorter(text: str) -> str:
    """TEXT with the user's home as `~`."""
    own = str(Path.home())
    return text.replace(f"{own}/", "~/") if own != "/" else text
