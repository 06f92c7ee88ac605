"""What may be meant while it is being typed: files after `@`, commands after `/`."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from workbench.tui.safe import safe
from workbench.tui.widgets.blocks import fit

ROWS = 8
FOLDERS = 2  # rows of folders
_MENTION = re.compile(r'(?:^|(?<=[\s(\[{,;:=]))@("(?:[^"\\]|\\.)*|[^\s"]*)$')
_PLAIN = re.compile(r"[^\s\"'\\()\[\]{},;]+")


@dataclass(frozen=True)
class Row:
    """What would be put in the place of what was typed, and a few words about it."""

    value: str
    shown: str
    about: str = ""


def mention(before: str) -> tuple[int, str] | None:
    """Column and pattern of the `@file` that ends BEFORE, the text up to the cursor; None where there is none."""
    if "@" not in before or not (found := _MENTION.search(before)):
        return None
    return found.start(1) - 1, found[1].removeprefix('"')


def file_row(path: str) -> Row:
    """The row of a file; a name that no plain word can hold is quoted as JSON quotes it."""
    plain = _PLAIN.fullmatch(path) and path.isprintable()
    return Row(f"@{path} " if plain else f"@{json.dumps(path, ensure_ascii=not path.isprintable())} ", path)


def folder_rows(paths: Sequence[str], pattern: str) -> list[Row]:
    """Rows of the folders of PATHS whose name begins as the last part of PATTERN: taken, they are gone on from.

    None where the files themselves are few.
    """
    above, _, last = pattern.casefold().rpartition("/")
    if not last or len(paths) <= ROWS:
        return []
    folders = {path[:at] for path in paths for at, letter in enumerate(path) if letter == "/"}
    found = [one for one in folders if _is_meant(*one.casefold().rpartition("/")[::2], above, last)]
    nearest = sorted(found, key=lambda one: (one.count("/"), len(one), one))[:FOLDERS]
    return [Row(file_row(f"{one}/").value.rstrip(" ").removesuffix('"'), f"{one}/") for one in nearest]


def _is_meant(parent: str, name: str, above: str, last: str) -> bool:
    return name.startswith(last) and parent.endswith(above)


def narrowed(rows: Sequence[Row], pattern: str) -> list[Row]:
    """Those of ROWS that hold PATTERN's letters in order: what shows until the host has answered."""

    def holds(row: Row) -> bool:
        letters = iter(row.shown.casefold())
        return all(letter in letters for letter in pattern.casefold())

    return [row for row in rows if holds(row)]


class Completion(Widget):
    """A list over the lines above the prompt. It takes no focus: the prompt passes its keys on."""

    DEFAULT_CSS = """
    Completion {
        display: none; overlay: screen; constrain: inside; width: 100%; height: 1; padding: 0 1;
        background: $panel; color: $foreground; border-top: solid $border-dim;
    }
    """
    ALLOW_SELECT = False

    class Taken(Message):
        """A row was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self.note = ""
        self._at = 0
        self._top = 0

    @property
    def open(self) -> bool:
        """Whether it shows."""
        return bool(self.display)

    @property
    def row(self) -> Row | None:
        """The row that would be taken."""
        return self.rows[self._at] if self.rows and self.open else None

    def show(self, rows: list[Row], note: str = "") -> None:
        """Shows ROWS, the first one chosen, or the line NOTE where there is none; nothing at all: closes."""
        self.rows, self.note = rows, note
        self._at = self._top = 0
        height = min(ROWS, len(rows)) + bool(note)
        self.display = height > 0
        if height:
            self.styles.height = height + 1
            self.styles.offset = (0, -height - 1)
            self.refresh()

    def move(self, step: int) -> None:
        """Chooses the row STEP further; beyond an end lies the other one."""
        if self.rows:
            self._at = (self._at + step) % len(self.rows)
            self._top = min(max(self._top, self._at - ROWS + 1), self._at)
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Takes what was clicked."""
        at = self._top + event.y - 1
        if event.y >= 1 and at < min(len(self.rows), self._top + ROWS):
            self._at = at
            self.post_message(self.Taken())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the choice."""
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the choice."""
        event.stop()
        self.move(-1)

    def render(self) -> Content:
        """The rows that fit."""
        width = self.content_size.width
        shown = self.rows[self._top : self._top + ROWS]
        names = min(max((cell_len(safe(row.shown)) for row in shown), default=0), width - 2)
        lines = [self._line(row, self._top + at == self._at, names, width) for at, row in enumerate(shown)]
        if self.note:
            lines.append(Content.styled("  " + _left_cut(safe(self.note), width - 2), "$muted"))
        return Content("\n").join(lines)

    def _line(self, row: Row, chosen: bool, names: int, width: int) -> Content:
        name = _left_cut(safe(row.shown), names)
        name += " " * (names - cell_len(name))
        about = safe(row.about)
        room = width - 2 - names - 3
        about = f"   {set_cell_size(about, min(room, cell_len(about)))}" if about and room > 3 else ""
        return Content.assemble(
            ("› " if chosen else "  ", "$agent"), (name, "bold $agent" if chosen else ""), (about, "$muted")
        )


def _left_cut(text: str, width: int) -> str:
    """TEXT in WIDTH cells, shortened from the left: of a path the end says most."""
    return fit(text, width, left=True)
