"""What happened since a person last looked: a quiet sheet that any key closes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from textual import events
from textual.content import Content

from workbench.protocol.brief import BriefRow
from workbench.protocol.queries import Brief
from workbench.tui.safe import content
from workbench.tui.screens.sheet import Sheet, hanging

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_SIGNS = {"decide": ("● ", "$warning"), "bad": ("✗ ", "$error"), "good": ("✓ ", "$success")}
_SCROLLS = ("down", "up", "pagedown", "pageup")
_LOOKS = 0.5  # seconds between two looks whether an approval has come


class BriefSheet(Sheet):
    """It gives way to an approval that comes meanwhile; those that WAIT were there before it."""

    def __init__(self, brief: Brief, title: str = "while you were away", wait: Iterable[str] = ()) -> None:
        super().__init__(title, "any key closes")
        self._brief, self._wait = brief, frozenset(wait)

    def on_mount(self) -> None:
        """Draws, and looks out for what must not be hidden."""
        super().on_mount()
        self.set_interval(_LOOKS, self._give_way)

    def _give_way(self) -> None:
        if set(cast("WorkbenchApp", self.app).state.approvals) - self._wait and self.is_current:
            self.dismiss(None)

    def lines(self, width: int) -> list[Content]:
        """A line that says how it stands, then the rows under their headings."""
        lines = hanging(Content(""), content(self._brief.heading, "bold"), width)
        for section in self._brief.sections:
            lines += [Content(""), content(section.heading, "$muted")]
            for row in section.rows:
                lines += _row(row, width)
            if section.more:
                lines.append(content(f"  and {section.more:,} more", "$muted"))
        return lines

    def on_key(self, event: events.Key) -> None:
        """Closes; arrows and page keys scroll. What is typed goes to the prompt: nothing typed is lost."""
        if event.key in _SCROLLS:
            super().on_key(event)
            return
        event.stop()
        event.prevent_default()
        self.dismiss(None)
        if event.is_printable and event.character and event.character != " ":
            passed = events.Key(event.key, event.character)
            self.app.call_later(self._pass_on, passed)

    def _pass_on(self, key: events.Key) -> None:
        if (focused := self.app.focused) is not None:
            focused.post_message(key)

    def on_click(self, event: events.Click) -> None:
        """A click beside the sheet closes it as well."""
        if event.widget is self:
            self.dismiss(None)


def _row(row: BriefRow, width: int) -> list[Content]:
    sign, style = _SIGNS.get(row.kind, ("  ", ""))
    text = content(row.text)
    if row.note:
        text = Content.assemble(text, "   ", content(row.note, "$muted"))
    return hanging(content(sign, style), text, width)
