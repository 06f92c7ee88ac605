"""The frames that hold the talk and the panes, and the lines between them that can be dragged."""

from collections.abc import Container, Mapping, Sequence
from importlib import import_module

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from workbench.tui.widgets.line import Line, Part

# pane -> the class that draws it, imported when the first frame stands
PANES = {
    "diff": "workbench.tui.panes.diff:DiffPane",
    "runs": "workbench.tui.panes.runs:RunsPane",
    "gpu": "workbench.tui.panes.gpu:GpuPane",
    "todo": "workbench.tui.panes.todo:TodoPane",
}
# how the dock's height is shared while the person has not moved the lines
WEIGHTS = {"diff": 2.0, "runs": 1.4, "gpu": 1.0, "todo": 0.8}
# which of the panes that are shown takes what the others leave
LONG = ("diff", "runs")
LEAST = 4  # rows of a short pane, its title line among them
TITLES = {"talk": "talk", "diff": "diff", "runs": "runs", "gpu": "gpu", "todo": "to-do"}


def load(name: str) -> type[Widget]:
    """The class behind `module:Class`."""
    module, _, attribute = name.partition(":")
    found: type[Widget] = getattr(import_module(module), attribute)
    return found


def short(
    shown: Sequence[str], panes: Mapping[str, Widget], sized: Container[str], needed: dict[str, int]
) -> dict[str, int]:
    """Rows that short panes have at most, so that a long one gets the rest; not where a person SIZED one.

    NEEDED holds what each needed so far: a pane grows with its content and does not shrink, so nothing jumps.
    """
    long = next((view for view in LONG if view in shown), None)
    found = {}
    for view in (view for view in shown if view in PANES and view != long) if long else ():
        pane = panes.get(view)
        if pane is not None and pane.is_mounted and view not in sized:
            rows = getattr(pane, "rows_wanted", pane.virtual_size.height)
            needed[view] = max(needed.get(view, LEAST), rows + 2)
            found[view] = needed[view]
    return found


class Dragged(Message):
    """A line between two parts of the screen is being moved to (x, y) of the screen; `done` when let go."""

    def __init__(self, frame: str | None, x: int, y: int, done: bool) -> None:
        super().__init__()
        self.frame, self.x, self.y, self.done = frame, x, y, done


class _Draggable(Widget):
    """Mixed into what can be dragged by the mouse."""

    frame_id: str | None = None
    fixed = False

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Takes hold."""
        if not self.fixed and event.button == 1:
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Moves along."""
        if self.app.mouse_captured is self:
            self.post_message(Dragged(self.frame_id, event.screen_x, event.screen_y, False))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Lets go."""
        if self.app.mouse_captured is self:
            self.release_mouse()
            self.post_message(Dragged(self.frame_id, event.screen_x, event.screen_y, True))


class Splitter(_Draggable):
    """The upright line between the talk and the dock."""

    DEFAULT_CSS = """
    Splitter { width: 1; height: 1fr; color: $border-dim; pointer: ew-resize; &:hover { color: $agent; } }
    """
    ALLOW_SELECT = False

    def render(self) -> str:
        """A thin line."""
        return "\n".join("│" * self.size.height)


class Title(_Draggable, Line):
    """The line above a view: its name, what it says of itself, and where it can be taken by the mouse."""

    DEFAULT_CSS = """
    Title { height: 1; }
    """


class Frame(Vertical):
    """A view with its title line. The line of the view that has the focus is in the agent's colour."""

    DEFAULT_CSS = """
    Frame { height: 1fr; width: 1fr; min-height: 2; }
    Frame > .held { height: 1fr; border: none; }
    """

    class Held(Message):
        """The frame's pane stands in it."""

        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self, view: str, key: str, held: Widget | None = None) -> None:
        super().__init__(id=f"frame-{view}")
        self.view, self._key = view, key
        self.title_line = Title()
        self.title_line.frame_id = view
        self.held = held

    def compose(self) -> ComposeResult:
        """Title and view."""
        yield self.title_line
        if self.held is not None:
            self.held.add_class("held")
            yield self.held

    def on_mount(self) -> None:
        """Title and view are there."""
        if self.held is not None:
            self.post_message(self.Held(self.view))

    async def hold(self, widget: Widget) -> None:
        """Takes WIDGET in below the title."""
        self.held = widget
        if self.title_line.is_attached and not widget.is_attached:  # else it comes with the title
            widget.add_class("held")
            await self.mount(widget)
            self.post_message(self.Held(self.view))

    def entitle(self, focused: bool, heading: str = "", closes: bool = False) -> None:
        """Draws the title line; HEADING is what the view says of itself."""
        name, rule = ("$agent", "$agent") if focused else ("$muted", "$border-dim")
        left = [Part("─ ", rule), Part(f"{self._key} ", "$muted-2", self.view),
                Part(TITLES[self.view], f"{name} bold" if focused else name, self.view), Part(" ")]  # fmt: skip
        room = self.title_line.room - sum(cell_len(part.text) for part in left) - 6  # for what stands at the right
        if cell_len(heading) > room:
            heading = f"{set_cell_size(heading, max(0, room - 1)).rstrip()}…"
        right = [Part(f" {heading} ", "$muted"), Part("─", rule)] if heading else []
        if closes:
            right.append(Part(" × ", "$muted-2", f"close {self.view}"))
        self.title_line.put(left, right, Part("─", rule))


def heading(held: Widget | None) -> str:
    """What a pane says of itself in its title line: its `heading`, in plain words, else its border's subtitle."""
    if told := getattr(held, "heading", ""):
        return str(told)
    subtitle = held.border_subtitle if held is not None and held.is_mounted else None
    return Content.from_markup(subtitle).plain if subtitle else ""
