"""A line of the chrome: parts at its left and right end, each of which may do something when clicked."""

from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from workbench.tui.safe import content


class Part(NamedTuple):
    """TEXT in STYLE; a click on it carries out ACTION."""

    text: str
    style: str = ""
    action: str | None = None


class Line(Widget):
    """One row. What does not fit is cut from the end of the left parts. Drawn anew only when something changed."""

    DEFAULT_CSS = """
    Line { height: 1; width: 1fr; color: $foreground; pointer: default; }
    """
    ALLOW_SELECT = False

    class Pressed(Message):
        """A part that does something was clicked."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._left: tuple[Part, ...] = ()
        self._right: tuple[Part, ...] = ()
        self._fill = Part(" ")

    def put(self, left: Sequence[Part], right: Sequence[Part] = (), fill: Part | None = None) -> None:
        """What the line says from now on; FILL is the character between its ends."""
        fill = fill or Part(" ")
        if (tuple(left), tuple(right), fill) != (self._left, self._right, self._fill):
            self._left, self._right, self._fill = tuple(left), tuple(right), fill
            self.refresh()

    @property
    def room(self) -> int:
        """Columns there are; before the line has its place, those of the whole screen."""
        return self.size.width or self.app.size.width

    def _places(self) -> list[tuple[int, Content, str | None]]:
        """(column, content, action) of each part that fits."""
        width = self.size.width
        right = [(content(part.text, part.style), part.action) for part in self._right]
        start = max(0, width - sum(text.cell_length for text, _ in right))
        placed, at = [], 0
        for part in self._left:
            text = content(part.text, part.style)
            if at + text.cell_length > start:
                text = text.truncate(max(0, start - at), ellipsis=True)
            placed.append((at, text, part.action))
            at += text.cell_length
        at = start
        for text, action in right:
            placed.append((at, text, action))
            at += text.cell_length
        return placed

    def render(self) -> Content:
        """The row."""
        pieces: list[Content] = []
        at = 0
        for column, text, _ in self._places():
            pieces += [content(self._fill.text * (column - at), self._fill.style), text]
            at = column + text.cell_length
        pieces.append(content(self._fill.text * (self.size.width - at), self._fill.style))
        return Content("").join(pieces).truncate(self.size.width)

    def on_click(self, event: events.Click) -> None:
        """Carries out what was clicked."""
        for column, text, action in self._places():
            if action and column <= event.x < column + text.cell_length:
                event.stop()
                self.post_message(self.Pressed(action))
                return
